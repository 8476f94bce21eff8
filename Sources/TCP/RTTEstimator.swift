internal import NetworkPrimitives

/// Smoothed round-trip time and retransmission timeout (RFC 6298), in nanoseconds.
public struct RTTEstimator: Sendable {
    /// Smoothed round-trip time; `nil` before the first sample.
    public private(set) var smoothed: Int64?
    /// Round-trip time variation.
    public private(set) var variation: Int64 = 0
    /// Least sample of the last minutes; `.max` before the first.
    public private(set) var minimum: Int64 = .max
    /// Least sample since `minimumSince`: it takes over once the older ones are too old.
    private var recentMinimum: Int64 = .max
    private var minimumSince = Instant.zero
    /// The last sample.
    public private(set) var latest: Int64 = 0
    private var base: Int64
    private var backoff = 0
    private let lowerBound: Int64
    private let upperBound: Int64

    init(configuration: TCPConfiguration) {
        base = configuration.initialRTO.wholeNanoseconds
        lowerBound = configuration.minimumRTO.wholeNanoseconds
        upperBound = configuration.maximumRTO.wholeNanoseconds
    }

    /// The retransmission timeout with its backoff.
    public var timeout: Int64 {
        let shifted = base << min(backoff, 16)
        return min(max(shifted, 0), upperBound)
    }

    /// The retransmission timeout that follows from the samples alone.
    public var timeoutWithoutBackoff: Int64 { base }

    /// The smoothed round-trip time as a duration.
    public var smoothedDuration: Duration? { smoothed.map { .nanoseconds($0) } }

    /// RFC 8985, 6.2 step 1: a path may become longer for good. Linux's window.
    private static let minimumLifetime = Duration.seconds(300)

    /// Takes a sample of a segment that was sent once (Karn's rule is the caller's).
    ///
    /// - Parameter isPrecise: `false` for whole milliseconds, which say nothing about the least.
    mutating func addSample(_ sample: Int64, isPrecise: Bool = true, now: Instant) {
        let sample = max(sample, 1)
        latest = sample
        if now - minimumSince > Self.minimumLifetime {
            minimum = recentMinimum
            recentMinimum = .max
            minimumSince = now
        }
        if isPrecise {
            recentMinimum = min(recentMinimum, sample)
            minimum = min(minimum, sample)
        }
        if let old = smoothed {
            // RFC 6298, 2.3: variation first.
            variation = (3 * variation + abs(old - sample)) / 4
            smoothed = (7 * old + sample) / 8
        } else {
            smoothed = sample
            variation = sample / 2
        }
        backoff = 0
        let granularity: Int64 = 1_000_000
        base = min(
            max((smoothed ?? sample) + max(granularity, 4 * variation), lowerBound), upperBound)
    }

    /// RFC 6298, 5.5: back off the timer.
    mutating func backOff() { backoff += 1 }

    /// The timeouts had another reason than the path.
    mutating func resetBackoff() { backoff = 0 }

    /// RFC 6298, 5.7: the SYN had to be repeated, so data starts with three seconds.
    mutating func startAfterRepeatedSYN() {
        backoff = 0
        if smoothed == nil { base = max(base, 3_000_000_000) }
    }
}
