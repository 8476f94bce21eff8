internal import DequeModule
public import MPTCP
public import NetworkPrimitives
internal import TCP
public import WireFormat

/// The TCP and MPTCP of one host: demultiplexing, listeners, ports, and the slab in which
/// connections live. No I/O, no clock; confined to one driver.
///
/// - Queries: `isAtEnd`, `information`, `counters`, `mib`, `fastJoins`, `queuedBytes`.
/// - Inputs: `receive(_:verification:on:now:)`, `handleDeadline(now:)`, `setInterface`.
/// - Commands: `listen`, `connect`, `write`, `read`, `finishWriting`, `close`, `abort`,
///   `giveUpAddress`.
/// - Outputs: `pollTransmit(now:into:)`, `pollDeadline()`, `pollEvent()`.
///
/// Call order: after any input or command, `pollTransmit` until it returns `nil` and `pollEvent`
/// until it returns `nil`, then wait until `pollDeadline`.
public final class HostStack {
    /// All state as one value: one exclusivity check per call (packet-io, 3).
    var state: StackState

    /// A stack whose keys, sequence numbers and ports follow from `seed`.
    public init(configuration: StackConfiguration, seed: UInt64) {
        state = StackState(configuration: configuration, seed: seed)
    }

    // MARK: Queries

    /// Whether the peer finished and everything was read.
    public func isAtEnd(_ handle: ConnectionHandle) -> Bool {
        state.index(handle).flatMap { state.with($0) { $0.isAtEnd } } ?? true
    }

    /// What there is to say about a connection.
    public func information(_ handle: ConnectionHandle) -> ConnectionInformation? {
        state.index(handle).flatMap { state.with($0) { $0.information } }
    }

    /// Counters since the start.
    public var counters: StackCounters { state.counters }

    /// What happened to fast joins.
    public var fastJoins: FastJoinCounters {
        state.slots.reduce(into: state.fastJoins) { total, slot in
            if let connection = slot.connection { total.add(connection.counters.fastJoin) }
        }
    }

    /// What the kernel's MIB would count: of living connections, dead ones, and none.
    public var mib: MIBCounters {
        state.slots.reduce(into: state.mib) { total, slot in
            if let connection = slot.connection { total.add(connection.mib) }
        }
    }

    /// Octets of memory that all connections keep for data.
    public var queuedBytes: Int { state.queuedBytes }

    // MARK: Commands

    /// Adds an interface or tells what changed about it.
    public func setInterface(_ interface: StackInterface, now: Instant) {
        state.setInterface(interface, now: now)
    }

    /// Takes an interface away.
    public func removeInterface(_ id: InterfaceID, now: Instant) {
        state.removeInterface(id, now: now)
    }

    /// Gives an address up while its path still works: REMOVE_ADDR, and its subflows close.
    public func giveUpAddress(_ address: IPAddress, now: Instant) {
        state.forEachConnection(now: now) { $0.giveUp(address: address, now: now) }
    }

    /// Asks peers to spare the subflows of an address, or to use them again (MP_PRIO).
    public func setBackup(_ isBackup: Bool, address: IPAddress, now: Instant) {
        state.forEachConnection(now: now) { $0.setBackup(isBackup, address: address, now: now) }
    }

    /// Accepts connections on a port.
    public func listen(port: UInt16) throws(StackError) {
        guard state.listeners.insert(port).inserted else { throw .portInUse(port) }
    }

    /// Accepts no further connections on a port; joins to those that exist are still accepted.
    public func stopListening(port: UInt16) { state.listeners.remove(port) }

    /// Opens a connection from `local`, or from the first address that fits.
    public func connect(
        to remote: Endpoint, from local: IPAddress?, now: Instant
    ) throws(StackError) -> ConnectionHandle {
        try state.connect(to: remote, from: local, now: now)
    }

    /// Takes bytes to send; a short count is back-pressure, and `.writable` follows.
    public func write(
        _ bytes: UnsafeRawBufferPointer, to handle: ConnectionHandle, now: Instant
    ) -> Int {
        state.update(handle, now: now) { $0.write(bytes, now: now) } ?? 0
    }

    /// Takes at most `limit` bytes that `fill` makes where they will lie, so that they need not be
    /// copied; 0 when there is no room, and `.writable` follows. `fill` returns how many it made and
    /// does not call the stack.
    public func write(
        to handle: ConnectionHandle, upTo limit: Int, now: Instant,
        fill: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        state.update(handle, now: now) { $0.write(upTo: limit, now: now, fill: fill) } ?? 0
    }

    /// Gives at most `limit` received bytes to `body` where they lie; returns how many. `body` does
    /// not call the stack.
    public func read(
        from handle: ConnectionHandle, upTo limit: Int, now: Instant,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Int {
        state.update(handle, now: now) { $0.read(upTo: limit, now: now, body) } ?? 0
    }

    /// Gives received bytes out; 0 when there are none now.
    public func read(
        from handle: ConnectionHandle, into buffer: UnsafeMutableRawBufferPointer, now: Instant
    ) -> Int {
        state.update(handle, now: now) { $0.read(into: buffer, now: now) } ?? 0
    }

    /// Finishes this side's direction (DATA_FIN).
    public func finishWriting(_ handle: ConnectionHandle, now: Instant) {
        state.update(handle, now: now) { $0.finishWriting(now: now) }
    }

    /// Finishes this side's direction; the handle goes once the close handshake is over.
    public func close(_ handle: ConnectionHandle, now: Instant) {
        state.update(handle, now: now) { $0.finishWriting(now: now) }
    }

    /// Ends a connection at once (MP_FASTCLOSE).
    public func abort(_ handle: ConnectionHandle, now: Instant) {
        state.update(handle, now: now) { $0.abort(now: now) }
    }

    // MARK: Inputs

    /// Takes an IP packet; the bytes are only read during the call.
    public func receive(
        _ packet: UnsafeRawBufferPointer, verification: SegmentView.Verification,
        on interface: InterfaceID, now: Instant
    ) {
        state.receive(packet, verification: verification, on: interface, now: now)
    }

    /// Handles every timer that is due.
    public func handleDeadline(now: Instant) { state.handleDeadline(now: now) }

    // MARK: Outputs

    /// Writes the next IP packet into `buffer`, which has room for the largest MTU.
    public func pollTransmit(
        now: Instant, into buffer: UnsafeMutableRawBufferPointer
    ) -> Transmit? {
        state.pollTransmit(now: now, into: buffer)
    }

    /// When `handleDeadline` is next due.
    public func pollDeadline() -> Instant? { state.pollDeadline() }

    /// The next event.
    public func pollEvent() -> StackEvent? { state.events.popFirst() }
}
