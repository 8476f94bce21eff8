internal import CLinux
package import NetworkPrimitives

/// epoll with one absolute timer: what a driver's thread waits on. Allocates nothing per wait.
package final class EventPoll {
    /// A descriptor that is ready.
    package struct Ready: Hashable, Sendable {
        /// What `add` was given.
        package var token: UInt64
        package var isReadable: Bool
        package var isWritable: Bool
        /// Error or hang-up; reading tells which.
        package var isClosed: Bool
    }

    private let epoll: OwnedDescriptor
    private let timer: TimerDescriptor
    private let raw: UnsafeMutablePointer<clinux_ready>
    private let ready: UnsafeMutablePointer<Ready>
    /// When the timer goes off; never later than what `wait` was last asked for.
    private var armed = Instant.distantFuture
    /// Whether it went off: it stays readable until it is armed or disarmed.
    private var hasGoneOff = false
    private static let capacity = Int(CLINUX_BATCH)
    private static let timerToken = UInt64.max

    package init() throws(SystemError) {
        epoll = OwnedDescriptor(try checked(clinux_epoll_create(), "epoll_create"))
        timer = try TimerDescriptor()
        raw = .allocate(capacity: Self.capacity)
        ready = .allocate(capacity: Self.capacity)
        try add(timer.rawValue, token: Self.timerToken)
    }

    deinit {
        raw.deallocate()
        ready.deallocate()
    }

    /// Readable when something is ready: one poll can be watched by another. Its timer counts.
    package var descriptor: Int32 { epoll.rawValue }

    private static func interest(_ readable: Bool, _ writable: Bool) -> UInt32 {
        (readable ? UInt32(CLINUX_READABLE) : 0) | (writable ? UInt32(CLINUX_WRITABLE) : 0)
    }

    /// Watches a descriptor; `token` comes back from `wait` (any number but `UInt64.max`).
    package func add(
        _ descriptor: Int32, token: UInt64, readable: Bool = true, writable: Bool = false
    ) throws(SystemError) {
        try checked(
            clinux_epoll_add(
                epoll.rawValue, descriptor, token, Self.interest(readable, writable)),
            "epoll_ctl add")
    }

    /// Changes what to wait for.
    package func modify(
        _ descriptor: Int32, token: UInt64, readable: Bool = true, writable: Bool
    ) throws(SystemError) {
        try checked(
            clinux_epoll_modify(
                epoll.rawValue, descriptor, token, Self.interest(readable, writable)),
            "epoll_ctl modify")
    }

    /// Watches it no more.
    package func remove(_ descriptor: Int32) { _ = clinux_epoll_remove(epoll.rawValue, descriptor) }

    /// Waits until something is ready or `deadline` has come (`nil`: for ever). The result is
    /// empty when only the time has come, and valid until the next call.
    package func wait(until deadline: Instant?) throws(SystemError) -> UnsafeBufferPointer<Ready> {
        let due = deadline ?? .distantFuture
        while true {
            // Most deadlines move away before they come: a timer that goes off too early costs less
            // than arming it each time. Where nothing is due it is quiet.
            if hasGoneOff || due < armed || due == .distantFuture && armed != .distantFuture {
                try timer.arm(at: deadline)
                armed = due
                hasGoneOff = false
            }
            let ready = try poll(timeout: -1)
            if !ready.isEmpty || !hasGoneOff || MonotonicClock.now() >= due { return ready }
        }
    }

    /// What is ready now, or within so many milliseconds.
    package func poll(
        timeout milliseconds: Int32 = 0
    ) throws(SystemError) -> UnsafeBufferPointer<Ready> {
        let count = try checked(
            clinux_epoll_wait(epoll.rawValue, raw, Int32(Self.capacity), milliseconds),
            "epoll_wait")
        var kept = 0
        for index in 0..<Int(count) {
            let entry = raw[index]
            if entry.token == Self.timerToken {
                // Arming anew also forgets the expiry: no need to read the timer.
                hasGoneOff = true
                continue
            }
            (ready + kept).initialize(
                to: Ready(
                    token: entry.token, isReadable: entry.what & UInt32(CLINUX_READABLE) != 0,
                    isWritable: entry.what & UInt32(CLINUX_WRITABLE) != 0,
                    isClosed: entry.what & UInt32(CLINUX_CLOSED) != 0))
            kept += 1
        }
        return UnsafeBufferPointer(start: ready, count: kept)
    }
}
