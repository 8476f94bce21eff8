import LinkModel
import NetworkPrimitives

/// A link without chance as a list of all frames it ever carried: slow and plain.
struct NaiveLink {
    private struct Frame {
        var bytes: Int
        var start: Int64
        var end: Int64
    }

    let bitsPerSecond: Int64
    let delay: Int64
    let limit: QueueLimit
    private var frames: [Frame] = []

    init(bitsPerSecond: Int64, delay: Duration, limit: QueueLimit) {
        self.bitsPerSecond = bitsPerSecond
        self.delay = delay.wholeNanoseconds
        self.limit = limit
    }

    /// When the frame arrives in nanoseconds; `nil` when the queue has no room.
    mutating func offer(bytes: Int, now: Int64) -> Int64? {
        let inside = frames.filter { $0.end > now }
        let waiting = inside.filter { $0.start > now }
        if let last = inside.last {
            switch limit {
            case .packets(let most): guard waiting.count < most else { return nil }
            case .bytes(let most):
                guard waiting.reduce(bytes, { $0 + $1.bytes }) <= most else { return nil }
            case .time(let most):
                guard last.end - now <= most.wholeNanoseconds else { return nil }
            }
        }
        let start = max(now, inside.last?.end ?? now)
        let bits = Int64(bytes) * 8
        let time = (bits * 1_000_000_000 + bitsPerSecond - 1) / bitsPerSecond
        frames.append(Frame(bytes: bytes, start: start, end: start + time))
        return start + time + delay
    }

    /// Loses everything.
    mutating func cut() { frames.removeAll() }
}
