internal import MPTCP
internal import NetworkPrimitives

/// How many MACs of fast joins a host has verified in this second (fast-join, 5.7).
struct VerificationBudget {
    private var start = Instant(nanoseconds: .min / 2)
    private var total = 0
    private var sources: [IPAddress: Int] = [:]

    /// Whether one more of this source may be verified in this second.
    mutating func admits(
        _ source: IPAddress, _ configuration: FastJoinConfiguration, now: Instant
    ) -> Bool {
        if now - start >= .seconds(1) {
            start = now
            total = 0
            sources = [:]
        }
        guard total < configuration.verificationsPerSecond,
            sources[source, default: 0] < configuration.verificationsPerSource
        else { return false }
        total += 1
        sources[source, default: 0] += 1
        return true
    }
}
