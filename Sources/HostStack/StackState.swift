internal import DequeModule
internal import HeapModule
internal import MPTCP
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// What a `HostStack` is made of.
struct StackState {
    struct Slot {
        var generation: UInt32 = 0
        var connection: Connection?
        /// Whether the slot waits in `ready`.
        var isReady = false
        /// The instant at which the heap has the connection looked at: not later than its deadline.
        var scheduled: Instant?
        /// Octets that the connection keeps.
        var queuedBytes = 0
        /// Whether the application was told of the connection.
        var isAccepted = false
        /// Whether the connection counts as half open.
        var isHalfOpen = false
    }

    /// A deadline in the heap; void once the slot's `scheduled` is another.
    struct Deadline: Comparable {
        var instant: Instant
        var slot: Int

        static func < (lhs: Deadline, rhs: Deadline) -> Bool {
            (lhs.instant, lhs.slot) < (rhs.instant, rhs.slot)
        }
    }

    let configuration: StackConfiguration
    var secrets: HostSecrets
    var interfaces: [StackInterface] = []
    var slots: [Slot] = []
    var freeSlots: [Int] = []
    var listeners: Set<UInt16> = []
    var subflows: [FourTuple: (slot: Int, id: SubflowID)] = [:]
    var tokens: [Token: Int] = [:]
    var halfOpen = 0
    /// Connections that were half open when they came, the oldest first.
    var handshakes: Deque<ConnectionHandle> = []
    /// Slots that may have something to send.
    var ready: Deque<Int> = []
    var deadlines = Heap<Deadline>()
    var events: Deque<StackEvent> = []
    /// RSTs in answer to packets of no connection.
    var resets: Deque<(header: SegmentHeader, tuple: FourTuple, interface: InterfaceID)> = []
    var counters = StackCounters()
    /// What handshakes have told about peers.
    var peers: PeerMemory
    /// How many MACs of fast joins may be verified.
    var verifications = VerificationBudget()
    /// What paths take.
    var roundTrips = RoundTripMemory()
    /// Where SYNs with data were lost.
    var networks = NetworkMemory()
    /// What the kernel's MIB would count that belongs to no living connection.
    var mib = MIBCounters()
    /// Fast joins of connections that are gone.
    var fastJoins = FastJoinCounters()
    /// Octets that all connections keep.
    private(set) var queuedBytes = 0

    init(configuration: StackConfiguration, seed: UInt64) {
        self.configuration = configuration
        secrets = HostSecrets(seed: seed)
        peers = PeerMemory(blackholeTimeout: configuration.blackholeTimeout)
    }

    func index(_ handle: ConnectionHandle) -> Int? {
        let slot = handle.slot
        guard slot < slots.count, slots[slot].connection != nil,
            handle == self.handle(slot)
        else { return nil }
        return slot
    }

    func handle(_ slot: Int) -> ConnectionHandle {
        ConnectionHandle(slot: slot, generation: slots[slot].generation)
    }

    // MARK: Interfaces

    mutating func setInterface(_ given: StackInterface, now: Instant) {
        var interface = given
        interface.synDataBlockedUntil = networks.blockedUntil(interface.id, interface.addresses)
        if let position = interfaces.firstIndex(where: { $0.id == interface.id }) {
            guard interfaces[position] != interface else { return }
            let wasUp = interfaces[position].isUp
            interfaces[position] = interface
            if wasUp != interface.isUp { logLink(interface, now: now) }
        } else {
            interfaces.append(interface)
        }
        interfacesChanged(now: now)
    }

    /// A network drops SYNs with data: no connection sends one there for a while.
    private mutating func noteLostSYNData(_ id: InterfaceID, now: Instant) {
        guard let interface = interfaces.first(where: { $0.id == id }) else { return }
        networks.noteLoss(id, interface.addresses, now: now)
        setInterface(interface, now: now)
    }

    mutating func removeInterface(_ id: InterfaceID, now: Instant) {
        interfaces.removeAll { $0.id == id }
        interfacesChanged(now: now)
    }

    private mutating func interfacesChanged(now: Instant) {
        let current = interfaces
        forEachConnection(now: now) { $0.interfacesChanged(current, now: now) }
    }

