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
    var generator: SeededGenerator
    var nextSubflowID: UInt32 = 0
    var graceDeadline: Instant?
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
    var scheduler: Scheduler
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
        return max(sendBufferLimit - data.sent.count, 0)
    }

    /// Two congestion windows, as Linux sizes its send buffer: enough to keep the subflows busy,
    /// and no more that a path must drain after the application has finished. With several busy ones
    /// the others go on sending while the slowest one's bytes are on their way, and once more while
    /// it repairs a loss (mptcp-behaviour, 6.1: the bandwidths times the longest round trip).
    var sendBufferLimit: Int {
        let busy = subflows.filter { $0.isUsable && !$0.isBackup }
        let longest = Double(busy.reduce(0) { max($0, $1.tcp.rtt.smoothed ?? 0) })
        let windows = subflows.reduce(0.0) { $0 + Double($1.tcp.congestion.window) }
        let held = busy.reduce(0.0) {
            $0 + Double($1.tcp.congestion.window) * longest
                / Double(max($1.tcp.rtt.smoothed ?? 1, 1))
        }
        let wanted = max(2 * windows, busy.count > 1 ? 3 * held : 0)
        let limit = Int(min(wanted, Double(configuration.sendBuffer)))
        return min(configuration.sendBuffer, max(limit, Self.leastSendBuffer))
    }

    private static let leastSendBuffer = 131_072

    /// Whether the peer finished and everything was read.
    public var isAtEnd: Bool { data.isPeerFinished && data.readableCount == 0 }

    /// Octets that the connection keeps: to be sent, to be acknowledged, to be read, out of order.
    public var queuedBytes: Int {
        subflows.reduce(
            data.sent.count + data.earlyReceived.count + data.received.queuedCount
        ) {
            $0 + $1.tcp.outstandingBytes + $1.tcp.receiveBuffer.queuedCount
        }
    }

    /// Whether nothing is left to do for this connection.
    public var isFinished: Bool {
        closeReason != nil && subflows.allSatisfy { $0.tcp.state == .closed }
    }

    /// The four-tuples of the subflows.
    public var tuples: [(SubflowID, FourTuple)] { subflows.map { ($0.id, $0.tcp.tuple) } }

    /// Whether the peer is to open no subflow to the address of the first one (RFC 8684, 3.1).
    var deniesInitialAddress: Bool { configuration.deniesInitialAddress && scheme == .v1 }

    func index(of id: SubflowID) -> Int? { subflows.firstIndex { $0.id == id } }

    /// The interface that owns a local address.
    func interface(owning address: IPAddress) -> StackInterface? {
        interfaces.first { $0.addresses.contains(address) }
    }

    // MARK: Commands

    /// Takes bytes of the application; returns how many there was room for.
    public mutating func write(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Int {
        let count = min(bytes.count, writableCount)
        if count < bytes.count { data.wantsWritableEvent = true }
        guard count > 0 else { return 0 }
        data.sent.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        return count
    }

    /// Gives received bytes to the application.
    public mutating func read(into buffer: UnsafeMutableRawBufferPointer, now: Instant) -> Int {
        let early = min(buffer.count, data.earlyReceived.count)
        if early > 0 {
            buffer.copyBytes(from: data.earlyReceived[..<early])
            data.earlyReceived.removeFirst(early)
            data.isReadableSignalled = false
            return early
        }
        let count = data.received.read(into: buffer)
        if count > 0 { openWindow() }
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
    public mutating func pollEvent() -> Event? { events.popFirst() }

    mutating func log(
        _ name: String, now: Instant, _ fields: (name: String, value: LogValue)...
    ) {
        events.append(.log(LogEvent(name, time: now, fields)))
    }

    mutating func finish(_ reason: CloseReason, now: Instant) {
        guard closeReason == nil else { return }
        closeReason = reason
        graceDeadline = nil
        log("connection_closed", now: now, ("reason", .text(reason.rawValue)))
        events.append(.closed(reason))
    }
}
