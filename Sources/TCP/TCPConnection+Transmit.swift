internal import CongestionControl
internal import DequeModule
public import NetworkPrimitives
public import WireFormat

/// A segment to send: the header, and where its payload lies in `sendBuffer`.
public struct OutgoingSegment: Sendable {
    /// The header; an owner that speaks MPTCP adds its options.
    public var header: SegmentHeader
    /// Stream offsets of the payload.
    public var payload: Range<Int>
    /// The mapping of which the payload is a part.
    public var mapping: SegmentMapping?
    /// Whether the payload was sent before.
    public var isRetransmission = false
    /// The ECN bits of the packet's IP header.
    public var ecn = ECNCodepoint.notECT
}

extension TCPConnection {
    /// The next segment to send, `nil` when there is nothing to send now.
    ///
    /// - Parameter superSegment: Payload octets up to which new data of one unit may be joined to a
    ///   super-segment, which whoever sends it cuts in pieces of `effectiveMSS`; 0 for none.
    public mutating func pollSegment(
        now: Instant, superSegment: Int = 0
    ) -> OutgoingSegment? {
        if snd.isResetPending {
            snd.isResetPending = false
            return control(snd.isResetBare ? .rst : [.rst, .ack], now: now)
        }
        switch state {
        case .closed: return nil
        case .synSent: return pollSYN(now: now)
        case .synReceived: return pollSYN(now: now) ?? pollEarlyAnswer(now: now)
        case .established, .finWait1, .finWait2, .closing, .timeWait, .closeWait, .lastACK: break
        }
        if acknowledgment.need == .immediate, rcv.isSACKEnabled,
            rcv.duplicate != nil || !receiveBuffer.outOfOrder.isEmpty
        {
            // Data segments have no room for SACK blocks: they would take the ACK with them.
            return control(.ack, now: now)
        }
        if let segment = pollRetransmission(now: now) { return segment }
        if let segment = pollNewData(superSegment: superSegment, now: now) { return segment }
        if let segment = pollFIN(now: now) { return segment }
        if acknowledgment.isProbePending {
            // RFC 9293, 3.8.4: an old sequence number makes the peer answer.
            acknowledgment.isProbePending = false
            var probe = control(.ack, now: now)
            probe.header.sequence = snd.una - 1
            return probe
        }
        if acknowledgment.need == .immediate { return control(.ack, now: now) }
        return nil
    }

    private mutating func pollSYN(now: Instant) -> OutgoingSegment? {
        guard snd.isSYNPending else { return nil }
        snd.isSYNPending = false
        snd.synTransmissions += 1
        snd.synSentAt = now.nanoseconds
        if queue.isEmpty { snd.nxt = snd.initialSequence + 1 }
        let isAnswer = state == .synReceived
        let isFirst = snd.synTransmissions == 1
        var header = header(flags: synFlags(isAnswer: isAnswer), now: now)
        header.sequence = snd.initialSequence
        header.window = UInt16(clamping: receiveWindow)
        let isV6 = tuple.local.address.isV6
        header.options.maximumSegmentSize = UInt16(
            clamping: configuration.maximumSegmentSize(isV6: isV6))
        header.options.isSACKPermitted = isAnswer ? rcv.isSACKEnabled : configuration.offersSACK
        if isAnswer {
            timestamps.lastACKSent = rcv.nxt
            // RFC 7323, 2.2: only in answer to the option.
            header.options.windowScale =
                rcv.windowShift > 0 || snd.windowShift > 0 ? UInt8(rcv.windowShift) : nil
            rcv.rightEdge = rcv.rightEdge.later(rcv.nxt + Int(header.window))
        } else {
            header.options.windowScale = configuration.windowShift
            if configuration.offersTimestamps, !(isFirst && snd.isFirstSYNFull) {
                header.options.timestamps = Timestamps(
                    value: timestamps.value(now: now), echo: 0)
            }
        }
        // RFC 7413, 4.1.3: once; a path that eats such SYNs lets the next one through.
        if isFirst { header.options.fastOpenCookie = snd.fastOpenCookie }
        timers.arm(.retransmission, at: now + .nanoseconds(snd.earlyTimeout ?? rtt.timeout))
        counters.segmentsSent += 1
        return OutgoingSegment(
            header: header, payload: 0..<(isFirst && !isAnswer ? snd.earlyOffered : 0),
            mapping: nil)
    }

