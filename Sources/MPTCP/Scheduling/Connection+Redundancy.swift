internal import NetworkPrimitives
internal import TCP

/// The same bytes on more than one subflow, on purpose.
extension Connection {
    /// Every byte on every candidate (tcp-base, 23): each goes on from where it is, or from the
    /// first byte that is still missing. A subflow without room misses its copies; nobody waits.
    mutating func scheduleRedundantly(_ candidates: [Int], now: Instant) {
        let limit = min(data.sent.end, data.windowEnd)
        while true {
            let eager = candidates.filter { max(subflows[$0].copied, data.acknowledged) < limit }
            guard let index = Scheduler.lowestRTT(eager, subflows) else { return }
            let start = max(subflows[index].copied, data.acknowledged)
            // A copy and new data are two mappings: the original was cut at this place.
            let isCopy = start < data.next
            let end = min(
                isCopy ? data.next : limit, start + subflows[index].tcp.effectiveMSS, limit)
            map(start..<end, on: index, kind: isCopy ? .copy : .original, now: now)
            data.next = max(data.next, end)
        }
    }

    /// The connection's window is full while a fast subflow has room: what the window waits for goes
    /// out again there, and the slow subflow that holds it up is penalised (Raiciu et al., NSDI 2012,
    /// 4.2; tcp-base, 24).
    mutating func retransmitOpportunistically(_ candidates: [Int], now: Instant) {
        // Full: without room for a segment.
        guard data.next < data.sent.end, data.acknowledged < data.next,
            data.windowEnd - data.next < subflows[candidates[0]].tcp.effectiveMSS,
            let (mapping, slow) = headCarrier(),
            let slowRTT = subflows[slow].tcp.rtt.smoothed
        else { return }
        let others = candidates.filter { $0 != slow && !subflows[$0].carries(data.acknowledged) }
        guard let fast = Scheduler.lowestRTT(others, subflows) else { return }
        scheduler.noteBlocked()
        guard configuration.opportunisticRetransmission,
            let fastRTT = subflows[fast].tcp.rtt.smoothed, fastRTT < slowRTT
        else { return }
        let range = mapping.data.clamped(to: data.acknowledged..<data.next)
        let length = min(range.count, subflows[fast].tcp.effectiveMSS)
        map(
            range.lowerBound..<(range.lowerBound + length), on: fast, kind: .reinjection, now: now)
        counters.opportunisticRetransmissions += 1
        // Once per round trip of the fast one.
        guard now - subflows[slow].lastPenalty >= .nanoseconds(fastRTT) else { return }
        subflows[slow].lastPenalty = now
        subflows[slow].tcp.penalise()
        counters.penalties += 1
    }
}
