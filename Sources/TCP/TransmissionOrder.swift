internal import DequeModule
internal import NetworkPrimitives

/// What was sent, the earliest first: RACK asks what was sent before a segment that arrived, and need
/// not look at all others for it.
///
/// An entry whose segment was acknowledged, sacked, taken for lost or sent again is void; it goes when
/// it is met.
struct TransmissionOrder: Sendable {
    struct Entry: Comparable, Sendable {
        var sent: Int64
        /// Behind the segment. Its start moves when it is acknowledged in part.
        var end: SequenceNumber

        init(_ segment: SentSegment) {
            sent = segment.lastSent
            end = segment.end
        }

        /// RFC 8985, 6.2 step 2: of two that left at once the higher number left later.
        static func < (lhs: Entry, rhs: Entry) -> Bool {
            lhs.sent != rhs.sent ? lhs.sent < rhs.sent : lhs.end.precedes(rhs.end)
        }
    }

    /// Ascending.
    private var entries: Deque<Entry> = []

    var first: Entry? { entries.first }

    /// Adds new data, which leaves behind everything else.
    mutating func append(_ pieces: some Collection<SentSegment>) {
        entries.append(contentsOf: pieces.lazy.map(Entry.init))
    }

    mutating func insert(_ segment: SentSegment) {
        let entry = Entry(segment)
        guard let last = entries.last, entry < last else {
            entries.append(entry)
            return
        }
        entries.insert(entry, at: entries.partitionPoint { $0 >= entry })
    }

    mutating func removeFirst() { entries.removeFirst() }

    /// Puts the first entries back.
    mutating func restore(_ first: [Entry]) { entries.prepend(contentsOf: first) }

    /// Forgets the first entries as far as `una` covers them.
    mutating func removeFirst(upTo una: SequenceNumber) {
        let covered = entries.firstIndex { una.precedes($0.end) } ?? entries.count
        entries.removeFirst(covered)
    }

    /// Starts again with what is in flight.
    mutating func rebuild(from segments: Deque<SentSegment>) {
        entries = Deque(
            segments.lazy.filter(\.isInFlight).map(Entry.init).sorted())
    }

    mutating func removeAll() { entries = [] }
}