    /// New data behind the SYN/ACK, as far as the owner allows; none of it is sent again before the
    /// handshake is complete.
    private mutating func pollEarlyAnswer(now: Instant) -> OutgoingSegment? {
        guard canSend, let unit = pending.first,
            case let length = min(unit.length, effectiveMSS), length <= snd.earlyAllowance,
            length <= congestion.window - pipe,
            length <= snd.window - snd.una.distance(to: snd.nxt)
        else { return nil }
        let segment = takeNewData(limit: length, now: now)
        snd.earlyAllowance -= length
        return segment
    }

    /// Lost segments first, as far as the congestion window allows; then a tail loss probe.
    private mutating func pollRetransmission(now: Instant) -> OutgoingSegment? {
        if recovery.isProbePending {
            recovery.isProbePending = false
            if let probe = pollTailLossProbe(now: now) { return probe }
        }
        guard let index = queue.firstLostIndex() else { return nil }
        let isAllowed =
            recovery.isForced || pipe == 0
            || pipe + min(queue[index].length, effectiveMSS) <= congestion.window
        guard isAllowed, recovery.isForced || mayLeave(now: now) else { return nil }
        recovery.isForced = false
        return retransmit(index, now: now)
    }

    mutating func retransmit(_ index: Int, now: Instant) -> OutgoingSegment {
        if queue[index].length > effectiveMSS { queue.split(index, at: effectiveMSS) }
        let sent = queue[index]
        queue.noteRetransmission(index, now: now.nanoseconds)
        counters.retransmittedSegments += 1
        counters.dataSegmentsSent += 1
        recovery.undo.noteRetransmission(sent.sequenceLength, now: now.nanoseconds)
        noteDataSent(sent.sequenceLength, now: now)
        // The answer to the first hole of recovery takes a round trip from now on (RFC 6675, 6).
        let isFirstHole = recovery.phase == .recovery && sent.sequence == snd.una
        if isFirstHole || !timers.isArmed(.retransmission) { rearmRetransmission(now: now) }
        var flags: TCPFlags = sent.isFIN ? [.ack, .fin] : .ack
        if sent.length > 0 { flags.insert(.psh) }
        var header = header(flags: flags, now: now)
        header.sequence = sent.sequence
        let base = sendBuffer.start + snd.una.distance(to: sent.sequence)
        return finishSegment(
            header, payload: base..<(base + sent.length), mapping: sent.mapping,
            isRetransmission: true, now: now)
    }

    private mutating func pollNewData(
        superSegment: Int, now: Instant
    ) -> OutgoingSegment? {
        let isProbe = recovery.isPersistPending
        recovery.isPersistPending = false
        guard !pending.isEmpty else { return nil }
        if isProbe {
            // The window probe: the next segment, beyond the window.
            if let segment = takeNewData(limit: effectiveMSS, isWindowProbe: true, now: now) {
                return segment
            }
        }
        let window = snd.window - snd.una.distance(to: snd.nxt)
        let room = congestion.window - pipe
        guard queue.lostCount == 0 else { return nil }
        var length = min(pending[0].length, effectiveMSS)
        guard length <= room || pipe == 0 else { return nil }
        guard mayLeave(now: now) else { return nil }
        if length > window {
            // RFC 9293, 3.8.6.2.1: part of a unit only when nothing is out, and then at least half
            // of the largest window seen.
            guard queue.isEmpty, window > 0, window >= snd.largestWindow / 2 else {
                armPersist(now: now)
                return nil
            }
            length = window
        } else if superSegment > length, !configuration.isPaced {
            let whole = min(superSegment, room, window) / effectiveMSS * effectiveMSS
            length = max(length, min(pending[0].length, whole))
        }
        if queue.isEmpty, snd.lastDataSent != .min,
            now.nanoseconds - snd.lastDataSent > rtt.timeout
        {
            congestion.restartAfterIdle(now: now)
        }
        return takeNewData(limit: length, now: now)
    }

    /// Cuts the next segment, or super-segment, from the first unit.
    mutating func takeNewData(
        limit: Int, isWindowProbe: Bool = false, now: Instant
    ) -> OutgoingSegment? {
        guard let unit = pending.first, canSend || snd.isCloseRequested else { return nil }
        let length = min(unit.length, limit)
        let sequence = snd.nxt
        let offset = snd.nextOffset
        if length == unit.length {
            pending.removeFirst()
        } else {
            pending[0].length -= length
        }
        var flags: TCPFlags = .ack
        if pending.isEmpty { flags.insert(.psh) }
        var header = header(flags: flags, now: now)
        header.sequence = sequence
        noteSent(length, of: unit, from: sequence, now: now)
        let ecn = markNewData(&header, isWindowProbe: isWindowProbe)
        snd.nxt += length
        snd.nextOffset += length
        snd.lastDataSent = now.nanoseconds
        if !timers.isArmed(.retransmission) { rearmRetransmission(now: now) }
        armTailLossProbe(now: now)
        var segment = finishSegment(
            header, payload: offset..<(offset + length), mapping: unit.mapping,
            isRetransmission: false, now: now)
        segment.ecn = ecn
        return segment
    }

