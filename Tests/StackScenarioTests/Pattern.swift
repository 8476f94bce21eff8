import Glibc

/// The octets that an application sends: each follows from where it stands in the stream, and from the
/// application's salt.
///
/// Within a block of 256 octets an octet goes up by 31 from one to the next, and each block begins
/// somewhere else. Since 31 has an inverse modulo 256, a block is a window of one table: blocks are
/// copied and compared, and octets are not counted one by one.
enum Pattern {
    static func byte(_ offset: Int, _ salt: UInt8) -> UInt8 {
        UInt8(truncatingIfNeeded: offset &* 31 &+ offset >> 8 &+ offset >> 16) ^ salt
    }

    /// Writes the octets from `offset` on.
    static func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int, _ salt: UInt8) {
        forEachPiece(of: buffer.count, from: offset, salt) { position, piece in
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[position...])
            rest.copyMemory(from: piece)
            return true
        }
    }

    /// Where the octets begin to be others than those from `offset` on, counted from the start of the
    /// stream; `nil` when they are right.
    static func firstDifference(
        _ buffer: UnsafeRawBufferPointer, from offset: Int, _ salt: UInt8
    ) -> Int? {
        var difference: Int?
        forEachPiece(of: buffer.count, from: offset, salt) { position, piece in
            guard let expected = piece.baseAddress, let start = buffer.baseAddress,
                memcmp(start + position, expected, piece.count) != 0
            else { return true }
            difference = zip(buffer[position...], piece).enumerated()
                .first { $0.element.0 != $0.element.1 }.map { offset + position + $0.offset }
            return false
        }
        return difference
    }

    /// The pieces of whole blocks that `count` octets from `offset` on are made of, until `body`
    /// returns `false`.
    private static func forEachPiece(
        of count: Int, from offset: Int, _ salt: UInt8,
        _ body: (_ position: Int, _ piece: UnsafeRawBufferPointer) -> Bool
    ) {
        tables.withUnsafeBytes { tables in
            let table = Int(salt) * tableSize
            var position = 0
            while position < count {
                let block = (offset + position) / blockSize
                let within = (offset + position) % blockSize
                // What the block adds to each octet, in steps of 31: 31 * 223 is 1 modulo 256.
                let shift = (block &+ block >> 8) &* 223 & 0xff
                let length = min(blockSize - within, count - position)
                let start = table + shift + within
                let piece = UnsafeRawBufferPointer(rebasing: tables[start..<(start + length)])
                guard body(position, piece) else { return }
                position += length
            }
        }
    }

    /// For each salt twice what a block without a shift holds.
    private static let tables: [UInt8] = (0..<256).flatMap { salt in
        (0..<tableSize).map { byte($0 % blockSize, UInt8(salt)) }
    }

    private static var blockSize: Int { 256 }
    private static var tableSize: Int { 2 * blockSize }
}
