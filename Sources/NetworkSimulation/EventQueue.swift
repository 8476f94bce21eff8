internal import HeapModule
internal import NetworkPrimitives

/// Virtual time and what is to happen in it. Events at the same instant happen in the order in
/// which they were scheduled: the same seed gives the same run.
struct EventQueue<Event> {
    private struct Entry: Comparable {
        var instant: Instant
        var number: UInt64
        var event: Event

        static func < (lhs: Entry, rhs: Entry) -> Bool {
            (lhs.instant, lhs.number) < (rhs.instant, rhs.number)
        }

        static func == (lhs: Entry, rhs: Entry) -> Bool { lhs.number == rhs.number }
    }

    private var heap = Heap<Entry>()
    private var nextNumber: UInt64 = 0

    /// When the next event happens.
    var nextInstant: Instant? { heap.min?.instant }

    mutating func schedule(_ event: Event, at instant: Instant) {
        heap.insert(Entry(instant: instant, number: nextNumber, event: event))
        nextNumber += 1
    }

    mutating func popFirst() -> (Instant, Event)? {
        heap.popMin().map { ($0.instant, $0.event) }
    }
}
