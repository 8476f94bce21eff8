internal import DequeModule
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// The number of a subflow within its connection; never used twice.
public struct SubflowID: Hashable, Comparable, Sendable {
    /// The number; 0 is the first subflow that was tried.
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
        enum Kind: Sendable {
            case original
            /// On purpose, beside the original (redundant scheduler).
            case copy
            /// Because the original may be lost.
            case reinjection
        }

        var data: Range<Int>
        /// Offset behind the range in the subflow's stream.
        var subflowEnd: Int
        var sentAt: Instant
        var kind: Kind
    }

    let id: SubflowID
    let kind: Kind
    /// Whether this host sent the SYN.
    let isOpener: Bool
    let interface: InterfaceID
    var tcp: TCPConnection
    /// What the interface does for us.
    var offload = SendOffload.none
    var localAddressID = AddressID.initial
    var remoteAddressID = AddressID.initial
    var localNonce: UInt32 = 0
    var remoteNonce: UInt32 = 0
    /// Both sides have proved themselves: data may flow (mptcp-behaviour, 3).
    var isFullyEstablished = false
    /// This side spares it and does not tell the peer, who follows.
    var isSpared = false
    /// When something new last came in: data, a DATA_ACK that advances, or the join itself
    /// ("original reception", fast-join, 2.4).
    var lastNews = Instant(nanoseconds: .min / 2)
    /// What the oracle saw last.
    var oracleMark = OracleMark()
    /// We asked the peer to spare this subflow.
    var isBackupForPeer = false
    /// The peer asked us to spare it.
    var isBackupForUs = false
    /// Since when nothing is scheduled here because data went unacknowledged (7.4).
    var suspectSince: Instant?
    /// The address is given up: nothing is scheduled here any more.
    var isRetired = false
    /// Since when a join that the peer opened waits for its HMAC.
    var pendingSince: Instant?
    /// The question whether it lives although the peer removed its address.
    var removalProbe: RemovalProbe?
    /// When the third packet of a join goes out again.
    var joinDeadline: Instant?
    var joinAttempts = 0
    /// How often the port turned out to be another connection's.
    var portChanges = 0
    /// When a FIN exchange that makes no progress ends in RST.
    var closeDeadline: Instant?
    /// The fourth packet of a join, or the third of a connection, must leave before anything else.
    var isFourthPacketPending = false
    var isDataFINPending = false
    /// Signals waiting for a pure ACK, one ACK each.
    var signals: Deque<MPTCPOption> = []
    /// What goes on the RST.
    var resetOptions: [MPTCPOption] = []
    private(set) var sentMappings: Deque<SentMapping> = []
    /// How many mappings there ever were, for the detailed event log.
    private(set) var mappingCount = 0
    private var reinjectionCount = 0
    /// Behind the last byte that went here in order (redundant scheduler).
    private(set) var copied = 0
    /// When the subflow was last penalised for holding up the connection's window.
    var lastPenalty = Instant(nanoseconds: .min / 2)
    var receivedMappings = MappingTable()
    /// When bytes that came without a mapping end the subflow (mptcp-behaviour, 18).
    var unmappedDeadline: Instant?
    /// Segments with and without text that still tell the peer of a fallback.
    var infiniteMappings = (onText: 0, onACKs: 0)
    /// What routers last said about the path; forgotten as soon as the peer is heard again.
    var pathProblem: ICMPError.Problem?
    /// What the peer said on its RST.
    var peerReset: MPTCPReset?
    /// Whether any DSS came in on this subflow.
    var hasReceivedDSS = false
    /// Whether any of them had a DATA_ACK.
    var hasReceivedDataACK = false
    /// Whether the last segment had none: the path strips options, or the peer has fallen back.
    var isPeerSilent = false

    /// What goes beyond the join of RFC 8684.
    var fastJoin: SubflowFastJoin?

    init(id: SubflowID, kind: Kind, isOpener: Bool, interface: InterfaceID, tcp: TCPConnection) {
        self.id = id
        self.kind = kind
        self.isOpener = isOpener
        self.interface = interface
        self.tcp = tcp
    }

    /// Payload octets of the largest super-segment. Segments that carry the handshake still are not
    /// joined, nor those that tell of a fallback: their options would be repeated on each piece.
    var superSegmentLimit: Int {
        isFullyEstablished && infiniteMappings.onText == 0 ? offload.largestPayload : 0
    }

    /// Whether it is a join that neither end counts yet: the opener does from SYN/ACK on, and the
    /// peer from the third ACK on.
    var isUnfinishedJoin: Bool {
        kind == .join && (tcp.state == .synSent || tcp.state == .synReceived)
    }

    /// Whether data may be scheduled here at all; a suspect only when there is no other.
    var isUsable: Bool {
        mayCarryData && !isRetired && tcp.canSend && !tcp.hasReceivedFIN
            && closeDeadline == nil
    }

    /// RFC 8684, 3.1: the opener of a connection may send behind the SYN/ACK, with MP_CAPABLE; a
    /// join carries nothing before it is fully established (3.2), unless both sides agreed on it.
    var mayCarryData: Bool {
        isFullyEstablished || kind == .capable && isOpener && tcp.state.isSynchronized
            || fastJoin?.maySendEarly == true && (isProvisional || tcp.state.isSynchronized)
    }

    /// Whether the peer's SYN was believed a short while ago, and its third packet has not come.
    var isProvisional: Bool { pendingSince != nil && fastJoin?.provisionalDeadline != nil }

    /// Whether it may carry data as soon as its SYN/ACK has left.
    var isAboutToAnswer: Bool {
        isProvisional && fastJoin?.maySendEarly == true && tcp.state == .synReceived
            && !tcp.canSend
    }

    /// Whether the peer may send before our third packet has arrived, and none of what we sent has.
    var isAnsweredEarly: Bool {
        isOpener && fastJoin?.isAccepted == true && tcp.acknowledgedOffset == 0
    }

    /// Octets of the SYN of a join: its subflow's sequence numbers count them (fast-join, 5.4).
    var sentShift: Int { kind == .join ? tcp.earlyAccepted : 0 }
    /// The same of the peer's SYN.
    var receivedShift: Int { kind == .join ? tcp.earlyReceived : 0 }

    /// Whether the connection lives by this subflow: its handshake is complete and it has not gone.
    var holdsConnection: Bool {
        (isFullyEstablished || kind == .capable) && tcp.state != .closed && tcp.state != .timeWait
    }

    /// Whether the subflow is there or on its way: it has not failed, and nobody gave it up.
    var isAlive: Bool { !isRetired && closeDeadline == nil && tcp.state != .closed }

    var isSuspect: Bool { suspectSince != nil }

    /// Whether a signal waits that may leave. An announcement waits until the first data have arrived:
    /// Linux answers one that overtakes them, and makes nothing of it.
    var hasSignalToSend: Bool {
        guard let signal = signals.first else { return false }
        guard case .addAddress(let option) = signal, option.form != .echo else { return true }
        return tcp.acknowledgedOffset > 0 || !tcp.hasOutstandingData
    }

    /// RFC 8684, 3.3.8: either side's wish makes it a backup for our sending, as in Linux.
    var isBackup: Bool { isBackupForUs || isBackupForPeer || isSpared }

    /// Data on its way here that the subflow has not acknowledged.
    func carriedRanges() -> RangeList {
        var ranges = RangeList()
        for mapping in sentMappings where mapping.subflowEnd > tcp.acknowledgedOffset {
            ranges.insert(mapping.data)
        }
        return ranges
    }

    /// Whether the byte at `offset` is on its way here and not acknowledged by the subflow.
    func carries(_ offset: Int) -> Bool {
        lastMapping(containing: offset).map { $0.subflowEnd > tcp.acknowledgedOffset } ?? false
    }

    /// The mapping that last carried the byte at `offset`, which no DATA_ACK covers.
    func lastMapping(containing offset: Int) -> SentMapping? {
        if reinjectionCount == 0 {
            // New data and copies go out in order: only the oldest mapping can hold the head.
            guard let first = sentMappings.first, first.data.lowerBound <= offset else {
                return nil
            }
            if first.data.contains(offset) { return first }
        }
        return sentMappings.last { $0.data.contains(offset) }
    }

    mutating func append(_ mapping: SentMapping) {
        sentMappings.append(mapping)
        mappingCount += 1
        if mapping.kind == .reinjection { reinjectionCount += 1 }
        // A reinjection that closes up with what went before needs no copy any more.
        if mapping.kind != .reinjection || mapping.data.lowerBound <= copied {
            copied = max(copied, mapping.data.upperBound)
        }
    }

    /// The octets of our SYN are in the subflow's stream, before offset 0.
    mutating func noteUnmapped(_ range: Range<Int>, now: Instant) {
        append(SentMapping(data: range, subflowEnd: 0, sentAt: now, kind: .original))
    }

    /// Forgets mappings that are acknowledged at connection level.
    mutating func forgetMappings(before offset: Int) {
        while let first = sentMappings.first, first.data.upperBound <= offset {
            sentMappings.removeFirst()
            if first.kind == .reinjection { reinjectionCount -= 1 }
        }
    }

    /// Gives back the memory of everything that is empty.
    mutating func releaseMemory() {
        tcp.releaseMemory()
        receivedMappings.releaseIfEmpty()
        if sentMappings.isEmpty { sentMappings = [] }
        if signals.isEmpty { signals = [] }
    }

    /// Queues a signal. A peer that asks for answers without end gets the latest ones.
    mutating func signal(_ option: MPTCPOption) {
        if signals.count == Self.maximumSignals { signals.removeFirst() }
        signals.append(option)
    }

    /// Puts a signal ahead of all others.
    mutating func signalFirst(_ option: MPTCPOption) { signals.prepend(option) }

    private static let maximumSignals = 32
}

/// Asks once whether a subflow lives whose address the peer removed (RFC 8684, 3.4.2).
struct RemovalProbe: Sendable {
    /// What comes in before was under way when the question left: a sign of life, but no answer.
    /// Three quarters of a round trip lie between what takes half of one and the answer, which may be
    /// faster than the data that the estimator knows.
    var earliestAnswer: Instant
    /// When silence is the answer.
    var deadline: Instant

    init(_ rtt: RTTEstimator, now: Instant) {
        earliestAnswer = now + .nanoseconds(rtt.minimum == .max ? 0 : rtt.minimum / 4 * 3)
        deadline = now + .nanoseconds(rtt.timeout)
    }
}
