internal import CongestionControl
public import NetworkPrimitives
public import WireFormat

extension TCPConnection {
    /// Starts an active open; the SYN comes from the next poll.
    public static func connect(
        _ tuple: FourTuple, configuration: TCPConfiguration, initialSequence: SequenceNumber,
        timestampOffset: UInt32, now: Instant
    ) -> TCPConnection {
        TCPConnection(
            tuple: tuple, configuration: configuration, state: .synSent,
            initialSequence: initialSequence, timestampOffset: timestampOffset, now: now)
    }

    /// Answers a SYN that a listener received.
    public static func accept(
        _ tuple: FourTuple, syn: SegmentHeader, configuration: TCPConfiguration,
        initialSequence: SequenceNumber, timestampOffset: UInt32, earlyLength: Int = 0,
        fastOpenCookie: [UInt8]? = nil, now: Instant
    ) -> TCPConnection {
        var connection = TCPConnection(
            tuple: tuple, configuration: configuration, state: .synReceived,
            initialSequence: initialSequence, timestampOffset: timestampOffset, now: now)
        connection.takePeerSYN(syn, now: now)
        connection.acceptEarly(length: earlyLength, cookie: fastOpenCookie)
        connection.acknowledgment.lastReceived = now
        return connection
    }

    /// Whether a segment in SYN-SENT is the SYN/ACK of our SYN (RFC 9293, 3.10.7.3).
    public func isAcceptableSYNACK(_ header: SegmentHeader) -> Bool {
        state == .synSent && header.flags.isSuperset(of: [.syn, .ack])
            && !header.flags.contains(.rst)
            && earlyLength(coveredBy: header.acknowledgment) != nil && snd.synTransmissions > 0
    }

    /// Whether a segment in SYN-RECEIVED completes the handshake.
    public func completesHandshake(_ header: SegmentHeader) -> Bool {
        state == .synReceived && header.flags.contains(.ack)
            && header.flags.isDisjoint(with: [.syn, .rst])
            && acknowledgesSYN(header.acknowledgment)
            && rcv.nxt.precedesOrEquals(header.sequence)
            && header.sequence.precedes(rcv.rightEdge + 1)
    }

    /// Whether an ACK in SYN-RECEIVED covers the SYN/ACK, and maybe what was sent behind it.
    func acknowledgesSYN(_ acknowledgment: SequenceNumber) -> Bool {
        snd.synTransmissions > 0 && (snd.initialSequence + 1).precedesOrEquals(acknowledgment)
            && acknowledgment.precedesOrEquals(snd.nxt)
    }

    mutating func takePeerSYN(_ header: SegmentHeader, now: Instant) {
        rcv.initialSequence = header.sequence
        rcv.nxt = header.sequence + 1
        rcv.rightEdge = rcv.nxt + min(receiveWindow, 0xffff)
        let options = header.options
        let isV6 = tuple.local.address.isV6
        snd.maximumSegmentSize = min(
            max(Int(options.maximumSegmentSize ?? (isV6 ? 1_220 : 536)), 88),
            configuration.maximumSegmentSize(isV6: isV6))
        if let shift = options.windowScale {
            snd.windowShift = Int(min(shift, 14))
            rcv.windowShift = Int(configuration.windowShift)
        }
        negotiateECN(header.flags)
        rcv.isSACKEnabled = options.isSACKPermitted && configuration.offersSACK
        if let stamps = options.timestamps, offersTimestamps {
            timestamps.isEnabled = true
            timestamps.recent = stamps.value
            timestamps.recentAge = now
        }
        // RFC 7323, 2.2: the window of a SYN is never scaled.
        snd.window = Int(header.window)
        snd.largestWindow = snd.window
        snd.wl1 = header.sequence
        congestion.maximumSegmentSizeChanged(to: effectiveMSS)
    }

