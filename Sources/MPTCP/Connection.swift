internal import CongestionControl
internal import DequeModule
public import NetworkPrimitives
internal import TCP
public import WireFormat

/// An MPTCP connection (RFC 8684) over its subflows, without I/O and without a clock.
///
/// - Queries: `readableCount`, `writableCount`, `isAtEnd`, `isEstablished`, `snapshot`, ...
/// - Inputs: `receive(_:packet:on:now:)`, `handleDeadline(now:)`, `interfacesChanged(_:now:)`.
/// - Commands: `open`/`accept` (static), `acceptJoin`, `write`, `read`, `finishWriting`, `abort`,
///   `giveUp(address:)`, `setBackup`.
/// - Outputs: `pollTransmit(now:into:)`, `pollDeadline()`, `pollEvent()`.
///
/// Call order: after any input or command, `pollTransmit` until it returns `nil` and `pollEvent`
/// until it returns `nil`, then wait until `pollDeadline`.
public struct Connection: Sendable {
    /// Events for the owner.
    public enum Event: Sendable {
        /// The handshake is complete.
        case established
        /// Bytes can be read.
        case readable
        /// Bytes can be written again.
        case writable
        /// The peer finished and everything it sent can be read.
        case atEnd
        /// The connection is over.
        case closed(CloseReason)
        /// A subflow came to life: packets of this tuple belong here.
        case subflowOpened(SubflowID, FourTuple)
        /// A subflow is gone: its tuple is free.
        case subflowClosed(SubflowID, FourTuple)
        /// A peer answered our first SYN.
        case peerAnswered(IPAddress, HandshakeOutcome, at: Instant)
        /// A peer gave us a cookie for our next SYN, or (`nil`) a SYN with one went unanswered.
        case fastOpenAnswered(IPAddress, FastOpenOffer?, at: Instant)
        /// A subflow that this side opened knows the round-trip time of its path.
        case roundTripMeasured(FourTuple, Duration)
        /// A SYN with data went unanswered on an interface where one without was answered.
        case synDataLost(InterfaceID, at: Instant)
        /// The first SYN held octets that can be read; the handshake goes on.
        case acceptedEarly
        /// A milestone.
        case log(LogEvent)
    }

    /// Whether this side opened the connection.
    public let isOpener: Bool
    /// The configuration.
    public let configuration: ConnectionConfiguration
    /// How tokens and HMACs come about.
    public let scheme: HandshakeScheme
    /// Whether the connection is plain TCP from the start: it has no key.
    public let isPlain: Bool
    /// This side's key.
    public let localKey: Key
    /// The peer's key, once known.
    public internal(set) var remoteKey: Key?
    /// This side's token.
    public let localToken: Token
    /// The peer's token, once its key is known.
    public internal(set) var remoteToken: Token?
    /// Whether the connection fell back to plain TCP (RFC 8684, 3.7).
    public internal(set) var isFallback: Bool
    /// Whether the handshake is complete.
    public internal(set) var isEstablished = false
    /// Whether the peer has shown that it speaks MPTCP: joins are allowed (RFC 8684, 3.1).
    public internal(set) var isConfirmed = false
    /// Why the connection is over.
    public internal(set) var closeReason: CloseReason?

    var data: DataState
    var subflows: [Subflow] = []
    var interfaces: [StackInterface]
    var usesChecksum: Bool
    var peerDeniesInitialAddress = false
    var remoteEndpoint: Endpoint
    var events: Deque<Event> = []
    private var isEndTold = false
    var generator: SeededGenerator
    var nextSubflowID: UInt32 = 0
    var graceDeadline: Instant?
    /// The end of the wait that began with the last loss after which something was delivered.
    var graceLimit = Instant.distantFuture
    /// Octets that had been acknowledged and received when the last subflow was lost.
    var progressAtLoss = -1
    var fruitlessSubflows = 0
    /// When a subflow was last fully established.
    var lastConfirmation = Instant(nanoseconds: .min / 2)
    /// When a segment came, or the application wrote or read, for the last time.
    var lastUse = Instant(nanoseconds: .min / 2)
    /// When the memory of empty buffers is given back, if nothing happens until then.
    var releaseDeadline: Instant?
    /// What the first SYN may carry.
    var fastOpen: FastOpenOffer?
    /// A fast close on ACK that waits for the peer's RST (v0).
    var fastClose: FastClose?
    /// Whether it was the peer that ended the last subflow that ended.
    var wasClosedByPeer = false
    /// Whether the last subflow that ended was a join that the peer refused.
    var wasRefused = false
    /// Whether a join was answered as one whose token nobody knows.
    var wasRefusedByStranger = false
    /// Whether the peer has shown that our last DATA_ACK arrived: its FIN or RST came after it, or
    /// it acknowledged our FIN.
    var peerKnowsEnd = false
    var paths = PathState()
    var fastJoin = FastJoinState()
    var idle = IdleState()
    var oracle = OracleState()
    var interactive = InteractiveState()
    var scheduler: Scheduler
    /// What the detailed event log saw last; `nil` unless it is wanted.
    var observation: Observation?
    /// Counters.
    public internal(set) var counters = Counters()
    /// What the kernel's MIB would count of this connection.
    public internal(set) var mib = MIBCounters()

