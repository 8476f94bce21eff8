internal import NetworkPrimitives

/// How many MACs of fast joins a host verifies, so that a flood of bad ones costs it little
/// (fast-join, 5.7). Beyond it a SYN is the join of RFC 8684.
struct VerificationBudget {
    private var start = Instant(nanoseconds: .min / 2)
    private var total = 0
    private var sources: [IPAddress: Int] = [:]

    /// Whether one more of this source may be verified in this second.
    mutating func admits(_ source: IPAddress, now: Instant) -> Bool {
        if now - start >= .seconds(1) {
            start = now
            total = 0
            sources = [:]
        }
        guard total < Self.limit, sources[source, default: 0] < Self.limitPerSource else {
            return false
        }
        total += 1
        sources[source, default: 0] += 1
        return true
    }

    private static let limit = 1_000
    private static let limitPerSource = 20
}
