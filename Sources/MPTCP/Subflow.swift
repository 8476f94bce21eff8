internal import DequeModule
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// The number of a subflow within its connection; never used twice.
public struct SubflowID: Hashable, Comparable, Sendable {
    /// The number; 0 is the first subflow.
    public var rawValue: UInt32

    /// The subflow with this number.
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// Orders by age.
    public static func < (lhs: SubflowID, rhs: SubflowID) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// One TCP connection within an MPTCP connection (RFC 8684, 2).
struct Subflow: Sendable {
    enum Kind: Sendable {
        case capable
        case join
    }

    /// A data range as it was handed to this subflow, cut once.
    struct SentMapping: Sendable {
        var data: Range<Int>
        /// Offset behind the range in the subflow's stream.
        var subflowEnd: Int
        var sentAt: Instant
        var isReinjection: Bool
    }

    let id: SubflowID
    let kind: Kind
    /// Whether this host sent the SYN.
    let isOpener: Bool
    let interface: InterfaceID
    var tcp: TCPConnection
    var localAddressID = AddressID.initial
    var remoteAddressID = AddressID.initial
    var localNonce: UInt32 = 0
    var remoteNonce: UInt32 = 0
    /// Both sides have proved themselves: data may flow (mptcp-behaviour, 3).
    var isFullyEstablished = false
    /// We asked the peer to spare this subflow.
    var isBackupForPeer = false
    /// The peer asked us to spare it.
    var isBackupForUs = false
    /// Since when nothing is scheduled here because data went unacknowledged (7.4).
    var suspectSince: Instant?
    /// The address is given up: nothing is scheduled here any more.
    var isRetired = false
    /// When an unanswered probe closes a subflow whose address the peer removed.
    var probeDeadline: Instant?
    /// When the third packet of a join goes out again.
    var joinDeadline: Instant?
    var joinAttempts = 0
    /// When a FIN exchange that makes no progress ends in RST.
    var closeDeadline: Instant?
    /// The fourth packet of a join must leave before anything else.
    var isFourthPacketPending = false
    var isDataFINPending = false
    /// Signals waiting for a pure ACK, one ACK each.
    var signals: Deque<MPTCPOption> = []
    /// What goes on the RST.
    var resetOptions: [MPTCPOption] = []
    var sentMappings: Deque<SentMapping> = []
    var receivedMappings = MappingTable()
    /// Whether any DSS came in on this subflow.
    var hasReceivedDSS = false

    init(id: SubflowID, kind: Kind, isOpener: Bool, interface: InterfaceID, tcp: TCPConnection) {
        self.id = id
        self.kind = kind
        self.isOpener = isOpener
        self.interface = interface
        self.tcp = tcp
    }

    /// Whether data may be scheduled here at all; a suspect only when there is no other.
    var isUsable: Bool {
        isFullyEstablished && !isRetired && tcp.state.canSend && !tcp.hasReceivedFIN
            && closeDeadline == nil
    }

    var isSuspect: Bool { suspectSince != nil }

    /// RFC 8684, 3.3.8: either side's wish makes it a backup for our sending, as in Linux.
    var isBackup: Bool { isBackupForUs || isBackupForPeer }

    /// Whether a part of `range` is on its way here and not acknowledged by the subflow.
    func carries(_ range: Range<Int>) -> Bool {
        sentMappings.contains {
            $0.data.overlaps(range) && $0.subflowEnd > tcp.acknowledgedOffset
        }
    }

    /// The mapping that last carried the byte at `offset`.
    func lastMapping(containing offset: Int) -> SentMapping? {
        sentMappings.last { $0.data.contains(offset) }
    }

    /// Forgets mappings that are acknowledged at connection level.
    mutating func forgetMappings(before offset: Int) {
        while let first = sentMappings.first, first.data.upperBound <= offset {
            sentMappings.removeFirst()
        }
    }

    mutating func signal(_ option: MPTCPOption) {
        signals.append(option)
    }
}
