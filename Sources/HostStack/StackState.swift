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
        /// The deadline that stands in the heap.
        var scheduled: Instant?
        /// Whether the application was told of the connection.
        var isAccepted = false
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
    var generator: SeededGenerator
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
    private let sequenceSecret: UInt64

    init(configuration: StackConfiguration, seed: UInt64) {
        self.configuration = configuration
        generator = SeededGenerator(seed: seed)
        sequenceSecret = generator.next()
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

    mutating func setInterface(_ interface: StackInterface, now: Instant) {
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
        let result = modify(slot, body)
        collectEvents(slot)
        markReady(slot)
        return result
    }

    /// Runs `body` on the connection where it lies.
    private mutating func modify<Result>(
        _ slot: Int, _ body: (inout Connection) -> Result
    ) -> Result? {
        // Optional chaining mutates in place; taking a connection out and putting it back would
        // move all of it twice for each packet.
        slots[slot].connection?.modify(body)
    }

    mutating func markReady(_ slot: Int) {
        guard !slots[slot].isReady else { return }
        slots[slot].isReady = true
        ready.append(slot)
    }

    mutating func insert(_ connection: Connection) -> Int {
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = slots.count
            slots.append(Slot())
        }
        slots[slot].connection = connection
        slots[slot].scheduled = nil
        slots[slot].isAccepted = false
        tokens[connection.localToken] = slot
        return slot
    }

    mutating func remove(_ slot: Int) {
        guard let connection = slots[slot].connection else { return }
        tokens[connection.localToken] = nil
        for (_, tuple) in connection.tuples where subflows[tuple]?.slot == slot {
            subflows[tuple] = nil
        }
        slots[slot].connection = nil
        slots[slot].generation &+= 1
        slots[slot].scheduled = nil
        freeSlots.append(slot)
    }

    /// Passes a connection's events on and keeps the tables current.
    mutating func collectEvents(_ slot: Int) {
        let handle = handle(slot)
        while let event = slots[slot].connection?.pollEvent() {
            switch event {
            case .established:
                if slots[slot].connection?.isOpener == true {
                    events.append(.established(handle))
                } else {
                    halfOpen -= 1
                    slots[slot].isAccepted = true
                    events.append(.accepted(handle))
                }
            case .readable: events.append(.readable(handle))
            case .writable: events.append(.writable(handle))
            case .atEnd: events.append(.atEnd(handle))
            case .closed(let reason):
                if slots[slot].connection?.isOpener == false, !slots[slot].isAccepted {
                    halfOpen -= 1
                } else {
                    events.append(.closed(handle, reason))
                }
            case .subflowOpened(let id, let tuple): register(id, tuple, slot)
            case .subflowClosed(let id, let tuple):
                if let entry = subflows[tuple], entry.slot == slot, entry.id == id {
                    subflows[tuple] = nil
                }
            case .log(let event): events.append(.log(handle, event))
            }
        }
    }

    /// Packets of the tuple belong to this subflow from now on. A connection knows the ports of
    /// its own subflows only: a tuple of another connection is not taken away from it.
    private mutating func register(_ id: SubflowID, _ tuple: FourTuple, _ slot: Int) {
        if let other = subflows[tuple], other.slot != slot,
            slots[slot].connection?.isOpener == true
        {
            slots[slot].connection?.changePort(of: id)
        } else {
            subflows[tuple] = (slot, id)
        }
    }

    /// Takes out a connection that has nothing left to do.
    private mutating func retireIfFinished(_ slot: Int) {
        if slots[slot].connection?.isFinished == true { remove(slot) }
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
            let transmit = modify(slot) { $0.pollTransmit(now: now, into: buffer) } ?? nil
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
        let deadline = slots[slot].connection?.pollDeadline()
        guard deadline != slots[slot].scheduled else { return }
        slots[slot].scheduled = deadline
        if let deadline { deadlines.insert(Deadline(instant: deadline, slot: slot)) }
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

    // MARK: Secrets

    /// RFC 6528: a clock plus a keyed function of the tuple. A stack's seed is drawn from the
    /// kernel's generator on a real network.
    mutating func secrets(for tuple: FourTuple, now: Instant) -> SubflowSecrets {
        SubflowSecrets(
            initialSequence: SequenceNumber(UInt32(truncatingIfNeeded: generator.next())),
            timestampOffset: UInt32(truncatingIfNeeded: generator.next() ^ sequenceSecret))
    }

    /// A key whose token is free and not zero (RFC 8684, 3.1).
    mutating func freshKey() -> Key {
        while true {
            let key = Key(generator.next())
            let token = HandshakeScheme.v1.token(of: key)
            if key.rawValue != 0, token.rawValue != 0, tokens[token] == nil { return key }
        }
    }
}

extension Connection {
    fileprivate mutating func modify<Result>(_ body: (inout Connection) -> Result) -> Result {
        body(&self)
    }
}
