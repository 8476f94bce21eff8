internal import NetworkPrimitives
internal import TCP

/// Names the subflow for the next bytes: the two questions of Linux' `sched.c`, next for new data
/// and next for a retransmission at connection level.
enum Scheduler {
    /// The candidates in the order of RFC 8684, 3.3.8: regular subflows, and backup ones only when
    /// no regular one is usable. A suspect counts as unusable while anybody else is there
    /// (mptcp-behaviour, 7.4). A regular subflow that merely has no room activates no backup.
    static func candidates(_ subflows: [Subflow]) -> [Int] {
        let usable = subflows.indices.filter { subflows[$0].isUsable }
        let trusted = usable.filter { !subflows[$0].isSuspect }
        let regular = trusted.filter { !subflows[$0].isBackup }
        if !regular.isEmpty { return regular }
        return trusted.isEmpty ? usable : trusted
    }

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
}
