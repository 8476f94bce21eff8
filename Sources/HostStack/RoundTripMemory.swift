internal import NetworkPrimitives

/// The round-trip times of the paths that were used last, so that a join knows how long its SYN may
/// go unanswered (fast-join, 5.4 rule 4). A path is a pair of addresses.
struct RoundTripMemory {
    private struct Entry {
        var local: IPAddress
        var remote: IPAddress
        var time: Duration
    }

    /// The path that was heard of last stands last; the first one is forgotten.
    private var entries: [Entry] = []

    /// What the path of this subflow took when it was last used.
    func time(of tuple: FourTuple) -> Duration? {
        entries.first { Self.isPath($0, of: tuple) }?.time
    }

    mutating func note(_ time: Duration, of tuple: FourTuple) {
        if let known = entries.firstIndex(where: { Self.isPath($0, of: tuple) }) {
            entries.remove(at: known)
        } else if entries.count == Self.capacity {
            entries.removeFirst()
        }
        entries.append(
            Entry(local: tuple.local.address, remote: tuple.remote.address, time: time))
    }

    private static func isPath(_ entry: Entry, of tuple: FourTuple) -> Bool {
        entry.local == tuple.local.address && entry.remote == tuple.remote.address
    }

    private static let capacity = 64
}
