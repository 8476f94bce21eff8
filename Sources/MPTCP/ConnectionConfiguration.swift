public import NetworkPrimitives
public import TCP
internal import WireFormat

/// When which path is used.
public enum SwitchPolicy: String, Sendable, CaseIterable {
    /// Break-before-make: one path; another is joined when the interface goes away or a new one
    /// arrives.
    case singlePath = "single-path"
    /// Every interface is joined; all but the first as backup.
    case backup
    /// Every interface is joined and used.
    case full
    /// Joins are accepted, none is opened.
    case acceptOnly = "accept-only"
}

/// Which subflow takes the next bytes.
public enum SchedulerKind: String, Sendable, CaseIterable {
    /// The one with the lowest smoothed RTT that has room; regular subflows before backup ones.
    case lowestRTT = "lowest-rtt"
}

/// What a connection is told.
public struct ConnectionConfiguration: Sendable {
    /// What each subflow's TCP is told.
    public var tcp = TCPConfiguration()
    /// When which path is used.
    public var policy = SwitchPolicy.backup
    /// Which subflow takes the next bytes.
    public var scheduler = SchedulerKind.lowestRTT
    /// Octets of receive buffer, shared by all subflows.
    public var receiveBuffer = 4 * 1_048_576
    /// The most octets that the send buffer grows to.
    public var sendBuffer = 4 * 1_048_576
    /// Whether to ask for DSS checksums.
    public var usesChecksum = false
    /// Whether to speak MPTCP at all.
    public var isMultipath = true
    /// How long the connection lives without a subflow (mptcp-behaviour, 8.4).
    public var graceTime = Duration.seconds(60)
    /// Subflows beyond the first, both directions together.
    public var maximumExtraSubflows = 8
    /// Half-open joins that are served at once.
    public var maximumPendingJoins = 8
    /// MP_CAPABLE SYNs before plain TCP is tried.
    public var capableSYNs = 3
    /// Ports from which subflows are opened; the runtime keeps the kernel silent on them.
    public var ephemeralPorts: ClosedRange<UInt16> = 40_000...49_999
    /// Addresses to announce with ADD_ADDR, on the listening side.
    public var announcedAddresses: [IPAddress] = []

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

    /// An interface of these properties.
    public init(id: InterfaceID, name: String, addresses: [IPAddress], mtu: Int, isUp: Bool) {
        self.id = id
        self.name = name
        self.addresses = addresses
        self.mtu = mtu
        self.isUp = isUp
    }
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

/// A number or a word in a log event.
public enum LogValue: Hashable, Sendable {
    /// A word.
    case text(String)
    /// A number.
    case number(Int)
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