    /// Whether a SYN of ours carried timestamps, or may carry them in its answer (RFC 7323, 3.2).
    private var offersTimestamps: Bool {
        guard state == .synSent, snd.isFirstSYNFull else { return configuration.offersTimestamps }
        return configuration.offersTimestamps && snd.synTransmissions > 1
    }

    /// Goes on without timestamps, whose room other options of the handshake need. Only until the
    /// handshake is complete.
    public mutating func giveUpTimestamps() {
        timestamps.isEnabled = false
        congestion.maximumSegmentSizeChanged(to: effectiveMSS)
    }

    /// RFC 9293, 3.10.7.3: SYN-SENT.
    mutating func receiveInSYNSent(
        _ header: SegmentHeader, reception: inout Reception, now: Instant
    ) {
        let isACK = header.flags.contains(.ack)
        let covered = earlyLength(coveredBy: header.acknowledgment)
        if isACK, covered == nil || snd.synTransmissions == 0 {
            reception.answersWithReset = !header.flags.contains(.rst)
            return
        }
        if header.flags.contains(.rst) {
            if isACK {
                reception.isAcceptable = true
                finish(.refused)
                reception.closed = .refused
            }
            return
        }
        guard header.flags.contains(.syn) else { return }
        reception.isAcceptable = true
        acknowledgment.lastReceived = now
        takePeerSYN(header, now: now)
        if isACK {
            snd.earlyAccepted = covered ?? 0
            snd.una = snd.sequence(at: 0)
            snd.nxt = snd.una
            snd.wl2 = header.acknowledgment
            sampleHandshake(header, now: now)
            becomeEstablished(&reception, now: now)
            acknowledgment.need = .immediate
        } else {
            // Simultaneous open (RFC 9293, 3.5).
            state = .synReceived
            snd.isSYNPending = true
        }
    }

    /// RFC 9293, 3.10.7.4, fifth check in SYN-RECEIVED.
    mutating func completeHandshake(
        _ header: SegmentHeader, reception: inout Reception, now: Instant
    ) {
        snd.una = snd.initialSequence + 1
        // RFC 7323, 2.2: that of a SYN is never scaled, which completes a simultaneous open.
        let shift = header.flags.contains(.syn) ? 0 : snd.windowShift
        snd.window = Int(header.window) << shift
        snd.largestWindow = max(snd.largestWindow, snd.window)
        snd.wl1 = header.sequence
        snd.wl2 = header.acknowledgment
        sampleHandshake(header, now: now)
        // Whoever needed the SYN/ACK once more has dropped what came behind the first one.
        if snd.synTransmissions > 1, !queue.isEmpty,
            header.acknowledgment == snd.initialSequence + 1
        {
            queue.markLost(sentBefore: snd.synSentAt)
        }
        becomeEstablished(&reception, now: now)
    }

    /// A repeated SYN gives no sample (Karn), unless the echoed timestamp says which one was
    /// answered (RFC 7323, 4.1): then the path need not start with three seconds.
    private mutating func sampleHandshake(_ header: SegmentHeader, now: Instant) {
        if snd.synTransmissions == 1 {
            rtt.addSample(now.nanoseconds - snd.synSentAt, now: now)
        } else if timestamps.isEnabled, let echo = header.options.timestamps?.echo,
            case let age = Int64(timestamps.value(now: now) &- echo), age < 60_000
        {
            rtt.addSample(max(age, 1) * 1_000_000, isPrecise: false, now: now)
        } else {
            rtt.startAfterRepeatedSYN()
        }
    }

    private mutating func becomeEstablished(_ reception: inout Reception, now: Instant) {
        state = .established
        recovery.roundEnd = snd.nxt
        reception.becameEstablished = true
        // RFC 6928, 2: the SYN was lost more than once.
        if recovery.consecutiveTimeouts > 1 { congestion.startWithOneSegment() }
        recovery.consecutiveTimeouts = 0
        rearmRetransmission(now: now)
        snd.isSYNPending = false
        armKeepAlive(now: now)
    }
}
