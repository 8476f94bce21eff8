internal import NetworkPrimitives

/// The timers of a TCP connection.
public enum TCPTimer: Int, CaseIterable, Sendable {
    /// Tail loss probe (RFC 8985, 7); due together with the RTO it goes first and puts that off.
    case tailLossProbe
    /// RTO, also for SYN, SYN/ACK and FIN (RFC 6298).
    case retransmission
    /// RACK's wait for reordered segments (RFC 8985, 6.2).
    case reordering
    /// The next segment's turn, when paced.
    case pacing
    /// The delayed ACK.
    case delayedACK
    /// Zero-window probe (RFC 9293, 3.8.6.1).
    case persist
    /// Keep-alive probe.
    case keepAlive
    /// End of TIME-WAIT.
    case timeWait
}

/// When each timer expires. No callbacks: the owner asks what is due.
struct TimerTable: Sendable {
    private var deadlines: InlineArray<8, Int64> = .init(repeating: .max)
    /// The earliest deadline, kept current so that asking costs nothing.
    private(set) var next: Int64 = .max

    subscript(timer: TCPTimer) -> Instant? {
        let value = deadlines[timer.rawValue]
        return value == .max ? nil : Instant(nanoseconds: value)
    }

    func isArmed(_ timer: TCPTimer) -> Bool { deadlines[timer.rawValue] != .max }

    mutating func arm(_ timer: TCPTimer, at instant: Instant) {
        let old = deadlines[timer.rawValue]
        deadlines[timer.rawValue] = instant.nanoseconds
        if instant.nanoseconds <= next {
            next = instant.nanoseconds
        } else if old == next {
            refresh()
        }
    }

    mutating func disarm(_ timer: TCPTimer) {
        let old = deadlines[timer.rawValue]
        guard old != .max else { return }
        deadlines[timer.rawValue] = .max
        if old == next { refresh() }
    }

    mutating func disarmAll() {
        deadlines = .init(repeating: .max)
        next = .max
    }

    /// Disarms and returns one timer that is due, in the order of the enumeration.
    mutating func takeDue(now: Instant) -> TCPTimer? {
        guard next <= now.nanoseconds else { return nil }
        for timer in TCPTimer.allCases where deadlines[timer.rawValue] <= now.nanoseconds {
            disarm(timer)
            return timer
        }
        return nil
    }

    private mutating func refresh() {
        var earliest = Int64.max
        for index in deadlines.indices { earliest = min(earliest, deadlines[index]) }
        next = earliest
    }
}
