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
        /// A milestone.
        case log(LogEvent)
    }

    /// Whether this side opened the connection.
    public let isOpener: Bool
    /// The configuration.
    public let configuration: ConnectionConfiguration
    /// How tokens and HMACs come about.
    public let scheme = HandshakeScheme.v1
    /// This side's key.
    public let localKey: Key
    /// The peer's key, once known.
    public internal(set) var remoteKey: Key?
    /// This side's token.
    public let localToken: Token
    /// The peer's token, once its key is known.
    public internal(set) var remoteToken: Token?
    /// Whether the connection fell back to plain TCP (RFC 8684, 3.7).
    public internal(set) var isFallback = false
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
    /// What the detailed event log saw last; `nil` unless it is wanted.
    var observation: Observation?
    /// Counters.
    public internal(set) var counters = Counters()

    /// Counters of one connection, in the words of the kernel's MIB where they mean the same.
    public struct Counters: Hashable, Sendable {
        /// Octets reinjected on another subflow.
        public var reinjectedBytes = 0
        /// Octets of them whose original was acknowledged first.
        public var spuriousReinjections = 0
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
        isOpener: Bool, configuration: ConnectionConfiguration, localKey: Key, remote: Endpoint,
        interfaces: [StackInterface], generator: SeededGenerator
    ) {
        self.isOpener = isOpener
        self.configuration = configuration
        self.localKey = localKey
        localToken = scheme.token(of: localKey)
        self.interfaces = interfaces
        self.generator = generator
        remoteEndpoint = remote
        usesChecksum = configuration.usesChecksum
        data = DataState(
            initialDSN: scheme.initialDataSequenceNumber(of: localKey),
            receiveBuffer: configuration.receiveBuffer)
    }

    // MARK: Queries

    /// Octets that can be read now.
    public var readableCount: Int { data.received.readableCount }

    /// Octets that can be written now.
    public var writableCount: Int {
        guard closeReason == nil, !data.isFinishing else { return 0 }
        return max(sendBufferLimit - data.sent.count, 0)
    }

    /// Two congestion windows, as Linux sizes its send buffer: enough to keep the subflows busy,
    /// and no more that a path must drain after the application has finished.
    var sendBufferLimit: Int {
        let windows = subflows.reduce(0) { $0 + $1.tcp.congestion.window }
        return min(configuration.sendBuffer, max(2 * windows, Self.leastSendBuffer))
    }

    private static let leastSendBuffer = 131_072

    /// Whether the peer finished and everything was read.
    public var isAtEnd: Bool { data.isPeerFinished && data.received.readableCount == 0 }

    /// Whether nothing is left to do for this connection.
    public var isFinished: Bool {
        closeReason != nil && subflows.allSatisfy { $0.tcp.state == .closed }
    }

    /// The four-tuples of the subflows.
    public var tuples: [(SubflowID, FourTuple)] { subflows.map { ($0.id, $0.tcp.tuple) } }

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

    /// Ends the connection at once: MP_FASTCLOSE on RST (RFC 8684, 3.5).
    public mutating func abort(now: Instant) {
        guard closeReason == nil else { return }
        for index in subflows.indices {
            if !isFallback, let remoteKey {
                subflows[index].resetOptions = [
                    .fastClose(receiverKey: remoteKey), .reset(MPTCPReset(.unspecified)),
                ]
            }
            subflows[index].tcp.abort()
        }
        finish(.aborted, now: now)
    }

    /// Asks the peer to spare the subflows of a local address, or to use them (MP_PRIO).
    public mutating func setBackup(_ isBackup: Bool, address: IPAddress, now: Instant) {
        guard !isFallback, closeReason == nil else { return }
        for index in subflows.indices where subflows[index].tcp.tuple.local.address == address {
            subflows[index].isBackupForPeer = isBackup
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
