public import NetworkPrimitives
public import WireFormat

/// What a received segment did.
public struct Reception: Sendable {
    /// The segment passed the sequence and ACK tests: signals in it may be acted upon.
    public var isAcceptable = false
    /// The handshake is complete.
    public var becameEstablished = false
    /// Octets of payload newly acknowledged.
    public var acknowledgedBytes = 0
    /// Octets newly in order.
    public var receivedBytes = 0
    /// The peer's FIN came in order.
    public var receivedFIN = false
    /// Our FIN was acknowledged.
    public var finWasAcknowledged = false
    /// The connection ended.
    public var closed: TCPCloseReason?
    /// The caller should answer with `<SEQ=SEG.ACK><CTL=RST>`.
    public var answersWithReset = false
}

extension TCPConnection {
    /// Takes a segment addressed to this connection (RFC 9293, 3.10.7).
    ///
    /// `payload` is only read during the call.
    /// - Parameter ecn: the ECN bits of the packet's IP header.
    public mutating func receive(
        _ header: SegmentHeader, payload: UnsafeRawBufferPointer, ecn: ECNCodepoint = .notECT,
        now: Instant
    ) -> Reception {
        var reception = Reception()
        counters.segmentsReceived += 1
        switch state {
        case .closed:
            reception.answersWithReset = !header.flags.contains(.rst)
            return reception
        case .synSent:
            receiveInSYNSent(header, reception: &reception, now: now)
            return reception
        case .synReceived, .established, .finWait1, .finWait2, .closing, .timeWait, .closeWait,
            .lastACK:
            break
        }
        if receiveRepeatedSYN(header, &reception, now: now) { return reception }
        guard passesPAWS(header, payload.count, now: now),
            passesSequenceTest(header, payload.count, now: now)
        else { return reception }
        if header.flags.contains(.rst) {
            receiveReset(header, &reception, now: now)
            return reception
        }
        if header.flags.contains(.syn) {
            // RFC 5961, 4.2.
            challenge(now: now)
            return reception
        }
        guard header.flags.contains(.ack) else { return reception }
        guard passesACKTest(header, &reception, now: now) else { return reception }
        reception.isAcceptable = true
        acknowledgment.lastReceived = now
        recovery.keepAlivesSent = 0
        armKeepAlive(now: now)
        updateRecentTimestamp(header, now: now)
        if !payload.isEmpty {
            noteCongestionMarks(
                header.flags, isCongestionExperienced: ecn == .congestionExperienced)
        }
        processAcknowledgment(header, payloadLength: payload.count, &reception, now: now)
        if state != .closed { receiveText(header, payload, &reception, now: now) }
        return reception
    }

    /// The peer's SYN in SYN-RECEIVED: alone it means that our SYN/ACK was lost; with an ACK it
    /// ends a simultaneous open (RFC 9293, 3.5, figure 8), though it lies before the window.
    private mutating func receiveRepeatedSYN(
        _ header: SegmentHeader, _ reception: inout Reception, now: Instant
    ) -> Bool {
        guard state == .synReceived, header.flags.contains(.syn), !header.flags.contains(.rst),
            header.sequence == rcv.initialSequence
        else { return false }
        guard header.flags.contains(.ack) else {
            snd.isSYNPending = true
            return true
        }
        guard header.acknowledgment == snd.initialSequence + 1, snd.synTransmissions > 0 else {
            reception.answersWithReset = true
            return true
        }
        reception.isAcceptable = true
        acknowledgment.lastReceived = now
        completeHandshake(header, reception: &reception, now: now)
        acknowledgment.need = .immediate
        return true
    }

    /// RFC 7323, 5.3: PAWS. A missing timestamp is tolerated, as in Linux.
    private mutating func passesPAWS(
        _ header: SegmentHeader, _ payloadLength: Int, now: Instant
    ) -> Bool {
        guard timestamps.isEnabled, !header.flags.contains(.rst),
            let stamp = header.options.timestamps
        else { return true }
        let isOld = Int32(bitPattern: stamp.value &- timestamps.recent) < 0
        let isStale = now - timestamps.recentAge > .seconds(24 * 86_400)
        if isOld, !isStale, !isOvertaken(header, payloadLength) {
            counters.pawsDrops += 1
            answerUnacceptable(hasText: payloadLength > 0, now: now)
            return false
        }
        return true
    }

    /// A pure ACK that a later one has overtaken: it moves nothing, but its SACK blocks may be the only
    /// ones that tell of a needless retransmission. As in Linux only as old as the path may be long.
    private func isOvertaken(_ header: SegmentHeader, _ payloadLength: Int) -> Bool {
        guard let stamp = header.options.timestamps, payloadLength == 0, header.flags == .ack,
            header.sequence == rcv.nxt, !snd.una.precedes(header.acknowledgment),
            header.acknowledgment != snd.una || Int(header.window) << snd.windowShift == snd.window
        else { return false }
        let age = Int64(timestamps.recent &- stamp.value)
        return Duration.milliseconds(age) <= .nanoseconds(rtt.timeout)
    }

