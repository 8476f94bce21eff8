internal import CLinux
internal import Glibc
package import NetworkPrimitives

/// timerfd on `CLOCK_MONOTONIC`: readable once its time has come. No timer slack applies to it.
package struct TimerDescriptor: ~Copyable, Sendable {
    private let descriptor: OwnedDescriptor

    package init() throws(SystemError) {
        descriptor = OwnedDescriptor(try checked(clinux_timerfd_create(), "timerfd_create"))
    }

    package var rawValue: Int32 { descriptor.rawValue }

    /// Sets the time; `nil` disarms. An expiry that nobody has read is forgotten.
    package func arm(at deadline: Instant?) throws(SystemError) {
        // 0 would disarm.
        let nanoseconds = deadline.map { max($0.nanoseconds, 1) } ?? 0
        try checked(clinux_timerfd_arm(descriptor.rawValue, nanoseconds), "timerfd_settime")
    }

    /// Whether it has expired since it was armed or last asked.
    package func takeExpiry() -> Bool {
        var count: UInt64 = 0
        return read(descriptor.rawValue, &count, 8) == 8 && count > 0
    }
}

/// eventfd: another thread's tap on the shoulder.
package struct WakeDescriptor: ~Copyable, Sendable {
    private let descriptor: OwnedDescriptor

    package init() throws(SystemError) {
        descriptor = OwnedDescriptor(try checked(clinux_eventfd(), "eventfd"))
    }

    package var rawValue: Int32 { descriptor.rawValue }

    /// Makes it readable. From any thread.
    package func wake() {
        var one: UInt64 = 1
        _ = write(descriptor.rawValue, &one, 8)
    }

    /// Makes it quiet again; whether somebody had called.
    @discardableResult
    package func takeWake() -> Bool {
        var count: UInt64 = 0
        return read(descriptor.rawValue, &count, 8) == 8
    }
}

/// Signals as a descriptor. Blocks them for the calling thread and those it starts later: make it
/// first, on the main thread.
package struct SignalDescriptor: ~Copyable, Sendable {
    private let descriptor: OwnedDescriptor

    package init(_ signals: [Int32]) throws(SystemError) {
        descriptor = OwnedDescriptor(
            try checked(clinux_signalfd(signals, Int32(signals.count)), "signalfd"))
    }

    package var rawValue: Int32 { descriptor.rawValue }

    /// The next signal, `nil` when there is none.
    package func next() throws(SystemError) -> Int32? {
        let number = try checked(clinux_signalfd_read(descriptor.rawValue), "read signalfd")
        return number > 0 ? number : nil
    }
}
