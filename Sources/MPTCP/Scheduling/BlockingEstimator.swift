internal import CongestionControl
internal import NetworkPrimitives
internal import TCP

/// BLEST (Ferlin et al., IFIP Networking 2016; tcp-base, 23.1): a slow subflow gets bytes only if
/// the window has room for what the fast one can send until they are acknowledged.
struct BlockingEstimator: Sendable {
    /// Corrects the estimate: up when the window blocked all the same, slowly down otherwise.
    private(set) var correction = 1.2
    private var wasBlocked = false
    private var lastCorrection = Instant(nanoseconds: .min / 2)

    mutating func noteBlocked() { wasBlocked = true }

    mutating func choose(
        _ candidates: [Int], _ subflows: [Subflow], window: Int, now: Instant
    ) -> Int? {
        guard let slow = Scheduler.lowestRTT(candidates, subflows) else { return nil }
        guard let fast = fastest(candidates, subflows), fast != slow,
            let fastRTT = subflows[fast].tcp.rtt.smoothed,
            let slowRTT = subflows[slow].tcp.rtt.smoothed, fastRTT < slowRTT
        else { return slow }
        correct(interval: subflows[slow].tcp.rtt.minimum, now: now)
        let rounds = Double(slowRTT) / Double(max(fastRTT, 1))
        let segment = Double(subflows[fast].tcp.effectiveMSS)
        // The fast window grows by a segment each of its rounds meanwhile.
        let average = Double(subflows[fast].tcp.congestion.window) + segment * (rounds - 1) / 2
        let occupied = subflows[slow].tcp.outstandingBytes + subflows[slow].tcp.effectiveMSS
        return average * rounds * correction <= Double(window - occupied) ? slow : nil
    }

    /// The fastest subflow that is about to have room again: not one that waits for a timeout, nor one
    /// that waits for nothing.
    private func fastest(_ candidates: [Int], _ subflows: [Subflow]) -> Int? {
        candidates.filter { index in
            subflows[index].tcp.consecutiveTimeouts == 0
                && (subflows[index].tcp.hasOutstandingData || subflows[index].tcp.sendAllowance > 0)
        }.min {
            (subflows[$0].tcp.rtt.smoothed ?? .max) < (subflows[$1].tcp.rtt.smoothed ?? .max)
        }
    }

    private mutating func correct(interval: Int64, now: Instant) {
        guard now - lastCorrection >= .nanoseconds(min(interval, 1_000_000_000)) else { return }
        lastCorrection = now
        correction = min(max(correction + (wasBlocked ? 0.04 : -0.01), 1), 1.3)
        wasBlocked = false
    }
}
