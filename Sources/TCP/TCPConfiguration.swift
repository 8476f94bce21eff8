public import CongestionControl
internal import NetworkPrimitives

/// Whether to use explicit congestion notification (RFC 3168), as in Linux's `tcp_ecn`.
public enum ECNPolicy: String, Sendable, CaseIterable {
    /// Never.
    case off
    /// When the peer asks for it.
    case accept
    /// Ask for it.
    case request
}

/// What a TCP connection is told about its host and its path.
public struct TCPConfiguration: Sendable {
    /// Largest IP packet of the interface, octets.
    public var mtu = 1_500
    /// Largest receive window ever advertised, octets; chooses the window scale.
    public var maximumReceiveWindow = 4 * 1_048_576
    /// Octets of option space kept free on data segments for MPTCP.
    public var reservedOptionBytes = 0
    /// Whether to offer timestamps (RFC 7323).
    public var offersTimestamps = true
    /// Whether to offer SACK (RFC 2018).
    public var offersSACK = true
    /// Explicit congestion notification (RFC 3168).
    public var ecn = ECNPolicy.accept
    /// Whether data is spread over the round trip instead of sent as the window allows.
    public var isPaced = false
    /// The congestion control algorithm.
    public var congestionControl = CongestionControlKind.cubic
    /// Timeout before the first sample (RFC 6298, 2.1).
    public var initialRTO = Duration.seconds(1)
    /// Least timeout (tcp-base, 1).
    public var minimumRTO = Duration.milliseconds(200)
    /// Greatest timeout.
    public var maximumRTO = Duration.seconds(120)
    /// SYN or SYN/ACK retransmissions before giving up.
    public var maximumSYNRetransmissions = 6
    /// Consecutive retransmission timeouts before giving up (R2).
    public var maximumRetransmissions = 15
    /// Longest delay of an ACK.
    public var delayedACK = Duration.milliseconds(40)
    /// How long TIME-WAIT lasts.
    public var timeWait = Duration.seconds(60)
    /// Idle time before keep-alive probes; `nil` sends none.
    public var keepAliveIdle: Duration?
    /// Time between keep-alive probes.
    public var keepAliveInterval = Duration.seconds(75)
    /// Unanswered keep-alive probes before giving up.
    public var keepAliveProbes = 9

    /// The defaults of tcp-base, section 1.
    public init() {}

    /// The shift for the window field (RFC 7323, 2.3).
    var windowShift: UInt8 {
        var shift: UInt8 = 0
        while shift < 14, maximumReceiveWindow >> Int(shift) > 0xffff { shift += 1 }
        return shift
    }

    /// The MSS option's value for this MTU (RFC 9293, 3.7.1).
    func maximumSegmentSize(isV6: Bool) -> Int { max(mtu - (isV6 ? 60 : 40), 88) }
}
