/// Spreads data over the round trip: after each segment the next one waits as long as its share.
/// Times are in nanoseconds.
struct Pacer: Sendable {
    /// Timers are late: what was not used of the last millisecond may be sent in one go.
    private static let credit: Int64 = 1_000_000

    /// When the next segment may leave.
    private(set) var next: Int64 = .min

    /// Data went out. Linux's rates: twice the window per round trip in slow start, so that it can
    /// double, and 1.2 times the window after, so that pacing never is the limit.
    mutating func noteSent(
        _ octets: Int, window: Int, roundTrip: Int64, isInSlowStart: Bool, now: Int64
    ) {
        let percent: Int64 = isInSlowStart ? 200 : 120
        let share = Int64(octets) * roundTrip / max(Int64(window), 1) * 100 / percent
        next = max(next, now - Self.credit) + share
    }
}