    /// Counters of one connection, in the words of the kernel's MIB where they mean the same.
    public struct Counters: Hashable, Sendable {
        /// Octets reinjected on another subflow.
        public var reinjectedBytes = 0
        /// Octets of them whose original was acknowledged first.
        public var spuriousReinjections = 0
        /// Octets sent again on purpose (redundant scheduler).
        public var redundantBytes = 0
        /// Retransmissions on a fast subflow because the connection's window was full.
        public var opportunisticRetransmissions = 0
        /// Windows halved because their subflow held the connection's window up.
        public var penalties = 0
        /// Octets received twice at connection level (DuplicateData).
        public var duplicateBytes = 0
        /// Joins that this side opened and that succeeded.
        public var joinsOpened = 0
        /// Joins accepted.
        public var joinsAccepted = 0
        /// Joins refused or failed.
        public var joinsFailed = 0
        /// ADD_ADDR with a bad HMAC.
        public var badAddressHMACs = 0
        /// Joins that carry data early.
        public var fastJoin = FastJoinCounters()
        /// Why paths were suspected, and why data moved.
        public var switching = SwitchCounters()
    }

    init(
        isOpener: Bool, configuration: ConnectionConfiguration, identity: ConnectionIdentity?,
        remote: Endpoint, interfaces: [StackInterface], generator: SeededGenerator
    ) {
        self.isOpener = isOpener
        self.configuration = configuration
        isPlain = identity == nil
        isFallback = isPlain
        scheme = identity?.scheme ?? .v1
        localKey = identity?.key ?? Key(0)
        localToken = identity.map { $0.scheme.token(of: $0.key) } ?? Token(0)
        self.interfaces = interfaces
        self.generator = generator
        remoteEndpoint = remote
        usesChecksum = configuration.usesChecksum
        scheduler = Scheduler(configuration.scheduler)
        data = DataState(
            initialDSN: isPlain
                ? DataSequenceNumber(0) : scheme.initialDataSequenceNumber(of: localKey),
            receiveBuffer: configuration.receiveBuffer)
    }

    // MARK: Queries

    /// Octets that can be read now.
    public var readableCount: Int { data.readableCount }

    /// Octets that can be written now.
    public var writableCount: Int {
        guard closeReason == nil, !data.isFinishing else { return 0 }
        let unsent = data.sent.end - data.next
        return max(min(configuration.sendBuffer - data.sent.count, unsentLimit - unsent), 0)
    }

    /// Bytes that may wait to be sent for the first time: about a congestion window. More would help
    /// nobody, because the application is told as soon as they are on their way, and a path would
    /// have to drain it after the application has finished. What the application has just written is
    /// then still in the processor's cache when it is sent.
    ///
    /// What is on its way is another matter: it stays in the send buffer until the slowest path has
    /// brought what came before it.
    ///
    /// It is a whole number of super-segments: the remnant at the end of each turn would cost as much
    /// as a large one.
    var unsentLimit: Int {
        var windows = 0
        for index in subflows.indices { windows += subflows[index].tcp.congestion.window }
        let limit = min(max(windows, Self.leastUnsent), Self.mostUnsent)
        guard !subflows.isEmpty, subflows[0].superSegmentLimit > 0 else { return limit }
        let segment = subflows[0].tcp.effectiveMSS
        let whole = max(subflows[0].superSegmentLimit / segment * segment, 1)
        return limit / whole * whole
    }

    private static let leastUnsent = 131_072
    private static let mostUnsent = 262_144

    /// Whether the peer finished and everything was read.
    public var isAtEnd: Bool { data.isPeerFinished && data.readableCount == 0 }

    /// Octets of memory that the connection keeps: for what is to be sent, to be acknowledged, to be
    /// read, and out of order. One octet behind a gap takes the memory of the gap, too.
    public var queuedBytes: Int {
        var count = data.sent.count + data.earlyReceived.count + data.received.memoryCount
        for index in subflows.indices {
            count += subflows[index].tcp.outstandingBytes
            count += subflows[index].tcp.receiveBuffer.memoryCount
        }
        return count
    }

