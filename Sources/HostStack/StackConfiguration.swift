public import MPTCP
public import NetworkPrimitives

/// What a host's stack is told.
public struct StackConfiguration: Sendable {
    /// What each connection is told.
    public var connection = ConnectionConfiguration()
    /// Ports from which connections are opened.
    public var ephemeralPorts: ClosedRange<UInt16> = 40_000...49_999
    /// Connections that may be half open at once; further SYNs are dropped.
    public var maximumHalfOpen = 1_024
    /// How long connections to a peer are plain TCP after SYNs with MP_CAPABLE went unanswered and
    /// one without was answered; doubled each time it happens again. Zero remembers nothing.
    public var blackholeTimeout = Duration.seconds(3_600)
    /// Whether SYNs carry data where the peer gave a cookie for it, and listeners give cookies
    /// (RFC 7413). Data of a SYN may be delivered twice: for requests that may be repeated.
    public var fastOpen = false
    /// Octets that all connections may keep, to send and received. Beyond it no connection and no
    /// subflow is accepted, and of received data only what closes a gap is taken.
    public var memoryLimit = 1 << 30
    /// Connections at once.
    public var maximumConnections = 65_536

    /// The defaults.
    public init() {}
}

/// A connection of a stack; never used twice.
public struct ConnectionHandle: Hashable, Comparable, Sendable {
    /// Slot in the low half, generation in the high half.
    public var rawValue: UInt64

    init(slot: Int, generation: UInt32) {
        rawValue = UInt64(generation) << 32 | UInt64(UInt32(truncatingIfNeeded: slot))
    }

    /// Where the connection lies; free for another one once the handle is void.
    public var slot: Int { Int(UInt32(truncatingIfNeeded: rawValue)) }

    /// Orders by generation and slot.
    public static func < (lhs: ConnectionHandle, rhs: ConnectionHandle) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// Why a command cannot be carried out.
public enum StackError: Error, Hashable, Sendable {
    /// Somebody listens on the port already.
    case portInUse(UInt16)
    /// No interface that is up has an address of the remote's family.
    case noSourceAddress(Endpoint)
    /// Every ephemeral port towards the remote is taken.
    case noFreePort
    /// As many connections as the configuration allows are open.
    case tooManyConnections
}

/// What the owner of a stack must know.
public enum StackEvent: Sendable {
    /// A listener has a new connection.
    case accepted(ConnectionHandle)
    /// A connection that this host opened is established.
    case established(ConnectionHandle)
    /// Bytes can be read.
    case readable(ConnectionHandle)
    /// Bytes can be written again.
    case writable(ConnectionHandle)
    /// The peer finished, and everything it sent can be read.
    case atEnd(ConnectionHandle)
    /// The connection is over and the handle with it.
    case closed(ConnectionHandle, CloseReason)
    /// A milestone for the event log.
    case log(ConnectionHandle?, LogEvent)
}

/// Counters of a stack, in the words of the kernel's MIB where they mean the same.
public struct StackCounters: Hashable, Sendable {
    /// Packets taken in.
    public var packetsReceived = 0
    /// Packets given out.
    public var packetsSent = 0
    /// Packets that were no valid TCP over IP.
    public var malformed = 0
    /// Packets with a wrong TCP checksum (InCsumErrors).
    public var checksumErrors = 0
    /// RSTs in answer to packets of no connection (OutRsts).
    public var resetsSent = 0
    /// SYNs dropped because too many connections were half open, or memory was short.
    public var droppedSYNs = 0
    /// ICMP errors about segments that are on their way.
    public var pathErrors = 0
    /// ICMP errors about no such segment: ignored (OutOfWindowIcmps).
    public var outOfWindowErrors = 0
    /// ICMP errors after which smaller segments go out.
    public var loweredMTUs = 0
}
