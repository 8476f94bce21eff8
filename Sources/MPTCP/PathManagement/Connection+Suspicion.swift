internal import NetworkPrimitives
internal import TCP

/// Paths that are potentially failed: who says so, and what follows (fast-join, 2.4 and 5.8). Any
/// valid segment clears a path of suspicion.
extension Connection {
    /// A path is potentially failed: nothing is scheduled there while there is another. Whoever says
    /// so again says nothing new.
    mutating func suspectPath(_ index: Int, _ reason: SuspicionReason, now: Instant) {
        guard !subflows[index].isSuspect else { return }
        counters.switching.count(reason)
        log(
            "path_suspected", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("reason", .text(reason.rawValue)))
        guard reason != .oracleTimeout else { return }
        suspect(index, now: now)
        if subflows.contains(where: { $0.isUsable && !$0.isSuspect }) {
            reinjectEverything(of: index, now: now)
        }
    }

    /// Asks for another subflow, if at most one is established or only suspects are. With no
    /// interface for it now, the next one that comes up is taken.
    mutating func requestSubflow(now: Instant) {
        var established = 0
        var trusted = 0
        for index in subflows.indices
        where subflows[index].isFullyEstablished && subflows[index].isUsable {
            established += 1
            if !subflows[index].isSuspect { trusted += 1 }
        }
        guard established <= 1 || trusted == 0 else { return }
        // One that is on its way is another one already.
        guard !subflows.contains(where: { $0.isOpener && $0.kind == .join && $0.isPending })
        else { return }
        paths.isAnotherWanted = true
        managePaths(now: now)
    }

    /// Two retransmission timeouts in a row: one may be chance.
    mutating func noteTimeouts(_ index: Int, before: Int, now: Instant) {
        let timeouts = subflows[index].tcp.consecutiveTimeouts
        guard timeouts > before, timeouts == 2, subflows[index].isFullyEstablished,
            subflows[index].isUsable, !subflows[index].isSuspect
        else { return }
        suspectPath(index, .timeouts, now: now)
        requestSubflow(now: now)
    }

    // MARK: The oracle

    /// Has the oracle look while data is on its way.
    mutating func armOracle(now: Instant) {
        guard oracle.deadline == nil, let thresholds = configuration.oracle else { return }
        oracle.deadline = now + thresholds.period
    }

    /// The oracle's turn: every path is looked at.
    mutating func consultOracle(now: Instant) {
        guard let deadline = oracle.deadline, deadline <= now else { return }
        oracle.deadline = nil
        guard let thresholds = configuration.oracle, !isFallback else { return }
        if subflows.contains(where: { $0.tcp.hasOutstandingData }) {
            oracle.deadline = now + thresholds.period
        }
        lookAtPaths()
        var isAnotherNeeded = false
        for position in oracle.entries.indices {
            let sight = oracle.entries[position].sight
            guard let reason = oracle.entries[position].oracle.look(sight, thresholds) else {
                continue
            }
            let entry = oracle.entries[position]
            for index in subflows.indices
            where subflows[index].isUsable && subflows[index].isOn(entry) {
                suspectPath(index, reason, now: now)
                isAnotherNeeded = true
            }
        }
        if isAnotherNeeded { requestSubflow(now: now) }
    }

    /// Sums up what the subflows of each path say.
    private mutating func lookAtPaths() {
        oracle.entries.removeAll { entry in !subflows.contains { $0.isOn(entry) } }
        for position in oracle.entries.indices { oracle.entries[position].sight = .init() }
        for index in subflows.indices where subflows[index].isUsable {
            let tuple = subflows[index].tcp.tuple
            var position = oracle.entries.firstIndex { subflows[index].isOn($0) }
            if position == nil {
                position = oracle.entries.count
                oracle.entries.append(
                    OracleState.Entry(local: tuple.local.address, remote: tuple.remote.address))
            }
            guard let position else { continue }
            let before = subflows[index].oracleMark
            let now = OracleMark(of: subflows[index].tcp)
            subflows[index].oracleMark = now
            oracle.entries[position].sight.lost += now.lost - before.lost
            oracle.entries[position].sight.outstanding +=
                before.outstanding + now.sent - before.sent
            oracle.entries[position].sight.retransmitted +=
                now.retransmitted - before.retransmitted
            oracle.entries[position].sight.sent += now.sent - before.sent
            let timeout = Duration.nanoseconds(subflows[index].tcp.rtt.timeout)
            oracle.entries[position].sight.timeout = max(
                oracle.entries[position].sight.timeout, timeout)
        }
    }
}

extension OracleMark {
    fileprivate init(of tcp: TCPConnection) {
        lost = tcp.lossTotal
        outstanding = tcp.outstandingSegments
        retransmitted = tcp.counters.retransmittedSegments
        sent = tcp.counters.dataSegmentsSent
    }
}

extension Subflow {
    fileprivate func isOn(_ entry: OracleState.Entry) -> Bool {
        tcp.tuple.local.address == entry.local && tcp.tuple.remote.address == entry.remote
    }

    /// Whether it is on its way: not established yet, and not failed.
    fileprivate var isPending: Bool { isAlive && !isFullyEstablished }
}