    /// Whether nothing is left to do for this connection.
    public var isFinished: Bool {
        isEndKnowable && !subflows.indices.contains { subflows[$0].tcp.state != .closed }
    }

    /// Whether it is over, and what arrived before an end in order was read: the application is told
    /// of the end behind the last octet.
    private var isEndKnowable: Bool {
        closeReason != nil && (closeReason != .finished || data.readableCount == 0)
    }

    /// The four-tuples of the subflows.
    public var tuples: [(SubflowID, FourTuple)] { subflows.map { ($0.id, $0.tcp.tuple) } }

    /// Whether the peer is to open no subflow to the address of the first one (RFC 8684, 3.1).
    var deniesInitialAddress: Bool { configuration.deniesInitialAddress && scheme == .v1 }

    func index(of id: SubflowID) -> Int? { subflows.indices.first { subflows[$0].id == id } }

    /// The interface that owns a local address.
    func interface(owning address: IPAddress) -> StackInterface? {
        interfaces.first { $0.addresses.contains(address) }
    }

    // MARK: Commands

    /// Takes bytes of the application; returns how many there was room for.
    public mutating func write(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Int {
        noteUse(now: now)
        let count = min(bytes.count, writableCount)
        if count < bytes.count { data.wantsWritableEvent = true }
        guard count > 0 else { return 0 }
        data.sent.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        return count
    }

    /// Takes at most `limit` bytes that `fill` makes where they will lie; it may be given less room
    /// and returns how many it made. Returns the same; 0 when there is no room now.
    public mutating func write(
        upTo limit: Int, now: Instant, fill: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        noteUse(now: now)
        let room = min(limit, writableCount)
        guard room > 0 else {
            data.wantsWritableEvent = true
            return 0
        }
        return data.sent.append(upTo: room, fill: fill)
    }

    /// Gives at most `limit` received bytes to `body`, in one or two pieces that are valid during the
    /// call; returns how many.
    public mutating func read(
        upTo limit: Int, now: Instant, _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Int {
        if !data.earlyReceived.isEmpty {
            let early = data.takeEarly(limit)
            early.withUnsafeBytes(body)
            data.isReadableSignalled = false
            return early.count
        }
        let start = data.received.start
        let count = min(limit, data.received.readableCount)
        if count > 0 {
            data.received.forEachPiece(of: start..<(start + count), body)
            data.received.discard(upTo: start + count)
            noteUse(now: now)
            openWindow()
        }
        data.isReadableSignalled = false
        return count
    }

    /// Gives received bytes to the application.
    public mutating func read(into buffer: UnsafeMutableRawBufferPointer, now: Instant) -> Int {
        if !data.earlyReceived.isEmpty {
            let early = data.takeEarly(buffer.count)
            buffer.copyBytes(from: early)
            data.isReadableSignalled = false
            return early.count
        }
        let count = data.received.read(into: buffer)
        if count > 0 {
            noteUse(now: now)
            openWindow()
        }
        data.isReadableSignalled = false
        return count
    }

    /// Finishes this side's direction: DATA_FIN behind everything written (RFC 8684, 3.3.3).
    public mutating func finishWriting(now: Instant) {
        guard closeReason == nil else { return }
        data.isFinishing = true
    }

    /// Asks the peer to spare the subflows of a local address, or to use them (MP_PRIO).
    public mutating func setBackup(_ isBackup: Bool, address: IPAddress, now: Instant) {
        guard !isFallback, closeReason == nil else { return }
        for index in subflows.indices where subflows[index].tcp.tuple.local.address == address {
            subflows[index].isBackupForPeer = isBackup
            mib.count(.prioritySent)
            subflows[index].signal(.priority(isBackup: isBackup, addressID: nil))
        }
    }

    // MARK: Events

    /// The next event.
    public mutating func pollEvent() -> Event? {
        if let event = events.popFirst() { return event }
        guard let closeReason, isEndKnowable, !isEndTold else { return nil }
        isEndTold = true
        return .closed(closeReason)
    }

    mutating func log(
        _ name: String, now: Instant, _ fields: (name: String, value: LogValue)...
    ) {
        events.append(.log(LogEvent(name, time: now, fields)))
    }

    mutating func finish(_ reason: CloseReason, now: Instant) {
        guard closeReason == nil else { return }
        closeReason = reason
        graceDeadline = nil
        releaseMemory()
        log("connection_closed", now: now, ("reason", .text(reason.rawValue)))
    }
}
