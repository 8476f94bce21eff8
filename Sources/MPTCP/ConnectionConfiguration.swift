public import NetworkPrimitives
public import TCP
public import WireFormat

/// Which subflow takes the next bytes.
public enum SchedulerKind: String, Sendable, CaseIterable {
    /// The one with the lowest smoothed RTT that has room; regular subflows before backup ones.
    case lowestRTT = "lowest-rtt"
    /// One segment each, in turn; a subflow without room misses its turn.
    case roundRobin = "round-robin"
    /// Every byte on every regular subflow.
    case redundant
    /// The oldest usable subflow carries everything; the others stand by.
    case backup
    /// Lowest RTT, but a slow subflow gets nothing that would block the window for the fast one.
    case blest
    /// The one on which the peer last sent something new: data, a DATA_ACK, or its join. Nothing goes
    /// elsewhere while that one has no room (fast-join, 2.4).
    case followClient = "follow-client"
}

/// What a connection is told.
public struct ConnectionConfiguration: Sendable {
    /// What each subflow's TCP is told.
    public var tcp = TCPConfiguration()
    /// When which path is used; `use(_:)` sets what goes with it, too.
    public var policy = SwitchPolicy.backup
    /// The thresholds of the oracle; `nil` is none (fast-join, 2.4).
    public var oracle: OracleThresholds?
    /// Whether to agree with the peer on the idle bit and the exchange of timeouts. Whoever opened the
    /// connection then asks for another subflow when announced data does not come (fast-join, 2.4).
    public var signalsIdle = false
    /// Whether REMOVE_ADDR is repeated: it is neither acknowledged nor retransmitted otherwise.
    public var repeatsRemovals = true
    /// Which subflow takes the next bytes.
    public var scheduler = SchedulerKind.lowestRTT
    /// Whether a full connection-level window has a fast subflow send again what a slow one holds up,
    /// and the slow one's window halved (NSDI 2012).
    public var opportunisticRetransmission = false
    /// Octets of receive buffer, shared by all subflows.
    public var receiveBuffer = 4 * 1_048_576
    /// The most octets that the send buffer grows to.
    public var sendBuffer = 4 * 1_048_576
    /// Whether to ask for DSS checksums.
    public var usesChecksum = false
    /// Which versions to offer and to answer.
    public var versions = VersionPolicy.v1
    /// Whether to tell the peer to open no subflow to the address of the first one (C flag).
    public var deniesInitialAddress = false
    /// Whether to speak MPTCP at all.
    public var isMultipath = true
    /// How long the connection lives without a subflow (mptcp-behaviour, 8.4).
    public var graceTime = Duration.seconds(60)
    /// Subflows beyond the first, both directions together.
    public var maximumExtraSubflows = 8
    /// How subflows join, and which joins are taken.
    public var fastJoin = FastJoinConfiguration()
    /// Half-open joins that are served at once.
    public var maximumPendingJoins = 8
    /// MP_CAPABLE SYNs before plain TCP is tried.
    public var capableSYNs = 3
    /// Ports from which subflows are opened; the runtime keeps the kernel silent on them.
    public var ephemeralPorts: ClosedRange<UInt16> = 40_000...49_999
    /// Addresses to announce with ADD_ADDR, on the listening side.
    public var announcedAddresses: [IPAddress] = []
    /// The port to announce with them, when it is not the connection's.
    public var announcedPort: UInt16?

    /// Whether the event log has every state, mapping and window, too (`LogEvent.detailNames`).
    public var logsDetails = false

    /// The defaults.
    public init() {}
}

/// A network interface as its host's stack sees it.
public struct StackInterface: Hashable, Sendable {
    /// The interface.
    public var id: InterfaceID
    /// Its name.
    public var name: String
    /// The addresses that subflows may use.
    public var addresses: [IPAddress]
    /// Largest IP packet.
    public var mtu: Int
    /// Whether it is administratively up (`IFF_UP`).
    public var isUp: Bool
    /// What the stack leaves to whoever sends its packets there.
    public var offload: SendOffload
    /// Until when SYNs leave there without data: the last one with data was lost.
    public var synDataBlockedUntil: Instant?

    /// An interface of these properties.
    public init(
        id: InterfaceID, name: String, addresses: [IPAddress], mtu: Int, isUp: Bool,
        offload: SendOffload = .none
    ) {
        self.offload = offload
        self.id = id
        self.name = name
        self.addresses = addresses
        self.mtu = mtu
        self.isUp = isUp
    }
}

/// What a stack may leave to whoever sends its packets.
public struct SendOffload: Hashable, Sendable {
    /// Nothing: packets are complete and no larger than the MTU.
    public static let none = SendOffload(
        finishesChecksums: false, largestPacket: 0, gathersPayload: false)
    /// Checksums, cutting packets of up to 64 KiB, and fetching their payload: what a Linux packet
    /// socket does for every interface, whatever the interface can do itself.
    public static let full = SendOffload(
        finishesChecksums: true, largestPacket: 65_535, gathersPayload: true)

    /// TCP checksums are finished there.
    public var finishesChecksums: Bool
    /// Octets of the largest packet that is cut there; 0 for none.
    public var largestPacket: Int
    /// Whether the payload of large packets is fetched there from where it lies.
    public var gathersPayload: Bool

    /// Payload octets that a super-segment may have beside the largest headers.
    var largestPayload: Int { max(largestPacket - 100, 0) }
}

/// Why a connection is no more.
public enum CloseReason: String, Sendable {
    /// Both sides finished.
    case finished
    /// The peer reset it, or sent MP_FASTCLOSE.
    case reset
    /// The peer refused the first SYN.
    case refused
    /// Nobody answered, or no subflow came back within the grace time.
    case timedOut = "timed-out"
    /// This side aborted it.
    case aborted
}

/// A value in a log event. What it is called is made out when somebody prints it: most events of
/// most connections nobody reads.
public enum LogValue: Hashable, Sendable, CustomStringConvertible {
    /// A word.
    case text(String)
    /// A number.
    case number(Int)
    /// The addresses and ports of a subflow.
    case tuple(FourTuple)
    /// An address.
    case address(IPAddress)
    /// A connection's token.
    case token(Token)
    /// A place in a connection's data.
    case dataSequenceNumber(DataSequenceNumber)

    /// As it is printed.
    public var description: String {
        switch self {
        case .text(let text): text
        case .number(let number): number.description
        case .tuple(let tuple): tuple.description
        case .address(let address): address.description
        case .token(let token): token.description
        case .dataSequenceNumber(let number): number.description
        }
    }
}

/// A milestone of the protocol, for the endpoint's event log.
public struct LogEvent: Sendable {
    /// Its name, in snake case.
    public var name: String
    /// When it happened.
    public var time: Instant
    /// What belongs to it, in order.
    public var fields: [(name: String, value: LogValue)]

    /// An event of these parts.
    public init(_ name: String, time: Instant, _ fields: [(name: String, value: LogValue)] = []) {
        self.name = name
        self.time = time
        self.fields = fields
    }
}
