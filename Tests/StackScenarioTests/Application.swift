import HostStack
import MPTCP
import NetworkPrimitives

/// One end of the byte stream: what it sends and when, and whether what it gets is right.
struct Application {
    var handle: ConnectionHandle?
    /// Octets to send in all.
    var total: Int
    /// Octets that may be written by now.
    var released: Int
    var sent = 0
    var received = 0
    var firstWrong: Int?
    var isAtEnd = false
    var isPaused = false
    /// What arrived before is thrown away.
    var hasAborted = false
    var finishes = true
    var closed: CloseReason?
    var lastProgress = Instant.zero
    var largestGap: (length: Duration, end: Instant) = (.zero, .zero)
    /// Octets in order at each arrival.
    var arrivals: [(time: Instant, received: Int)] = []
    let salt: UInt8

    init(total: Int, released: Int? = nil, salt: UInt8) {
        self.total = total
        self.released = released ?? total
        self.salt = salt
    }

    /// Reads everything there is and checks it.
    mutating func read(
        from stack: HostStack, buffer: inout [UInt8], peerSalt: UInt8, now: Instant
    ) {
        guard let handle, !isPaused else { return }
        let before = received
        while true {
            let count = buffer.withUnsafeMutableBytes {
                stack.read(from: handle, into: $0, now: now)
            }
            if count == 0 { break }
            let wrong = buffer.withUnsafeBytes {
                Pattern.firstDifference(.init(rebasing: $0[..<count]), from: received, peerSalt)
            }
            firstWrong = firstWrong ?? wrong
            received += count
        }
        guard received > before else { return }
        if !arrivals.isEmpty, now - lastProgress > largestGap.length {
            largestGap = (now - lastProgress, now)
        }
        lastProgress = now
        arrivals.append((now, received))
    }

    /// Writes what may be written by now.
    mutating func write(to stack: HostStack, buffer: inout [UInt8], now: Instant) {
        guard let handle else { return }
        while sent < released {
            let count = min(buffer.count, released - sent)
            buffer.withUnsafeMutableBytes {
                Pattern.fill(.init(rebasing: $0[..<count]), from: sent, salt)
            }
            let written = buffer[..<count].withUnsafeBytes {
                stack.write($0, to: handle, now: now)
            }
            sent += written
            if written < count { break }
        }
        if sent == total, finishes { stack.finishWriting(handle, now: now) }
    }

    /// When the first new octet in order arrived at or after `instant`.
    func firstArrival(after instant: Instant) -> Instant? {
        arrivals.first { $0.time > instant }?.time
    }
}
