internal import DequeModule
internal import NetworkPrimitives
public import WireFormat

/// Memory for bytes to send. Written once, then only read, by whoever refers to it.
///
/// Unchecked because a compiler cannot see that: bytes before `used` never change, and `used` moves
/// only in the one buffer that holds the chunk as its tail.
final class ByteChunk: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let capacity: Int
    /// Octets written.
    var used = 0

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }
}

/// The bytes to send of a stream between two offsets. They are written once: the stream of a subflow
/// refers to those of the connection instead of copying them.
///
/// Offsets count from the start of the stream and never wrap.
public struct SendBuffer: Sendable {
    /// Bytes that lie together.
    private struct Piece: Sendable {
        /// Offset of the first one in the stream.
        var offset: Int
        let chunk: ByteChunk
        let position: Int
        var count: Int

        var end: Int { offset + count }
    }

    /// Offset of the first byte held.
    public private(set) var start = 0
    /// Offset behind the last byte held.
    public private(set) var end = 0
    private var pieces: Deque<Piece> = []
    /// Where the next bytes go.
    private var tail: ByteChunk?
    private var tailUsed = 0
    /// Chunks that nothing refers to any more: the last one used is still in the cache.
    private var spares: [ByteChunk] = []

    private static let smallChunk = 2_048
    private static let largeChunk = 65_536
    private static let mostSpares = 64

    /// An empty buffer at offset 0.
    public init() {}

    /// Bytes held.
    public var count: Int { end - start }

    // MARK: Writing

    /// Adds bytes at the end.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while position < bytes.count {
            position += append(upTo: bytes.count - position) { room in
                room.copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: bytes[position..<(position + room.count)]))
                return room.count
            }
        }
    }

    /// Adds what `fill` writes into the room it gets, for at least one and at most `limit` octets;
    /// `fill` returns how many it wrote. Returns the same.
    public mutating func append(
        upTo limit: Int, fill: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        let chunk = tailWithRoom(for: limit)
        let room = min(limit, chunk.capacity - tailUsed)
        let written = fill(
            UnsafeMutableRawBufferPointer(start: chunk.base + tailUsed, count: room))
        precondition(written >= 0 && written <= room, "more was written than there was room for")
        add(chunk, position: tailUsed, count: written)
        tailUsed += written
        chunk.used = tailUsed
        return written
    }

    /// Adds the bytes `range` of another buffer at the end, without copying them.
    public mutating func append(_ range: Range<Int>, of other: SendBuffer) {
        guard !range.isEmpty else { return }
        precondition(
            range.lowerBound >= other.start && range.upperBound <= other.end,
            "bytes not in the buffer")
        var index = other.index(holding: range.lowerBound)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = other.pieces[index]
            let count = min(piece.end, range.upperBound) - offset
            add(piece.chunk, position: piece.position + offset - piece.offset, count: count)
            offset += count
            index += 1
        }
    }

    private mutating func add(_ chunk: ByteChunk, position: Int, count: Int) {
        guard count > 0 else { return }
        if let last = pieces.last, last.chunk === chunk, last.position + last.count == position {
            pieces[pieces.count - 1].count += count
        } else {
            pieces.append(Piece(offset: end, chunk: chunk, position: position, count: count))
        }
        end += count
    }

    /// A copy of this buffer may have written behind what this one wrote: then the chunk is not
    /// ours any more.
    private mutating func tailWithRoom(for count: Int) -> ByteChunk {
        if pieces.isEmpty, isKnownUniquelyReferenced(&tail) {
            tail?.used = 0
            tailUsed = 0
        }
        if let tail, tail.used == tailUsed, tailUsed < tail.capacity { return tail }
        let chunk =
            takeSpare()
            ?? ByteChunk(
                capacity: count > Self.smallChunk ? Self.largeChunk : Self.smallChunk)
        tail = chunk
        tailUsed = 0
        return chunk
    }

    private mutating func takeSpare() -> ByteChunk? {
        guard let spare = spares.popLast() else { return nil }
        spare.used = 0
        return spare
    }

    // MARK: Forgetting

    /// Forgets everything before `offset`.
    public mutating func discard(upTo offset: Int) {
        start = min(max(start, offset), end)
        while let end = pieces.first?.end, end <= start {
            var chunk = pieces.removeFirst().chunk
            keep(&chunk)
        }
    }

    /// Keeps a chunk for later if nobody else refers to it any more.
    private mutating func keep(_ chunk: inout ByteChunk) {
        guard spares.count < Self.mostSpares, chunk.capacity == Self.largeChunk,
            isKnownUniquelyReferenced(&chunk)
        else { return }
        spares.append(chunk)
    }

    /// Gives the memory back if no byte is held: an idle connection keeps no buffer.
    public mutating func releaseIfEmpty() {
        guard start == end else { return }
        pieces = []
        spares = []
        tail = nil
        tailUsed = 0
    }

    // MARK: Reading

    /// Index of the piece in which the byte at `offset` lies.
    private func index(holding offset: Int) -> Int {
        pieces.partitionPoint { $0.end > offset }
    }

    /// Calls `body` with the pieces in which `range` lies.
    public func forEachPiece(of range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard !range.isEmpty else { return }
        precondition(
            range.lowerBound >= start && range.upperBound <= end, "bytes not in the buffer")
        var index = index(holding: range.lowerBound)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = pieces[index]
            let count = min(piece.end, range.upperBound) - offset
            body(
                UnsafeRawBufferPointer(
                    start: piece.chunk.base + piece.position + offset - piece.offset, count: count))
            offset += count
            index += 1
        }
    }

    /// The bytes `range` where they lie; `nil` if that is in more than two places.
    public func lend(_ range: Range<Int>) -> LentBytes? {
        guard !range.isEmpty, range.lowerBound >= start, range.upperBound <= end else { return nil }
        let index = index(holding: range.lowerBound)
        let skipped = range.lowerBound - pieces[index].offset
        let first = LentBytes.Piece(
            chunk: pieces[index].chunk, position: pieces[index].position + skipped,
            count: min(pieces[index].count - skipped, range.count))
        guard first.count < range.count else { return LentBytes(first: first) }
        let next = pieces[index + 1]
        let rest = range.count - first.count
        guard next.count >= rest else { return nil }
        return LentBytes(
            first: first,
            second: LentBytes.Piece(chunk: next.chunk, position: next.position, count: rest))
    }

    /// Copies `range` to the start of `buffer`.
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

/// Bytes of a `SendBuffer` where they lie. They stay as they are for as long as this refers to them.
public struct LentBytes: Sendable {
    /// Bytes that lie together, and the memory in which they do.
    public struct Piece: Sendable {
        let chunk: ByteChunk
        let position: Int
        let count: Int

        /// The bytes; valid while `owner` lives.
        public var bytes: UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: chunk.base + position, count: count)
        }

        /// Whoever keeps `bytes` refers to this.
        public var owner: AnyObject { chunk }
    }

    /// The first bytes.
    public let first: Piece
    /// Those behind them, if they lie elsewhere.
    public let second: Piece?

    init(first: Piece, second: Piece? = nil) {
        self.first = first
        self.second = second
    }

    /// How many there are.
    public var count: Int { first.count + (second?.count ?? 0) }

    /// Copies them to the start of `buffer`.
    public func copy(to buffer: UnsafeMutableRawBufferPointer) {
        buffer.copyMemory(from: first.bytes)
        guard let second else { return }
        UnsafeMutableRawBufferPointer(rebasing: buffer[first.count...]).copyMemory(
            from: second.bytes)
    }
}
