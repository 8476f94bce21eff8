internal import NetworkPrimitives

/// CUBIC's congestion avoidance (RFC 9438, 4), in segments and seconds.
struct Cubic: Sendable {
    /// Multiplicative decrease.
    static let beta = 0.7
    private static let scale = 0.4
    /// RFC 9438, 4.3: the Reno-friendly slope until the estimate has caught up.
    private static let alpha = 3 * (1 - beta) / (1 + beta)

    private var maximum = 0.0
    private var prior = 0.0
    private var epoch: Instant?
    private var inflection = 0.0
    private var estimate = 0.0
    private var remainder = 0.0
    private var lastAcknowledgment: Instant?

    /// A congestion event at this window.
    mutating func noteReduction(window: Int, segment: Int) {
        let segments = Double(window) / Double(segment)
        // RFC 9438, 4.7: fast convergence.
        maximum = segments < maximum ? segments * (1 + Self.beta) / 2 : segments
        prior = segments
        epoch = nil
    }

    /// RFC 9438, 4.10: slow start ended without a loss; the curve starts convex from this window.
    mutating func noteSlowStartEnd(window: Int, segment: Int) {
        prior = Double(window) / Double(segment)
        maximum = 0
        epoch = nil
    }

    /// After an idle time the curve starts anew from the current window.
    mutating func startNewEpoch() { epoch = nil }

    /// RFC 9438, 4.8: after a timeout congestion avoidance starts at its own window, convex at once.
    mutating func noteTimeout() {
        epoch = nil
        maximum = 0
    }

    /// An ACK came. RFC 9438, 4.2: time in which the window was not the limit does not count.
    mutating func advance(to now: Instant, isWindowLimited: Bool) {
        if !isWindowLimited, let epoch, let lastAcknowledgment {
            self.epoch = epoch + (now - max(lastAcknowledgment, epoch))
        }
        lastAcknowledgment = now
    }

    /// Segments of another size: windows in segments change by `factor`.
    mutating func rescale(by factor: Double) {
        maximum *= factor
        prior *= factor
        epoch = nil
    }

    /// The window after `bytes` were acknowledged.
    mutating func grow(
        _ window: Int, bytes: Int, segment: Int, roundTrip: Double, now: Instant
    ) -> Int {
        let current = Double(window) / Double(segment)
        let start: Instant
        if let epoch {
            start = epoch
        } else {
            start = now
            epoch = now
            estimate = current
            // RFC 9438, 4.2: no concave region when the window is already above the maximum.
            if maximum > current {
                inflection = Self.cubeRoot((maximum - current) / Self.scale)
            } else {
                inflection = 0
                maximum = current
            }
            remainder = 0
        }
        let time = (now - start).seconds
        let acknowledged = Double(bytes) / Double(segment)
        estimate += (estimate >= prior ? 1 : Self.alpha) * acknowledged / current
        let target = min(max(cubic(time + roundTrip), current), 1.5 * current)
        let next =
            cubic(time) < estimate
            ? max(estimate, current) : current + acknowledged * (target - current) / current
        // Whatever window the estimate remembers: never faster than slow start.
        let exact = min(next, current + acknowledged) * Double(segment) + remainder
        let whole = Int(exact)
        remainder = exact - Double(whole)
        return max(whole, window)
    }

    private func cubic(_ time: Double) -> Double {
        let distance = time - inflection
        return Self.scale * distance * distance * distance + maximum
    }

    /// Newton's method; the pure targets have no C library.
    private static func cubeRoot(_ value: Double) -> Double {
        guard value > 0 else { return 0 }
        var root = value > 1 ? value / 3 + 1 : 1.0
        for _ in 0..<64 {
            let next = (2 * root + value / (root * root)) / 3
            if abs(next - root) <= 1e-12 * root { return next }
            root = next
        }
        return root
    }
}
