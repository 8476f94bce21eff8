/// Cuts a stream of octets into lines.
struct LineSplitter {
    private var pending: [UInt8] = []
    /// The stream has ended; lines may still be waiting.
    private(set) var isAtEnd = false

    /// Takes in what was read; nothing read is the end.
    mutating func append(_ bytes: [UInt8]) {
        if bytes.isEmpty { isAtEnd = true }
        pending += bytes
    }

    /// The next complete line, without its end.
    mutating func next() -> String? {
        guard let end = pending.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { pending.removeSubrange(...end) }
        return String(decoding: pending[..<end], as: UTF8.self)
    }
}