    private mutating func logLink(_ interface: StackInterface, now: Instant) {
        events.append(
            .log(
                nil,
                LogEvent(
                    interface.isUp ? "link_up" : "link_down", time: now,
                    [("interface", .text(interface.name))])))
    }

    mutating func forEachConnection(now: Instant, _ body: (inout Connection) -> Void) {
        for slot in slots.indices where slots[slot].connection != nil {
            update(slot: slot, now: now, body)
        }
    }

    // MARK: Connections

    /// Runs a command or an input on a connection and takes in what follows from it.
    @discardableResult
    mutating func update<Result>(
        _ handle: ConnectionHandle, now: Instant, _ body: (inout Connection) -> Result
    ) -> Result? {
        guard let slot = index(handle) else { return nil }
        return update(slot: slot, now: now, body)
    }

    @discardableResult
    mutating func update<Result>(
        slot: Int, now: Instant, _ body: (inout Connection) -> Result
    ) -> Result? {
        let result = with(slot, body)
        if configuration.connection.logsDetails { slots[slot].connection?.observe(now: now) }
        collectEvents(slot)
        markReady(slot)
        return result
    }

    /// Runs `body` on the connection where it lies: some 2 KB, which the way through the array would
    /// copy, with a reference count for each of its parts, even to read one of them.
    mutating func with<Result>(_ slot: Int, _ body: (inout Connection) -> Result) -> Result? {
        // Optional chaining mutates in place.
        slots[slot].connection?.run(body)
    }

    mutating func markReady(_ slot: Int) {
        guard !slots[slot].isReady else { return }
        slots[slot].isReady = true
        ready.append(slot)
    }

