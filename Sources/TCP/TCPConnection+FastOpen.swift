public import NetworkPrimitives

/// TCP Fast Open (RFC 7413). Octets of a SYN lie outside of the stream whose offsets `sendBuffer` and
/// `receiveBuffer` count: the owner keeps them, because MPTCP does not map them (RFC 8684, B).
extension TCPConnection {
    /// Has the first SYN carry a cookie and the owner's first octets; an empty cookie asks for one.
    /// Only before the SYN was polled.
    public mutating func offerFastOpen(cookie: [UInt8], earlyLength: Int) {
        guard state == .synSent, snd.synTransmissions == 0 else { return }
        snd.fastOpenCookie = cookie
        snd.earlyOffered = cookie.isEmpty ? 0 : earlyLength
    }

    /// Has the first SYN carry the owner's octets and options, for which timestamps leave room, and be
    /// repeated as any other SYN after `timeout`: that one is timed as if it were the first (RFC 6298,
    /// 2.1). Only before the SYN was polled.
    public mutating func offerEarlyData(length: Int, timeout: Duration?) {
        guard state == .synSent, snd.synTransmissions == 0 else { return }
        snd.earlyOffered = length
        snd.isFirstSYNFull = true
        snd.earlyTimeout = timeout?.wholeNanoseconds
    }

    /// Octets of the SYN that the peer took; known once the handshake is complete.
    public var earlyAccepted: Int { snd.earlyAccepted }

    /// Octets of the peer's SYN that were taken.
    public var earlyReceived: Int { rcv.earlyLength }

    /// Lets so many more octets of payload leave before the peer has completed the handshake
    /// (RFC 7413, 4.2.2, lets a server answer at once, too).
    public mutating func allowEarlyAnswer(_ octets: Int) {
        if state == .synReceived { snd.earlyAllowance = octets }
    }

    /// Whether data may be sent: the connection is open, or a listener may answer early.
    public var canSend: Bool {
        state.canSend || state == .synReceived && snd.earlyAllowance > 0 && !snd.isSYNPending
    }

    /// Whether the SYN carried octets.
    public var hasOfferedEarlyData: Bool { snd.earlyOffered > 0 }

    /// The sequence number behind the SYN and what it carried.
    public var firstSequence: SequenceNumber { snd.sequence(at: 0) }

    /// Takes what the peer's SYN carried, and gives it a new cookie, at a listener. Only before the
    /// SYN/ACK was polled.
    mutating func acceptEarly(length: Int, cookie: [UInt8]?) {
        rcv.earlyLength = length
        rcv.nxt += length
        rcv.rightEdge = rcv.rightEdge.later(rcv.nxt)
        snd.fastOpenCookie = cookie
        // MP_CAPABLE, a cookie and timestamps have no room together (kernel-peer, 15).
        if cookie != nil { timestamps.isEnabled = false }
    }

    /// How many octets of our SYN an ACK in SYN-SENT covers, `nil` when it is none of ours.
    func earlyLength(coveredBy acknowledgment: SequenceNumber) -> Int? {
        let covered = (snd.initialSequence + 1).distance(to: acknowledgment)
        return (0...snd.earlyOffered).contains(covered) ? covered : nil
    }
}
