internal import CongestionControl
internal import NetworkPrimitives
internal import WireFormat

extension TCPConnection {
    /// RFC 9293, 3.10.7.4, fifth check: ACK, window, and what they say about losses.
    mutating func processAcknowledgment(
        _ header: SegmentHeader, payloadLength: Int, _ reception: inout Reception, now: Instant
    ) {
        let ack = header.acknowledgment
        let oldWindow = snd.window
        let isWindowUpdate = updateWindow(header)
        var outcome = RetransmissionQueue.Outcome()
        outcome.minimumRTT = rtt.minimum == .max ? 0 : rtt.minimum
        if timestamps.isEnabled {
            outcome.echo = header.options.timestamps.map { $0.echo &- timestamps.offset }
        }
        let oldPipe = pipe
        let advances = snd.una.precedes(ack)
        if advances {
            queue.acknowledge(upTo: ack, now: now.nanoseconds, outcome: &outcome)
            snd.una = ack
            sendBuffer.discard(upTo: sendBuffer.start + outcome.acknowledgedBytes)
            reception.acknowledgedBytes = outcome.acknowledgedBytes
            recovery.consecutiveTimeouts = 0
        }
        if rcv.isSACKEnabled {
            readSACK(header, now: now, &outcome)
        } else {
            let isDuplicate =
                !advances && !isWindowUpdate && isDuplicateACK(header, payloadLength)
            countDuplicateACK(isDuplicate, advances, &outcome)
        }
        sampleRoundTrip(outcome, advances: advances, now: now)
        updateRecovery(outcome, header.flags, advances: advances, oldPipe: oldPipe, now: now)
        if advances { rearmRetransmission(now: now) }
        let isBare =
            payloadLength == 0 && !isWindowUpdate && ack == snd.una
            && header.flags.isDisjoint(with: [.syn, .fin]) && header.options.mptcp.isEmpty
        concludeProbe(outcome, advances: advances, isBare: isBare, now: now)
        if advances || !mayProbeTailLoss { armTailLossProbe(now: now) }
        if advances, snd.isFINSent, queue.isEmpty, snd.una == snd.nxt {
            finAcknowledged(&reception, now: now)
        }
        if snd.window > 0 {
            recovery.persistBackoff = 0
            timers.disarm(.persist)
        } else {
            // RFC 9293, 3.8.6.1: a closed window that answers probes is alive.
            recovery.consecutiveTimeouts = 0
        }
        if !advances { repeatAfterWindowOpened(oldWindow: oldWindow) }
        armPersist(now: now)
    }

    /// What was sent beyond a closed window was dropped by the peer: once the window opens it goes
    /// out at once, not after the timeout that the probes had backed off.
    private mutating func repeatAfterWindowOpened(oldWindow: Int) {
        guard !queue.isEmpty, snd.window > oldWindow, queue.firstEnd(from: snd.una) > oldWindow,
            queue.firstEnd(from: snd.una) <= snd.window
        else { return }
        queue.markLost(sentBefore: .max)
        recovery.isForced = true
        rtt.resetBackoff()
    }

    /// RFC 6298, 3: only of segments that were sent once, and the timeout stays backed off until
    /// there is a sample. An echoed timestamp tells which transmission was answered (RFC 7323, 4.1).
    private mutating func sampleRoundTrip(
        _ outcome: RetransmissionQueue.Outcome, advances: Bool, now: Instant
    ) {
        guard advances || outcome.newlySacked else { return }
        if let sample = outcome.rttSample {
            rtt.addSample(sample, now: now)
        } else if advances, let echo = outcome.echo {
            let age = Int32(bitPattern: TimestampState.tick(now.nanoseconds) &- echo)
            guard age >= 0, age < 60_000 else { return }
            rtt.addSample(Int64(max(age, 1)) * 1_000_000, isPrecise: false, now: now)
        }
    }

