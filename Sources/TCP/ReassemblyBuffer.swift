internal import NetworkPrimitives
public import WireFormat

/// A receive buffer that puts the bytes of a stream in order, used by a subflow over its sequence
/// space and by a connection over its data sequence space.
///
/// The first copy of a byte wins (RFC 9293, 3.10.7.4 trims what was received before). Bytes in
/// order lie in `start..<end` and can be read; ranges behind `end` wait for the gap to fill.
public struct ReassemblyBuffer: Sendable {
    private var ring = ByteRing()
    /// Ranges received out of order: disjoint, not adjacent, ascending, all behind `end`.
    public private(set) var outOfOrder: [Range<Int>] = []

    /// An empty buffer at offset 0.
    public init() {}

    /// Offset of the next byte that the reader gets.
    @inline(__always)
    public var start: Int { ring.start }

    /// Offset of the next byte expected.
    @inline(__always)
    public var end: Int { ring.end }

    /// Bytes that can be read.
    @inline(__always)
    public var readableCount: Int { ring.count }

    /// Bytes that wait behind a gap.
    public private(set) var outOfOrderCount = 0

    /// Bytes that the buffer holds, in order or not.
    public var queuedCount: Int { readableCount + outOfOrderCount }

    /// Bytes of memory that they take, gaps and all.
    public var memoryCount: Int { ring.capacity }

    /// Ranges out of order that are kept. More than any honest path makes: a whole window of full
    /// segments every other of which is lost has fewer.
    public static let maximumRanges = 2_048

    /// What an insertion brought.
    public struct Insertion: Sendable {
        /// Bytes that were not there before.
        public var newBytes = 0
        /// Bytes by which `end` moved.
        public var advanced = 0
        /// The range behind the gap that now holds the bytes, when they came out of order.
        public var outOfOrderRange: Range<Int>?
    }

    /// Stores `bytes`, whose first has the offset `offset`. The caller has checked the window. What
    /// would be one range too many is not taken; its sender will send it again.
    public mutating func insert(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Insertion {
        var insertion = Insertion()
        let from = max(offset, ring.end)
        let to = offset + bytes.count
        guard from < to else { return insertion }
        if outOfOrder.isEmpty, from == ring.end {
            ring.append(UnsafeRawBufferPointer(rebasing: bytes[(from - offset)...]))
            insertion.newBytes = to - from
            insertion.advanced = to - from
            return insertion
        }
        let first = firstRange(endingAt: from)
        var last = first
        while last < outOfOrder.count, outOfOrder[last].lowerBound <= to { last += 1 }
        guard first < last || from == ring.end || outOfOrder.count < Self.maximumRanges
        else { return insertion }
        ring.reserve(to)
        var position = from
        var merged = from..<to
        for range in outOfOrder[first..<last] {
            if position < range.lowerBound {
                store(bytes, offset, position..<range.lowerBound)
                insertion.newBytes += range.lowerBound - position
            }
            position = max(position, range.upperBound)
            merged =
                min(merged.lowerBound, range.lowerBound)..<max(merged.upperBound, range.upperBound)
        }
        if position < to {
            store(bytes, offset, position..<to)
            insertion.newBytes += to - position
        }
        outOfOrderCount += insertion.newBytes
        if merged.lowerBound == ring.end {
            insertion.advanced = merged.count
            ring.extendEnd(to: merged.upperBound)
            outOfOrder.removeSubrange(first..<last)
            outOfOrderCount -= merged.count
        } else {
            outOfOrder.replaceSubrange(first..<last, with: CollectionOfOne(merged))
            insertion.outOfOrderRange = merged
        }
        return insertion
    }

    /// Index of the first range that ends at or behind `offset`.
    private func firstRange(endingAt offset: Int) -> Int {
        outOfOrder.partitionPoint { $0.upperBound >= offset }
    }

    private mutating func store(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ range: Range<Int>
    ) {
        ring.write(
            UnsafeRawBufferPointer(
                rebasing: bytes[(range.lowerBound - offset)..<(range.upperBound - offset)]),
            at: range.lowerBound)
    }

    /// Reads up to `buffer.count` bytes in order.
    public mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, ring.count)
        ring.copy(ring.start..<(ring.start + count), to: buffer)
        discard(upTo: ring.start + count)
        return count
    }

    /// Calls `body` with the pieces of an in-order range.
    @inline(__always)
    public func forEachPiece(of range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
        ring.forEachPiece(of: range, body)
    }

    /// Forgets in-order bytes before `offset`.
    public mutating func discard(upTo offset: Int) {
        ring.discard(upTo: offset)
    }

    /// Gives the memory back if no byte is held.
    public mutating func releaseIfEmpty() {
        if outOfOrder.isEmpty { ring.releaseIfEmpty() }
    }

    /// The sum of an in-order range, for DSS checksums.
    public func checksum(of range: Range<Int>) -> InternetChecksum { ring.checksum(of: range) }
}