    /// Whether a segment without text is acceptable with this sequence number (RFC 9293, 3.10.7.4).
    public func isInWindow(_ sequence: SequenceNumber) -> Bool {
        guard state.isSynchronized, state != .timeWait else { return false }
        let first = rcv.nxt.distance(to: sequence)
        return first == 0 || first > 0 && first < rcv.nxt.distance(to: rcv.rightEdge)
    }

    /// RFC 9293, 3.10.7.4, first check.
    private mutating func passesSequenceTest(
        _ header: SegmentHeader, _ payloadLength: Int, now: Instant
    ) -> Bool {
        let length = header.sequenceLength(payload: payloadLength)
        let window = max(rcv.nxt.distance(to: rcv.rightEdge), 0)
        let first = rcv.nxt.distance(to: header.sequence)
        let last = first + length - 1
        let isAcceptable: Bool
        switch (length, window) {
        case (0, 0): isAcceptable = first == 0
        case (0, _): isAcceptable = first >= 0 && first < window
        // A full window: what was received before may still carry an ACK.
        case (_, 0): isAcceptable = false
        default: isAcceptable = (first >= 0 && first < window) || (last >= 0 && last < window)
        }
        if isAcceptable { return true }
        if length > 0, window == 0, first == 0 {
            // Zero window: the ACK and RST of a probe count, its text does not.
            acknowledgment.need = .immediate
            return header.flags.isDisjoint(with: [.syn])
        }
        if !header.flags.contains(.rst) {
            if first < 0, length > 0, rcv.isSACKEnabled, last < 0 {
                rcv.duplicate = SACKBlock(
                    left: header.sequence, right: header.sequence + payloadLength)
            }
            if state == .timeWait, header.flags.contains(.fin) { armTimeWait(now: now) }
            answerUnacceptable(hasText: length > 0, now: now)
        }
        return false
    }

    /// RFC 9293, 3.10.7.4: an unacceptable segment gets an ACK. One without text gets it at most
    /// once per least timeout: two ends that disagree would answer each other for ever.
    private mutating func answerUnacceptable(hasText: Bool, now: Instant) {
        if !hasText {
            guard now - acknowledgment.lastOutOfWindow >= configuration.minimumRTO else { return }
            acknowledgment.lastOutOfWindow = now
        }
        acknowledgment.need = .immediate
    }

    /// RFC 5961, 3.2: only the exact sequence number resets.
    private mutating func receiveReset(
        _ header: SegmentHeader, _ reception: inout Reception, now: Instant
    ) {
        guard header.sequence == rcv.nxt else {
            challenge(now: now)
            return
        }
        // RFC 1337: no RST ends TIME-WAIT.
        if state == .timeWait { return }
        reception.isAcceptable = true
        finish(.reset)
        reception.closed = .reset
    }

    mutating func challenge(now: Instant) {
        guard now - acknowledgment.lastChallenge >= .milliseconds(500) else { return }
        acknowledgment.lastChallenge = now
        counters.challengeACKs += 1
        acknowledgment.need = .immediate
    }

    /// RFC 9293, 3.10.7.4, fifth check, with the range of RFC 5961, 5.2.
    private mutating func passesACKTest(
        _ header: SegmentHeader, _ reception: inout Reception, now: Instant
    ) -> Bool {
        let ack = header.acknowledgment
        if state == .synReceived {
            guard acknowledgesSYN(ack) else {
                reception.answersWithReset = true
                return false
            }
            completeHandshake(header, reception: &reception, now: now)
            return true
        }
        let isInRange =
            ack.precedesOrEquals(snd.nxt)
            && (snd.una - max(snd.largestWindow, 1)).precedesOrEquals(ack)
        if !isInRange { challenge(now: now) }
        return isInRange
    }

    /// RFC 7323, 4.3.
    private mutating func updateRecentTimestamp(_ header: SegmentHeader, now: Instant) {
        guard timestamps.isEnabled, let stamp = header.options.timestamps,
            header.sequence.precedesOrEquals(timestamps.lastACKSent),
            Int32(bitPattern: stamp.value &- timestamps.recent) >= 0
        else { return }
        timestamps.recent = stamp.value
        timestamps.recentAge = now
    }