    /// RFC 9293, 3.10.7.4: SND.WND from the newest segment.
    private mutating func updateWindow(_ header: SegmentHeader) -> Bool {
        let isNewer =
            snd.wl1.precedes(header.sequence)
            || snd.wl1 == header.sequence && snd.wl2.precedesOrEquals(header.acknowledgment)
        guard isNewer else { return false }
        let window = Int(header.window) << snd.windowShift
        let changed = window != snd.window
        snd.window = window
        snd.largestWindow = max(snd.largestWindow, window)
        snd.wl1 = header.sequence
        snd.wl2 = header.acknowledgment
        return changed
    }

    private mutating func readSACK(
        _ header: SegmentHeader, now: Instant, _ outcome: inout RetransmissionQueue.Outcome
    ) {
        let blocks = header.options.sack
        var left: UInt8 = 0
        for index in 0..<blocks.count {
            let block = blocks[index]
            guard block.left.precedes(block.right) else { continue }
            if index == 0, reportsDuplicate(blocks, acknowledgment: header.acknowledgment) {
                outcome.duplicate = (block.left, block.right)
                noteDuplicate(block)
                continue
            }
            guard block.right.precedesOrEquals(snd.nxt), snd.una.precedes(block.right)
            else { continue }
            left |= 1 << index
        }
        // RFC 8985, 6.2 step 3 takes segments in the order of their numbers: the newest block stands
        // first, and what it brings would make the others look overtaken.
        while left != 0 {
            var lowest = left.trailingZeroBitCount
            for index in (lowest + 1)..<8 where left & 1 << index != 0 {
                if blocks[index].left.precedes(blocks[lowest].left) { lowest = index }
            }
            left &= ~(1 << lowest)
            queue.sack(
                blocks[lowest].left, blocks[lowest].right, now: now.nanoseconds, outcome: &outcome)
        }
    }

    /// RFC 2883, 4: the first block lies below the ACK, or within the second one.
    private func reportsDuplicate(
        _ blocks: SACKBlocks, acknowledgment: SequenceNumber
    ) -> Bool {
        let first = blocks[0]
        if first.right.precedesOrEquals(acknowledgment) { return true }
        guard blocks.count > 1 else { return false }
        let second = blocks[1]
        return second.left.precedesOrEquals(first.left)
            && first.right.precedesOrEquals(second.right)
    }

    private mutating func noteDuplicate(_ block: SACKBlock) {
        counters.duplicatesReported += 1
        // That a probe was not needed says nothing about reordering.
        if recovery.isProbeRetransmission, recovery.probeEnd == block.right { return }
        queue.noteDuplicate(una: snd.una, nxt: snd.nxt)
    }

    /// RFC 5681, 2: what counts as a duplicate ACK without SACK.
    private func isDuplicateACK(_ header: SegmentHeader, _ payloadLength: Int) -> Bool {
        payloadLength == 0 && !queue.isEmpty && header.acknowledgment == snd.una
            && header.flags.isDisjoint(with: [.syn, .fin])
            // RFC 8684, 3: an ACK that carries an MPTCP signal is no congestion signal.
            && header.options.mptcp.isEmpty
    }

    /// RFC 9937, 7: without SACK a duplicate ACK stands for one segment that arrived.
    private mutating func countDuplicateACK(
        _ isDuplicate: Bool, _ advances: Bool, _ outcome: inout RetransmissionQueue.Outcome
    ) {
        if isDuplicate {
            outcome.isDuplicateACK = true
            recovery.duplicateACKs += 1
            let assumed = min(effectiveMSS, queue[0].length, pipe)
            recovery.assumedDelivered += assumed
            outcome.delivered = assumed
        } else if advances {
            let known = min(recovery.assumedDelivered, outcome.delivered)
            outcome.delivered -= known
            recovery.assumedDelivered -= known
            recovery.duplicateACKs = 0
        }
    }

    /// RFC 6298, 5.2 and 5.3.
    mutating func rearmRetransmission(now: Instant) {
        if queue.isEmpty {
            timers.disarm(.retransmission)
            timers.disarm(.tailLossProbe)
        } else {
            timers.arm(.retransmission, at: now + .nanoseconds(rtt.timeout))
        }
    }
}
