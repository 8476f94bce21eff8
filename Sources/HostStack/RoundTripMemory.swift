internal import NetworkPrimitives

/// The round-trip times of the paths that were used last, so that a join knows how long its SYN may
/// go unanswered (fast-join, 5.4 rule 4). A path is a pair of addresses.
struct RoundTripMemory {
    private struct Entry {
        var local: IPAddress
        var remote: IPAddress
        var time: Duration

        func isPath(of tuple: FourTuple) -> Bool {
            local == tuple.local.address && remote == tuple.remote.address
        }
    }

    /// The path that was heard of last stands last; the first one is forgotten.
    private var entries: [Entry] = []

    /// What the path of this subflow took when it was last used.
    func time(of tuple: FourTuple) -> Duration? {
        entries.first { $0.isPath(of: tuple) }?.time
    }

    mutating func note(_ time: Duration, of tuple: FourTuple) {
        entries.removeAll { $0.isPath(of: tuple) }
        if entries.count == Self.capacity { entries.removeFirst() }
        entries.append(
            Entry(local: tuple.local.address, remote: tuple.remote.address, time: time))
    }

    private static let capacity = 64
}
