/// HyStart++ (RFC 9406): the first slow start ends when round trips grow, not when a queue overflows.
///
///     slow start ---- round trips grew ----> conservative ---- five rounds ----> avoidance
///          ^------ it was only jitter ------------+
///
/// Times are in nanoseconds.
struct HyStart: Sendable {
    /// RFC 9406, 4.3.
    private static let leastThreshold: Int64 = 4_000_000
    private static let greatestThreshold: Int64 = 16_000_000
    private static let roundTripDivisor: Int64 = 8
    private static let samplesPerRound = 8
    private static let growthDivisor = 4
    private static let conservativeRounds = 5

    private var previousMinimum: Int64 = .max
    private var currentMinimum: Int64 = .max
    private var samples = 0
    /// The round trip at which slow start became conservative.
    private var baseline: Int64?
    private var rounds = 0

    /// An ACK came. Returns whether slow start is over.
    mutating func observe(roundTrip: Int64?, startsRound: Bool) -> Bool {
        if startsRound {
            previousMinimum = currentMinimum
            currentMinimum = .max
            samples = 0
            if baseline != nil {
                rounds += 1
                if rounds >= Self.conservativeRounds { return true }
            }
        }
        guard let roundTrip else { return false }
        currentMinimum = min(currentMinimum, roundTrip)
        samples += 1
        guard samples >= Self.samplesPerRound else { return false }
        if let baseline {
            if currentMinimum < baseline { self.baseline = nil }
        } else if previousMinimum != .max {
            let threshold = min(
                max(previousMinimum / Self.roundTripDivisor, Self.leastThreshold),
                Self.greatestThreshold)
            if currentMinimum >= previousMinimum + threshold {
                baseline = currentMinimum
                rounds = 0
            }
        }
        return false
    }

    /// By how much the window grows for so many octets acknowledged.
    func growth(_ bytes: Int) -> Int {
        baseline == nil ? bytes : max(bytes / Self.growthDivisor, 1)
    }
}
