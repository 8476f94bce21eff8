internal import NetworkPrimitives
internal import TCP

/// Names the subflow for the next bytes: the two questions of Linux' `sched.c`, next for new data
/// and next for a retransmission at connection level.
struct Scheduler: Sendable {
    let kind: SchedulerKind
    /// The subflow that had the last turn (round-robin).
    private var last: SubflowID?
    private var estimator = BlockingEstimator()

    init(_ kind: SchedulerKind) { self.kind = kind }

    /// The candidates in the order of RFC 8684, 3.3.8: regular subflows, and backup ones only when
    /// no regular one is usable. A suspect counts as unusable while anybody else is there
    /// (mptcp-behaviour, 7.4). A regular subflow that merely has no room activates no backup.
    func candidates(_ subflows: [Subflow]) -> [Int] {
        let usable = subflows.indices.filter { subflows[$0].isUsable }
        let trusted = usable.filter { !subflows[$0].isSuspect }
        let regular = trusted.filter { !subflows[$0].isBackup }
        let candidates = !regular.isEmpty ? regular : trusted.isEmpty ? usable : trusted
        // The oldest carries everything; the others stand by.
        return kind == .backup ? Array(candidates.prefix(1)) : candidates
    }

    /// The subflow for new data, `nil` when it is better to wait. `window` is what the peer's
    /// connection-level window holds altogether.
    mutating func next(
        _ candidates: [Int], _ subflows: [Subflow], window: Int, now: Instant
    ) -> Int? {
        switch kind {
        case .lowestRTT, .redundant, .backup: return Self.lowestRTT(candidates, subflows)
        case .roundRobin: return nextInTurn(candidates, subflows)
        case .blest:
            return estimator.choose(candidates, subflows, window: window, now: now)
        case .followClient: return Self.mostRecent(candidates, subflows)
        }
    }

    /// The subflow for what was sent before, among those that do not carry it.
    func nextForReinjection(_ candidates: [Int], _ subflows: [Subflow]) -> Int? {
        kind == .followClient
            ? Self.mostRecent(candidates, subflows) : Self.lowestRTT(candidates, subflows)
    }

    /// The peer's connection-level window kept a subflow with room from sending.
    mutating func noteBlocked() { estimator.noteBlocked() }

    /// The subflow with the lowest smoothed RTT that has room.
    static func lowestRTT(_ candidates: [Int], _ subflows: [Subflow]) -> Int? {
        var best: Int?
        var bestRTT = Int64.max
        for index in candidates where subflows[index].tcp.sendAllowance > 0 {
            let rtt = subflows[index].tcp.rtt.smoothed ?? .max - 1
            if rtt < bestRTT { (best, bestRTT) = (index, rtt) }
        }
        return best
    }

    /// The subflow on which something new came in last, if it has room (fast-join, 2.4).
    private static func mostRecent(_ candidates: [Int], _ subflows: [Subflow]) -> Int? {
        let latest = candidates.max { subflows[$0].lastNews < subflows[$1].lastNews }
        return latest.flatMap { subflows[$0].tcp.sendAllowance > 0 ? $0 : nil }
    }

    /// One segment each, in the order of age; who has no room misses its turn.
    private mutating func nextInTurn(_ candidates: [Int], _ subflows: [Subflow]) -> Int? {
        let ready = candidates.filter { subflows[$0].tcp.sendAllowance > 0 }
        let next = ready.first { index in last.map { subflows[index].id > $0 } ?? true }
        guard let chosen = next ?? ready.first else { return nil }
        last = subflows[chosen].id
        return chosen
    }
}
