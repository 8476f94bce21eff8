/// Congestion avoidance of RFC 5681, 3.1: one segment for each window acknowledged.
struct NewReno: Sendable {
    private var acknowledged = 0

    /// What was acknowledged of a larger window does not count for the smaller one.
    mutating func noteReduction() { acknowledged = 0 }

    /// The window after `bytes` were acknowledged.
    mutating func grow(_ window: Int, bytes: Int, segment: Int) -> Int {
        acknowledged += bytes
        guard acknowledged >= window else { return window }
        acknowledged -= window
        return window + segment
    }
}