    private mutating func noteDataSent(_ length: Int, now: Instant) {
        if recovery.isReducing { recovery.reduction.noteSent(length) }
        if configuration.isPaced, let roundTrip = rtt.smoothed {
            pacer.noteSent(
                length, window: congestion.window, roundTrip: roundTrip,
                isInSlowStart: congestion.isInSlowStart, now: now.nanoseconds)
        }
    }

    /// Whether pacing lets the next segment go; otherwise a timer says when.
    private mutating func mayLeave(now: Instant) -> Bool {
        guard configuration.isPaced, pacer.next > now.nanoseconds else { return true }
        timers.arm(.pacing, at: Instant(nanoseconds: pacer.next))
        return false
    }

    /// Each piece of a super-segment is lost, acknowledged and sent again on its own.
    private mutating func noteSent(
        _ length: Int, of unit: PendingUnit, from sequence: SequenceNumber, now: Instant
    ) {
        let piece = effectiveMSS
        queue.append(
            SentSegment(
                sequence: sequence, length: length, mapping: unit.mapping, sent: now.nanoseconds),
            cutAt: piece)
        noteDataSent(length, now: now)
        let pieces = (length - 1) / piece
        counters.segmentsSent += pieces
        counters.dataSegmentsSent += pieces + 1
    }

    private mutating func pollFIN(now: Instant) -> OutgoingSegment? {
        guard snd.isCloseRequested, !snd.isFINSent, pending.isEmpty,
            state == .established || state == .closeWait
        else { return nil }
        snd.isFINSent = true
        state = state == .established ? .finWait1 : .lastACK
        var header = header(flags: [.fin, .ack], now: now)
        header.sequence = snd.nxt
        queue.append(
            SentSegment(
                sequence: snd.nxt, length: 0, isFIN: true, mapping: nil, sent: now.nanoseconds))
        snd.nxt += 1
        if !timers.isArmed(.retransmission) { rearmRetransmission(now: now) }
        return finishSegment(
            header, payload: snd.nextOffset..<snd.nextOffset, mapping: nil,
            isRetransmission: false, now: now)
    }

    /// A pure ACK ahead of everything else: the fourth packet of a join (RFC 8684, 3.2).
    public mutating func pollACK(now: Instant) -> OutgoingSegment? {
        state.isSynchronized ? control(.ack, now: now) : nil
    }

    private mutating func control(_ flags: TCPFlags, now: Instant) -> OutgoingSegment {
        var header = header(flags: flags, now: now)
        header.sequence = snd.nxt
        if !flags.contains(.rst) { header.options.sack = takeSACKBlocks() }
        return finishSegment(
            header, payload: snd.nextOffset..<snd.nextOffset, mapping: nil,
            isRetransmission: false, now: now)
    }

    private mutating func finishSegment(
        _ header: SegmentHeader, payload: Range<Int>, mapping: SegmentMapping?,
        isRetransmission: Bool, now: Instant
    ) -> OutgoingSegment {
        acknowledgment.need = .none
        acknowledgment.unacknowledgedSegments = 0
        timers.disarm(.delayedACK)
        timestamps.lastACKSent = rcv.nxt
        rcv.rightEdge = rcv.rightEdge.later(
            rcv.nxt + Int(header.window) << rcv.windowShift)
        counters.segmentsSent += 1
        return OutgoingSegment(
            header: header, payload: payload, mapping: mapping,
            isRetransmission: isRetransmission)
    }

    private func header(flags: TCPFlags, now: Instant) -> SegmentHeader {
        var header = SegmentHeader(
            sourcePort: tuple.local.port, destinationPort: tuple.remote.port,
            sequence: snd.nxt, acknowledgment: flags.contains(.ack) ? rcv.nxt : SequenceNumber(0),
            flags: flags, window: UInt16(clamping: max(receiveWindow, 0) >> rcv.windowShift))
        if ecn.echoes, flags.isDisjoint(with: [.syn, .rst]) { header.flags.insert(.ece) }
        if timestamps.isEnabled, !flags.contains(.rst) {
            header.options.timestamps = Timestamps(
                value: timestamps.value(now: now), echo: timestamps.recent)
        }
        return header
    }
}
