import NetworkPrimitives
import Testing

/// What the scenarios check every octet by is checked octet by octet here.
@Suite struct PatternTests {
    /// Places in the stream, among them those where the block and what is above it change.
    private static let offsets =
        [0, 1, 255, 256, 257, 65_535, 65_536, 1 << 24 - 3, 1 << 24, 90_000]

    @Test(arguments: [0x00, 0x55, 0xaa, 0xff] as [UInt8])
    func blocksHoldTheOctetsOfTheirPlace(salt: UInt8) {
        var generator = SeededGenerator(seed: UInt64(salt))
        let more = (0..<40).map { _ in Int(generator.next() % 100_000_000) }
        for offset in Self.offsets + more {
            let count = Int(generator.next() % 1_500)
            var buffer = [UInt8](repeating: 0, count: count)
            buffer.withUnsafeMutableBytes { Pattern.fill($0, from: offset, salt) }
            let expected = (offset..<(offset + count)).map { Pattern.byte($0, salt) }
            #expect(buffer == expected, "\(count) octets from \(offset) on")
        }
    }

    @Test func theFirstWrongOctetIsFound() {
        for offset in Self.offsets {
            var buffer = [UInt8](repeating: 0, count: 1_448)
            buffer.withUnsafeMutableBytes { Pattern.fill($0, from: offset, 0x55) }
            func found(_ salt: UInt8 = 0x55) -> Int? {
                buffer.withUnsafeBytes { Pattern.firstDifference($0, from: offset, salt) }
            }
            #expect(found() == nil)
            #expect(found(0x54) == offset)
            for position in [1_447, 700, 256, 255, 1, 0] {
                buffer[position] ^= 0x80
                #expect(found() == offset + position)
            }
        }
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(Pattern.firstDifference(none, from: 5, 0) == nil)
    }
}