    mutating func insert(_ connection: consuming Connection) -> Int {
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = slots.count
            slots.append(Slot())
        }
        slots[slot].scheduled = nil
        slots[slot].isAccepted = false
        slots[slot].isHalfOpen = !connection.isOpener
        if !connection.isOpener { halfOpen += 1 }
        if !connection.isPlain { tokens[connection.localToken] = slot }
        slots[slot].connection = consume connection
        return slot
    }

    mutating func remove(_ slot: Int) {
        guard let connection = slots[slot].connection.take() else { return }
        if !connection.isPlain { tokens[connection.localToken] = nil }
        mib.add(connection.mib)
        fastJoins.add(connection.counters.fastJoin)
        queuedBytes -= slots[slot].queuedBytes
        slots[slot].queuedBytes = 0
        for (_, tuple) in connection.tuples where subflows[tuple]?.slot == slot {
            subflows[tuple] = nil
        }
        slots[slot].generation &+= 1
        slots[slot].scheduled = nil
        freeSlots.append(slot)
    }

    /// Passes a connection's events on and keeps the tables current.
    mutating func collectEvents(_ slot: Int) {
        let handle = handle(slot)
        let queued = with(slot) { $0.queuedBytes } ?? 0
        queuedBytes += queued - slots[slot].queuedBytes
        slots[slot].queuedBytes = queued
        while let event = with(slot, { $0.pollEvent() }) ?? nil {
            switch event {
            case .established:
                if isOpener(slot) {
                    events.append(.established(handle))
                } else {
                    leaveHalfOpen(slot)
                    accept(slot)
                }
            case .acceptedEarly: accept(slot)
            case .readable: events.append(.readable(handle))
            case .writable: events.append(.writable(handle))
            case .atEnd: events.append(.atEnd(handle))
            case .closed(let reason):
                leaveHalfOpen(slot)
                if isOpener(slot) || slots[slot].isAccepted {
                    events.append(.closed(handle, reason))
                }
            case .subflowOpened(let id, let tuple): register(id, tuple, slot)
            case .subflowClosed(let id, let tuple):
                if let entry = subflows[tuple], entry.slot == slot, entry.id == id {
                    subflows[tuple] = nil
                }
            case .peerAnswered(let address, let outcome, let now):
                peers.note(outcome, of: address, now: now)
            case .fastOpenAnswered(let address, let offer, let now):
                peers.note(offer, of: address, now: now)
            case .roundTripMeasured(let tuple, let time): roundTrips.note(time, of: tuple)
            case .synDataLost(let id, let now): noteLostSYNData(id, now: now)
            case .log(let event): events.append(.log(handle, event))
            }
        }
    }

    private mutating func isOpener(_ slot: Int) -> Bool { with(slot) { $0.isOpener } ?? false }

    mutating func leaveHalfOpen(_ slot: Int) {
        guard slots[slot].isHalfOpen else { return }
        slots[slot].isHalfOpen = false
        halfOpen -= 1
    }

    /// Tells the application of a connection, once.
    private mutating func accept(_ slot: Int) {
        guard !slots[slot].isAccepted else { return }
        slots[slot].isAccepted = true
        events.append(.accepted(handle(slot)))
    }

    /// Packets of the tuple belong to this subflow from now on. A connection knows the ports of
    /// its own subflows only: a tuple of another connection is not taken away from it.
    private mutating func register(_ id: SubflowID, _ tuple: FourTuple, _ slot: Int) {
        if let other = subflows[tuple], other.slot != slot, isOpener(slot) {
            slots[slot].connection?.changePort(of: id)
        } else {
            subflows[tuple] = (slot, id)
            if let time = roundTrips.time(of: tuple) {
                slots[slot].connection?.expectRoundTrip(time, on: id)
            }
        }
    }

    /// Takes out a connection that has nothing left to do.
    private mutating func retireIfFinished(_ slot: Int) {
        if with(slot, { $0.isFinished }) == true { remove(slot) }
    }

    // MARK: Outputs

    mutating func pollTransmit(
        now: Instant, into buffer: UnsafeMutableRawBufferPointer
    ) -> Transmit? {
        if let reset = resets.popFirst() {
            counters.packetsSent += 1
            let tuple = reset.tuple
            let length = reset.header.encodePacket(
                source: tuple.local.address, destination: tuple.remote.address,
                payloadLength: 0, into: buffer
            ) { _ in }
            return Transmit(
                interface: reset.interface, source: tuple.local.address,
                destination: tuple.remote.address, length: length)
        }
        while let slot = ready.first {
            let transmit = with(slot) { $0.pollTransmit(now: now, into: buffer) } ?? nil
            if configuration.connection.logsDetails { slots[slot].connection?.observe(now: now) }
            collectEvents(slot)
            if let transmit {
                counters.packetsSent += 1
                return transmit
            }
            ready.removeFirst()
            slots[slot].isReady = false
            retireIfFinished(slot)
            schedule(slot)
        }
        return nil
    }

    private mutating func schedule(_ slot: Int) {
        guard let deadline = with(slot, { $0.pollDeadline() }) ?? nil else { return }
        // Most deadlines move away before they come: then the entry that stands is early enough,
        // and the connection is asked again when it comes.
        if let scheduled = slots[slot].scheduled, scheduled <= deadline { return }
        slots[slot].scheduled = deadline
        deadlines.insert(Deadline(instant: deadline, slot: slot))
    }

    mutating func pollDeadline() -> Instant? {
        while let earliest = deadlines.min {
            if slots[earliest.slot].scheduled == earliest.instant { return earliest.instant }
            deadlines.removeMin()
        }
        return nil
    }

    mutating func handleDeadline(now: Instant) {
        while let earliest = deadlines.min, earliest.instant <= now {
            deadlines.removeMin()
            guard slots[earliest.slot].scheduled == earliest.instant else { continue }
            slots[earliest.slot].scheduled = nil
            update(slot: earliest.slot, now: now) { $0.handleDeadline(now: now) }
        }
    }

    /// Whether what connections keep has reached the limit.
    var isShortOfMemory: Bool { queuedBytes >= configuration.memoryLimit }

    // MARK: Secrets

    /// The version and the key of a new connection; `nil` makes it plain TCP.
    mutating func identity(
        _ scheme: HandshakeScheme?, _ drawn: inout HostSecrets.Drawn
    ) -> ConnectionIdentity? {
        guard configuration.connection.isMultipath, let scheme else { return nil }
        let tokens = tokens
        let identity = ConnectionIdentity.draw(scheme, from: &drawn.keys) { tokens[$0] != nil }
        if identity == nil { mib.count(.noFreeToken) }
        return identity
    }
}

extension Connection {
    fileprivate mutating func run<Result>(_ body: (inout Connection) -> Result) -> Result {
        body(&self)
    }
}
