internal import CongestionControl
public import NetworkPrimitives

extension TCPConnection {
    /// Whether an octet is on its way: only about such may an ICMP error speak (RFC 5927, 4.1).
    public func isInFlight(_ sequence: SequenceNumber) -> Bool {
        state != .closed && snd.una.precedesOrEquals(sequence) && sequence.precedes(snd.nxt)
    }

    /// The largest IP packet that is sent.
    public var pathMTU: Int { configuration.mtu }

    /// The path carries smaller packets than thought (RFC 1191, RFC 8201). What was too long goes out
    /// again at once, in pieces. Returns whether anything changed.
    @discardableResult
    public mutating func reduceMTU(to mtu: Int, now: Instant) -> Bool {
        let isV6 = tuple.local.address.isV6
        // RFC 8201, 4: no IPv6 link has less. IPv4 could go down to 68, but who says so lies: below
        // Linux's limit (net.ipv4.route.min_pmtu) segments would hold options and little else.
        let mtu = max(mtu, isV6 ? 1_280 : 552)
        guard mtu < configuration.mtu else { return false }
        lowerMTU(to: mtu)
        snd.maximumSegmentSize = min(
            snd.maximumSegmentSize, configuration.maximumSegmentSize(isV6: isV6))
        congestion.maximumSegmentSizeChanged(to: effectiveMSS)
        guard queue.markLost(longerThan: effectiveMSS) else { return true }
        // RFC 1191, 6.5: no sign of congestion, so the window stays. The phase keeps the next ACK
        // from taking the loss for one.
        if recovery.phase == .open {
            recovery.phase = .loss
            recovery.point = snd.nxt
        }
        recovery.probeEnd = nil
        recovery.isForced = true
        timers.disarm(.tailLossProbe)
        rearmRetransmission(now: now)
        return true
    }
}
