internal import HeapModule
internal import HostStack
internal import NetworkPrimitives

/// The connections of a runner, found by handle and by the deadline of their workloads without a
/// walk over all of them.
struct ConnectionTable {
    private struct Deadline: Comparable {
        var instant: Instant
        var handle: ConnectionHandle

        static func < (lhs: Deadline, rhs: Deadline) -> Bool {
            (lhs.instant, lhs.handle) < (rhs.instant, rhs.handle)
        }
    }

    private var slots: [StackConnection?] = []
    private var deadlines = Heap<Deadline>()
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// All connections, by slot.
    var all: [StackConnection] { slots.compactMap { $0 } }

    subscript(_ handle: ConnectionHandle) -> StackConnection? {
        guard handle.slot < slots.count, let connection = slots[handle.slot],
            connection.handle == handle
        else { return nil }
        return connection
    }

    mutating func insert(_ connection: StackConnection) {
        let slot = connection.handle.slot
        while slots.count <= slot { slots.append(nil) }
        if slots[slot] == nil { count += 1 }
        slots[slot] = connection
        schedule(connection)
    }

    mutating func remove(_ connection: StackConnection) {
        guard self[connection.handle] != nil else { return }
        slots[connection.handle.slot] = nil
        count -= 1
    }

    /// Notes the connection's next deadline, which may be another than before.
    mutating func schedule(_ connection: StackConnection) {
        let due = connection.nextDeadline
        guard due != connection.scheduled else { return }
        connection.scheduled = due
        if let due { deadlines.insert(Deadline(instant: due, handle: connection.handle)) }
    }

    /// When `popDue` next yields something.
    mutating func nextDeadline() -> Instant? {
        while let earliest = deadlines.min {
            if self[earliest.handle]?.scheduled == earliest.instant { return earliest.instant }
            deadlines.removeMin()
        }
        return nil
    }

    /// Takes out a deadline that has come.
    mutating func popDue(now: Instant) -> StackConnection? {
        guard let due = nextDeadline(), due <= now, let earliest = deadlines.popMin() else {
            return nil
        }
        let connection = self[earliest.handle]
        connection?.scheduled = nil
        return connection
    }
}
