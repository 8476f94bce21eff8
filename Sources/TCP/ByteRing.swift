public import WireFormat

/// The bytes of a stream between two offsets, in a ring that grows as it must.
///
/// Offsets count from the start of the stream and never wrap.
public struct ByteRing: Sendable {
    private var storage: [UInt8] = []
    /// Offset of the first byte held.
    public private(set) var start = 0
    /// Offset behind the last byte held.
    public private(set) var end = 0

    /// An empty ring at offset 0.
    public init() {}

    /// Bytes held.
    @inline(__always)
    public var count: Int { end - start }

    /// Bytes for which there is memory.
    public var capacity: Int { storage.count }

    /// Adds bytes at the end.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        reserve(end + bytes.count)
        write(bytes, at: end)
        end += bytes.count
    }

    /// Forgets everything before `offset`.
    public mutating func discard(upTo offset: Int) {
        start = min(max(start, offset), end)
    }

    /// Gives the memory back if no byte is held: an idle connection keeps no buffer.
    public mutating func releaseIfEmpty() {
        if start == end { storage = [] }
    }

    /// Makes room so that offsets up to `newEnd` lie in the ring together with `start`.
    mutating func reserve(_ newEnd: Int) {
        let needed = newEnd - start
        guard needed > storage.count else { return }
        var capacity = max(storage.count * 2, 4_096)
        while capacity < needed { capacity *= 2 }
        var larger = [UInt8](repeating: 0, count: capacity)
        // Everything in the ring moves: out-of-order bytes may lie behind `end`.
        let held = storage.count
        if held > 0 { copyPiece(start..<(start + held), into: &larger) }
        storage = larger
    }

    private func copyPiece(_ range: Range<Int>, into larger: inout [UInt8]) {
        let capacity = larger.count
        var offset = range.lowerBound
        while offset < range.upperBound {
            let from = offset % storage.count
            let to = offset % capacity
            let length = min(range.upperBound - offset, storage.count - from, capacity - to)
            larger.withUnsafeMutableBytes { target in
                storage.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(rebasing: target[to..<(to + length)]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: source[from..<(from + length)]))
                }
            }
            offset += length
        }
    }

    /// Writes bytes at an offset for which there is room.
    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        let capacity = storage.count
        let position = offset & (capacity - 1)
        let first = min(bytes.count, capacity - position)
        storage.withUnsafeMutableBytes { target in
            UnsafeMutableRawBufferPointer(rebasing: target[position..<(position + first)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<first]))
            if first < bytes.count {
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[first...]))
            }
        }
    }

    /// Moves `end` forward over bytes that were written ahead of it.
    mutating func extendEnd(to offset: Int) { end = max(end, offset) }

    /// Calls `body` with the one or two pieces in which `range` lies.
    @inline(__always)
    public func forEachPiece(of range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard !range.isEmpty else { return }
        precondition(range.lowerBound >= start && range.upperBound <= end, "bytes not in the ring")
        let capacity = storage.count
        let position = range.lowerBound & (capacity - 1)
        let first = min(range.count, capacity - position)
        storage.withUnsafeBytes { source in
            body(UnsafeRawBufferPointer(rebasing: source[position..<(position + first)]))
            if first < range.count {
                body(UnsafeRawBufferPointer(rebasing: source[..<(range.count - first)]))
            }
        }
    }

    /// Copies `range` to the start of `buffer`.
    @inline(__always)
    public func copy(_ range: Range<Int>, to buffer: UnsafeMutableRawBufferPointer) {
        var position = 0
        forEachPiece(of: range) { piece in
            UnsafeMutableRawBufferPointer(rebasing: buffer[position..<(position + piece.count)])
                .copyMemory(from: piece)
            position += piece.count
        }
    }

    /// The one's-complement sum of `range`, for DSS checksums.
    public func checksum(of range: Range<Int>) -> InternetChecksum {
        var sum = InternetChecksum()
        forEachPiece(of: range) { sum.add($0) }
        return sum
    }
}
