internal import CLinux
package import NetworkPrimitives

/// `CLOCK_MONOTONIC`: the time line of a real run.
package enum MonotonicClock {
    /// The time now.
    package static func now() -> Instant { Instant(nanoseconds: clinux_monotonic_ns()) }
}

/// `CLOCK_REALTIME`, which packet captures use.
package enum WallClock {
    /// Nanoseconds since 1970.
    package static func nanoseconds() -> Int64 { clinux_realtime_ns() }

    /// What to add to an `Instant` of `MonotonicClock` to get nanoseconds since 1970. The offset
    /// moves when somebody sets the clock: read it once per run.
    package static func offsetFromMonotonic() -> Int64 {
        // The narrowest of a few tries: a thread may be held up between two readings.
        var best: (width: Int64, offset: Int64) = (.max, 0)
        for _ in 0..<8 {
            let before = clinux_monotonic_ns()
            let real = clinux_realtime_ns()
            let after = clinux_monotonic_ns()
            if after - before < best.width {
                best = (after - before, real - (before + (after - before) / 2))
            }
        }
        return best.offset
    }
}