    /// RFC 9293, 3.10.7.4, seventh and eighth check.
    private mutating func receiveText(
        _ header: SegmentHeader, _ payload: UnsafeRawBufferPointer, _ reception: inout Reception,
        now: Instant
    ) {
        guard state.canReceive else {
            if header.sequenceLength(payload: payload.count) > 0 {
                acknowledgment.need = .immediate
                if state == .timeWait, header.flags.contains(.fin) { armTimeWait(now: now) }
            }
            return
        }
        let before = receiveBuffer.end
        if !payload.isEmpty { store(payload, at: header.sequence, now: now) }
        if header.flags.contains(.fin) {
            let finSequence = header.sequence + payload.count
            if finSequence.precedes(rcv.rightEdge + 1), rcv.finSequence == nil {
                rcv.finSequence = finSequence
            }
            acknowledgment.need = .immediate
        }
        reception.receivedBytes = receiveBuffer.end - before
        rcv.nxt += reception.receivedBytes
        if let fin = rcv.finSequence, fin == rcv.nxt, !rcv.isFINConsumed {
            rcv.isFINConsumed = true
            rcv.nxt += 1
            reception.receivedFIN = true
            acknowledgment.need = .immediate
            receiveFIN(&reception, now: now)
        }
    }

    private mutating func store(
        _ payload: UnsafeRawBufferPointer, at sequence: SequenceNumber, now: Instant
    ) {
        // Trim to the window, and to what lies before the peer's FIN.
        var bytes = payload
        let limit = rcv.finSequence ?? rcv.rightEdge
        let excess = limit.distance(to: sequence + bytes.count)
        if excess > 0 {
            bytes = UnsafeRawBufferPointer(rebasing: bytes[..<max(bytes.count - excess, 0)])
            acknowledgment.need = .immediate
        }
        guard !bytes.isEmpty else { return }
        var offset = receiveBuffer.end + rcv.nxt.distance(to: sequence)
        if offset < receiveBuffer.end {
            // The part that was received before.
            let known = min(receiveBuffer.end - offset, bytes.count)
            if rcv.isSACKEnabled, known == bytes.count {
                rcv.duplicate = SACKBlock(left: sequence, right: sequence + known)
            }
            bytes = UnsafeRawBufferPointer(rebasing: bytes[known...])
            offset += known
            acknowledgment.need = .immediate
        }
        guard !bytes.isEmpty else { return }
        let hadGap = !receiveBuffer.outOfOrder.isEmpty
        let insertion = receiveBuffer.insert(bytes, at: offset)
        if let range = insertion.outOfOrderRange {
            noteOutOfOrder(range, isDuplicate: insertion.newBytes == 0, at: sequence, bytes.count)
            acknowledgment.need = .immediate
        } else {
            if hadGap { acknowledgment.need = .immediate }
            scheduleDelayedACK(bytes.count, now: now)
        }
    }

    private mutating func noteOutOfOrder(
        _ range: Range<Int>, isDuplicate: Bool, at sequence: SequenceNumber, _ length: Int
    ) {
        guard rcv.isSACKEnabled else { return }
        if isDuplicate { rcv.duplicate = SACKBlock(left: sequence, right: sequence + length) }
        // RFC 2018, 4: the newest block first, then the most recently reported ones.
        let block = sackBlock(range)
        var blocks = SACKBlocks()
        blocks.append(block)
        for index in 0..<rcv.recentBlocks.count {
            let old = rcv.recentBlocks[index]
            let isMerged =
                block.left.precedesOrEquals(old.left) && old.right.precedesOrEquals(block.right)
            if !isMerged { blocks.append(old) }
        }
        rcv.recentBlocks = blocks
    }

    private func sackBlock(_ range: Range<Int>) -> SACKBlock {
        let base = rcv.initialSequence + 1 + rcv.earlyLength
        return SACKBlock(left: base + range.lowerBound, right: base + range.upperBound)
    }

    /// The blocks of the next ACK: a duplicate first (RFC 2883, 4), then gaps by age.
    mutating func takeSACKBlocks() -> SACKBlocks {
        guard rcv.isSACKEnabled else { return SACKBlocks() }
        var blocks = SACKBlocks()
        if let duplicate = rcv.duplicate {
            blocks.append(duplicate)
            rcv.duplicate = nil
        }
        if receiveBuffer.outOfOrder.isEmpty {
            rcv.recentBlocks = SACKBlocks()
            return blocks
        }
        for index in 0..<rcv.recentBlocks.count
        where rcv.nxt.precedes(rcv.recentBlocks[index].left) {
            blocks.append(rcv.recentBlocks[index])
        }
        return blocks
    }

    /// tcp-base, 15.2: every second segment at once, however small, so that a stream of records
    /// keeps the sender's clock exact; the first sixteen at once.
    private mutating func scheduleDelayedACK(_ length: Int, now: Instant) {
        acknowledgment.unacknowledgedSegments += 1
        if acknowledgment.quickACKs > 0 {
            acknowledgment.quickACKs -= 1
            acknowledgment.need = .immediate
        } else if acknowledgment.unacknowledgedSegments >= 2 || length > 2 * effectiveMSS {
            acknowledgment.need = .immediate
        } else if acknowledgment.need == .none {
            acknowledgment.need = .delayed
            timers.arm(.delayedACK, at: now + configuration.delayedACK)
        }
    }
}
