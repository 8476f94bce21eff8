package import NetworkPrimitives

/// Connections that a client opens one after the other, each with the same workload.
package struct ConnectionSeries: Hashable, Sendable {
    /// What holds the next one back.
    package enum Limit: Hashable, Sendable {
        /// So many that are open.
        case open(Int)
        /// So many whose handshake is not complete.
        case connecting(Int)
    }

    /// Connect from here; `nil` from where the routes say.
    package var local: IPAddress?
    package var workload: Workload
    /// How many are still to be opened.
    package private(set) var remaining: Int
    private let remotes: [Endpoint]
    private let limit: Limit

    /// `remotes` are used in turn: each gives the ports of this end once more.
    package init(
        _ count: Int, from local: IPAddress?, to remotes: [Endpoint], workload: Workload,
        limit: Limit
    ) {
        precondition(!remotes.isEmpty, "a series goes somewhere")
        remaining = count
        self.local = local
        self.remotes = remotes
        self.workload = workload
        self.limit = limit
    }

    /// Where the next one goes, `nil` when none may be opened now.
    package mutating func next(open: Int, _ connecting: Int) -> Endpoint? {
        let mayOpen =
            switch limit {
            case .open(let most): open < most
            case .connecting(let most): connecting < most
            }
        guard mayOpen, remaining > 0 else { return nil }
        remaining -= 1
        return remotes[remaining % remotes.count]
    }
}
