internal import CongestionControl
public import NetworkPrimitives
public import TCP
public import WireFormat

/// What there is to say about a connection, as `ss -M` would.
public struct ConnectionInformation: Sendable {
    /// This side's token.
    public var localToken: Token
    /// The peer's token.
    public var remoteToken: Token?
    /// Whether the connection fell back to plain TCP.
    public var isFallback: Bool
    /// Octets written by the application and DATA_ACKed.
    public var acknowledgedBytes: Int
    /// Octets written by the application.
    public var writtenBytes: Int
    /// Octets received in order.
    public var receivedBytes: Int
    /// Counters of the connection.
    public var counters: Connection.Counters
    /// What the kernel's MIB would count of the connection.
    public var mib: MIBCounters
    /// The subflows, oldest first.
    public var subflows: [SubflowInformation]
}

/// What there is to say about a subflow, as `ss -t` would.
public struct SubflowInformation: Sendable {
    /// Its number.
    public var id: SubflowID
    /// Its ends.
    public var tuple: FourTuple
    /// Its state.
    public var state: TCPState
    /// Whether data may flow.
    public var isFullyEstablished: Bool
    /// Whether it is a backup for our sending.
    public var isBackup: Bool
    /// Whether nothing is scheduled on it because data went unacknowledged.
    public var isSuspect: Bool
    /// Smoothed round-trip time.
    public var smoothedRTT: Duration?
    /// Congestion window, octets.
    public var congestionWindow: Int
    /// Counters of its TCP.
    public var counters: TCPConnection.Counters
}

extension Connection {
    /// What there is to say about the connection now.
    public var information: ConnectionInformation {
        ConnectionInformation(
            localToken: localToken, remoteToken: remoteToken, isFallback: isFallback,
            acknowledgedBytes: data.earlySent + data.acknowledged,
            writtenBytes: data.earlySent + data.sent.end,
            receivedBytes: data.earlyReceivedCount + data.received.end, counters: counters,
            mib: mib,
            subflows: subflows.map { subflow in
                SubflowInformation(
                    id: subflow.id, tuple: subflow.tcp.tuple, state: subflow.tcp.state,
                    isFullyEstablished: subflow.isFullyEstablished, isBackup: subflow.isBackup,
                    isSuspect: subflow.isSuspect, smoothedRTT: subflow.tcp.rtt.smoothedDuration,
                    congestionWindow: subflow.tcp.congestion.window,
                    counters: subflow.tcp.counters)
            })
    }

    /// RFC 6191: whether a SYN may take over the tuple of a subflow in TIME-WAIT.
    public func isInTimeWait(_ id: SubflowID, olderThan syn: SegmentHeader) -> Bool {
        guard let index = index(of: id), subflows[index].tcp.state == .timeWait else {
            return false
        }
        return subflows[index].tcp.receiveNext.precedes(syn.sequence)
    }
}
