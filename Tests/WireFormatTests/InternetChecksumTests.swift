import NetworkPrimitives
import Testing
import WireFormat

@Suite("Internet checksum")
struct InternetChecksumTests {
    private func sum(_ pieces: [[UInt8]]) -> UInt16 {
        var sum = InternetChecksum()
        for piece in pieces { piece.withUnsafeBytes { sum.add($0) } }
        return sum.folded
    }

    /// RFC 1071, 4.1, word by word.
    private func naiveSum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            let low = index + 1 < bytes.count ? bytes[index + 1] : 0
            sum += UInt32(bytes[index]) << 8 | UInt32(low)
            sum = (sum & 0xffff) + (sum >> 16)
        }
        return UInt16(sum)
    }

    @Test("the example of RFC 1071, 3")
    func example() {
        let bytes = octets("0001f203f4f5f6f7")
        #expect(sum([bytes]) == 0xddf2)
        var checksum = InternetChecksum()
        bytes.withUnsafeBytes { checksum.add($0) }
        #expect(checksum.checksum == 0x220d)
    }

    @Test("nothing, and an odd octet padded on the right")
    func edges() {
        #expect(sum([]) == 0)
        #expect(sum([[]]) == 0)
        #expect(sum([[0xab]]) == 0xab00)
        #expect(sum([[0xff, 0xff, 0xff]]) == 0xff00)
    }

    @Test("split at an odd offset, as the digest computes it")
    func oddSplit() {
        let bytes = (0..<1000).map { UInt8($0 % 251) }
        #expect(sum([Array(bytes[..<333])]) == 0x5ab5)
        #expect(sum([Array(bytes[333...])]) == 0x6ac7)
        #expect(sum([Array(bytes[..<333]), Array(bytes[333...])]) == 0x2220)
    }

    @Test("any bytes in any pieces", arguments: 1...20 as ClosedRange<UInt64>)
    func pieces(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            let bytes = generator.bytes(Int.random(in: 0...300, using: &generator))
            var pieces: [[UInt8]] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 0...40, using: &generator))
                pieces.append(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(sum(pieces) == naiveSum(bytes))
            #expect(sum([bytes]) == naiveSum(bytes))
        }
    }

    @Test("numbers and addresses add as their octets do")
    func numbers() {
        var sum = InternetChecksum()
        sum.add(0x1234 as UInt16)
        sum.add(0xffff_fffe as UInt32)
        sum.add(0x0123_4567_89ab_cdef as UInt64)
        sum.add(IPAddress.v4(0x0a00_0201))
        sum.add(IPAddress.v6(0x2001_0db8_0000_0000, 0x1))
        let bytes = octets(
            "1234 fffffffe 0123456789abcdef 0a000201 20010db8000000000000000000000001")
        #expect(sum.folded == naiveSum(bytes))
    }

    @Test("carries out of 32 bits are kept")
    func carries() {
        let bytes = [UInt8](repeating: 0xff, count: 65_535)
        #expect(sum([bytes]) == naiveSum(bytes))
    }
}
