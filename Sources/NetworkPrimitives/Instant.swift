/// A point on one monotonic time line, in nanoseconds since an arbitrary origin.
///
/// The core never reads a clock: whoever drives it passes an `Instant` in. In real time the origin
/// is `CLOCK_MONOTONIC`'s, in virtual time it is the start of the simulation.
public struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since the origin.
    public var nanoseconds: Int64

    /// An instant `nanoseconds` after the origin.
    @inlinable
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The origin of the time line.
    public static let zero = Instant(nanoseconds: 0)

    /// Later than every instant that is ever reached.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// Whether `lhs` is earlier than `rhs`.
    @inlinable
    public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

    /// The instant `rhs` after `lhs`.
    @inlinable
    public static func + (lhs: Instant, rhs: Duration) -> Instant {
        Instant(nanoseconds: lhs.nanoseconds &+ rhs.wholeNanoseconds)
    }

    /// The instant `rhs` before `lhs`.
    @inlinable
    public static func - (lhs: Instant, rhs: Duration) -> Instant {
        Instant(nanoseconds: lhs.nanoseconds &- rhs.wholeNanoseconds)
    }

    /// Moves the instant by `rhs`.
    @inlinable
    public static func += (lhs: inout Instant, rhs: Duration) { lhs = lhs + rhs }

    /// The time from `rhs` to `lhs`.
    @inlinable
    public static func - (lhs: Instant, rhs: Instant) -> Duration {
        .nanoseconds(lhs.nanoseconds &- rhs.nanoseconds)
    }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero.
    @inlinable
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000
    }

    /// The duration in milliseconds, as people print it.
    @inlinable
    public var milliseconds: Double { Double(wholeNanoseconds) / 1_000_000 }

    /// The duration in seconds.
    @inlinable
    public var seconds: Double { Double(wholeNanoseconds) / 1_000_000_000 }
}
