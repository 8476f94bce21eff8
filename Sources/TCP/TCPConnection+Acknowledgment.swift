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
        let oldUNA = snd.una
        let oldInFlight = queue.inFlight
        let advances = snd.una.precedes(ack)
        if advances {
            queue.acknowledge(upTo: ack, now: now.nanoseconds, outcome: &outcome)
            snd.una = ack
            sendBuffer.discard(upTo: sendBuffer.start + outcome.acknowledgedBytes)
            reception.acknowledgedBytes = outcome.acknowledgedBytes
        }
        if rcv.isSACKEnabled { readSACK(header.options.sack, oldUNA, now: now, &outcome) }
        if let sample = outcome.rttSample, advances || outcome.newlySacked {
            rtt.addSample(sample)
        }
        detectLosses(header, payloadLength, advances, isWindowUpdate, outcome, now: now)
        if advances {
            recovery.consecutiveTimeouts = 0
            rtt.resetBackoff()
            advanceCongestion(outcome, oldInFlight: oldInFlight, now: now)
            rearmRetransmission(now: now)
        }
        if let end = recovery.probeEnd, end.precedesOrEquals(snd.una) {
            finishProbe(sawDSACK: outcome.sawDSACK, now: now)
        }
        armTailLossProbe(now: now)
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
        queue.markAllLost()
        recovery.isForced = true
        rtt.resetBackoff()
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
        _ blocks: SACKBlocks, _ oldUNA: SequenceNumber, now: Instant,
        _ outcome: inout RetransmissionQueue.Outcome
    ) {
        for index in 0..<blocks.count {
            let block = blocks[index]
            guard block.left.precedes(block.right) else { continue }
            if block.right.precedesOrEquals(snd.una) {
                // RFC 2883, 4: below SND.UNA a block reports a duplicate.
                if index == 0,
                    block.right.precedesOrEquals(oldUNA + 1)
                        || block.right.precedesOrEquals(snd.una)
                {
                    outcome.sawDSACK = true
                    queue.noteSpuriousRetransmission()
                }
                continue
            }
            guard block.right.precedesOrEquals(snd.nxt), snd.una.precedesOrEquals(block.left)
            else { continue }
            queue.sack(block.left, block.right, now: now.nanoseconds, outcome: &outcome)
        }
    }

    /// RFC 8985 with SACK, RFC 6582 without.
    private mutating func detectLosses(
        _ header: SegmentHeader, _ payloadLength: Int, _ advances: Bool, _ isWindowUpdate: Bool,
        _ outcome: RetransmissionQueue.Outcome, now: Instant
    ) {
        if rcv.isSACKEnabled {
            if advances || outcome.newlySacked { runRACK(now: now) }
        } else if advances {
            recovery.duplicateACKs = 0
            // RFC 6582, 3.2 step 3: a partial ACK shows the next hole.
            if recovery.phase == .recovery, snd.una.precedes(recovery.point) {
                queue.markFirstLost()
                recovery.isForced = true
            }
        } else if payloadLength == 0, !isWindowUpdate, !queue.isEmpty,
            header.flags.isDisjoint(with: [.syn, .fin]),
            // RFC 8684, 3: an ACK that carries an MPTCP signal is no congestion signal.
            header.options.mptcp.isEmpty
        {
            recovery.duplicateACKs += 1
            if recovery.duplicateACKs == 3 { queue.markFirstLost() }
        }
        if queue.lostCount > 0, recovery.phase == .open { enterRecovery(now: now) }
    }

    mutating func runRACK(now: Instant) {
        let wait = queue.detectLoss(
            now: now.nanoseconds, minimumRTT: rtt.minimum == .max ? 0 : rtt.minimum,
            smoothedRTT: rtt.smoothed ?? 0, isInRecovery: recovery.phase != .open)
        if let wait {
            timers.arm(.reordering, at: now + .nanoseconds(wait))
        } else {
            timers.disarm(.reordering)
        }
        if queue.lostCount > 0, recovery.phase == .open { enterRecovery(now: now) }
    }

    private mutating func enterRecovery(now: Instant) {
        recovery.phase = .recovery
        recovery.point = snd.nxt
        recovery.isForced = true
        recovery.probeEnd = nil
        timers.disarm(.tailLossProbe)
        counters.fastRecoveries += 1
        congestion.enterRecovery(inFlight: snd.una.distance(to: snd.nxt), now: now)
    }

    private mutating func advanceCongestion(
        _ outcome: RetransmissionQueue.Outcome, oldInFlight: Int, now: Instant
    ) {
        switch recovery.phase {
        case .recovery where recovery.point.precedesOrEquals(snd.una):
            recovery.phase = .open
            recovery.duplicateACKs = 0
            congestion.exitRecovery(now: now)
        case .loss where recovery.point.precedesOrEquals(snd.una):
            recovery.phase = .open
            recovery.duplicateACKs = 0
            grow(outcome, oldInFlight, now: now)
        case .open, .loss:
            grow(outcome, oldInFlight, now: now)
        case .recovery:
            break
        }
    }

    private mutating func grow(
        _ outcome: RetransmissionQueue.Outcome, _ oldInFlight: Int, now: Instant
    ) {
        let isLimited =
            congestion.isInSlowStart
            ? 2 * oldInFlight >= congestion.window
            : oldInFlight + effectiveMSS >= congestion.window
        congestion.acknowledged(
            bytes: outcome.acknowledgedBytes, inFlight: queue.inFlight,
            isWindowLimited: isLimited || recovery.phase == .loss,
            roundTrip: rtt.smoothedDuration, now: now)
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

    /// RFC 8985, 7.4: what became of the probe.
    private mutating func finishProbe(sawDSACK: Bool, now: Instant) {
        if recovery.isProbeRetransmission, !sawDSACK, recovery.phase == .open {
            // The probe repaired a loss that nobody else saw.
            congestion.enterRecovery(inFlight: snd.una.distance(to: snd.nxt), now: now)
            congestion.exitRecovery(now: now)
        }
        recovery.probeEnd = nil
    }

    /// RFC 8985, 7.2.
    mutating func armTailLossProbe(now: Instant) {
        guard rcv.isSACKEnabled, recovery.phase == .open, !queue.isEmpty, queue.sackedCount == 0,
            recovery.probeEnd == nil, queue.lostCount == 0
        else {
            timers.disarm(.tailLossProbe)
            return
        }
        guard let smoothed = rtt.smoothed else { return }
        var timeout = 2 * smoothed
        timeout += queue.count == 1 ? configuration.minimumRTO.wholeNanoseconds : 2_000_000
        let due = now + .nanoseconds(timeout)
        if let limit = timers[.retransmission], limit <= due {
            timers.disarm(.tailLossProbe)
            return
        }
        timers.arm(.tailLossProbe, at: due)
    }
}
