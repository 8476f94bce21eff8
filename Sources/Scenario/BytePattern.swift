/// The content of a byte stream: each octet follows from its offset and a seed, so that a receiver
/// can tell a wrong, missing, repeated or displaced octet without having seen the sender.
package struct BytePattern: Hashable, Sendable {
    private let base: UInt64

    /// The pattern of one direction of a workload.
    package init(seed: UInt64, direction: Direction) {
        var generator = seed ^ (direction == .upload ? 0x7570_6c6f_6164 : 0x646f_776e_6c6f_6164)
        generator = (generator ^ (generator >> 30)) &* 0xbf58_476d_1ce4_e5b9
        base = generator ^ (generator >> 27)
    }

    /// Eight octets: one multiplication and a fold, because each octet of a bulk transfer is made
    /// twice, by the sender and by the receiver.
    @inline(__always)
    private func word(_ index: Int) -> UInt64 {
        let product = (base &+ UInt64(truncatingIfNeeded: index)) &* 0x9e37_79b9_7f4a_7c15
        return product ^ (product >> 32)
    }

    /// The octet at this offset.
    package func byte(at offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: word(offset >> 3) >> UInt64((offset & 7) * 8))
    }

    /// Fills `buffer` with the octets from `offset` on.
    package func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int) {
        var position = 0
        let end = buffer.count
        while position < end, (offset + position) & 7 != 0 {
            buffer[position] = byte(at: offset + position)
            position += 1
        }
        var index = (offset + position) >> 3
        while position + 8 <= end {
            buffer.storeBytes(
                of: word(index).littleEndian, toByteOffset: position, as: UInt64.self)
            position += 8
            index += 1
        }
        while position < end {
            buffer[position] = byte(at: offset + position)
            position += 1
        }
    }

    /// The position in `buffer` of the first octet that is not the pattern's from `offset` on.
    package func firstMismatch(in buffer: UnsafeRawBufferPointer, from offset: Int) -> Int? {
        var position = 0
        let end = buffer.count
        while position < end, (offset + position) & 7 != 0 {
            if buffer[position] != byte(at: offset + position) { return position }
            position += 1
        }
        var index = (offset + position) >> 3
        while position + 8 <= end {
            let found = buffer.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            if found != word(index).littleEndian { break }
            position += 8
            index += 1
        }
        while position < end {
            if buffer[position] != byte(at: offset + position) { return position }
            position += 1
        }
        return nil
    }
}
