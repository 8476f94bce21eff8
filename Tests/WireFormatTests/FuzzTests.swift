import Glibc
import NetworkPrimitives
import Testing
import WireFormat

/// Random and mutated inputs through every parser of the wire: no input may trap, and what is
/// accepted must go round.
///
/// `MPTCPCTL_FUZZ_ITERATIONS` and `MPTCPCTL_FUZZ_SEED` ask for a longer or another run.
@Suite("Fuzzing")
struct FuzzTests {
    private static func setting(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }

    static let iterations = Int(setting("MPTCPCTL_FUZZ_ITERATIONS") ?? 300_000)
    static let seed = setting("MPTCPCTL_FUZZ_SEED") ?? 1

    @Test("mutated packets")
    func packets() throws {
        var generator = SeededGenerator(seed: Self.seed)
        let corpus =
            PacketVector.all.map(\.bytes)
            + (0..<200).map { _ in generator.segment().encodedPacket() }
        var accepted = 0
        for iteration in 0..<(Self.iterations / 2) {
            let bytes = mutated(corpus[Int(generator.next() % UInt64(corpus.count))], &generator)
            bytes.withUnsafeBytes { buffer in
                _ = try? SegmentView(parsing: buffer, verification: .checksum)
                _ = try? SegmentView(parsing: buffer, verification: .cutCapture)
                _ = try? EthernetHeader(parsing: buffer)
                _ = try? ARPPacket(parsing: buffer)
                guard
                    let view = try? SegmentView(parsing: buffer, verification: .checksumNotReady)
                else { return }
                accepted += 1
                guard view.payload.upperBound <= buffer.count else {
                    Issue.record("payload outside of \(hexadecimal(bytes)), seed \(Self.seed)")
                    return
                }
                // Every hundredth is enough of the slow half.
                guard iteration % 100 == 0 else { return }
                checkRoundTrip(bytes)
            }
        }
        // Mutations must not be so wild that nothing gets past the first check.
        #expect(accepted > Self.iterations / 20, "seed \(Self.seed)")
    }

    @Test("random and mutated option areas")
    func options() {
        var generator = SeededGenerator(seed: Self.seed &+ 1)
        var accepted = 0
        let corpus = (0..<200).map { _ in
            let options = generator.tcpOptions()
            return encoded(count: options.encodedLength) { options.encode(into: &$0) }
        }
        for iteration in 0..<(Self.iterations / 2) {
            let bytes: [UInt8] =
                iteration % 3 == 0
                ? generator.bytes(Int(generator.next() % 41))
                : mutated(corpus[Int(generator.next() % UInt64(corpus.count))], &generator)
            let options = bytes.withUnsafeBytes { TCPOptions(parsing: $0) }
            if options != TCPOptions() { accepted += 1 }
            guard iteration % 20 == 0, options.fits else { continue }
            let again = encoded(count: options.encodedLength) { options.encode(into: &$0) }
            let parsed = again.withUnsafeBytes { TCPOptions(parsing: $0) }
            var expected = options
            // SACK blocks give way to MPTCP options.
            expected.sack = options.sack.prefix(parsed.sack.count)
            #expect(parsed == expected, "\(hexadecimal(bytes)), seed \(Self.seed)")
        }
        #expect(accepted > Self.iterations / 10, "seed \(Self.seed)")
    }

    private func checkRoundTrip(_ bytes: [UInt8]) {
        guard let segment = try? Segment(parsing: bytes, verification: .checksumNotReady),
            segment.header.options.fits
        else { return }
        let again = try? Segment(parsing: segment.encodedPacket())
        var expected = segment
        // SACK blocks give way to MPTCP options.
        expected.header.options.sack = segment.header.options.sack.prefix(
            again?.header.options.sack.count ?? 0)
        #expect(again == expected, "\(hexadecimal(bytes)), seed \(Self.seed)")
    }

    /// A few changes of the kinds that find mistakes: bits, interesting octets, cuts, copies.
    private func mutated(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0...(generator.next() % 4) {
            let draw = generator.next()
            guard !bytes.isEmpty else { return generator.bytes(Int(draw % 80)) }
            let position = Int((draw >> 8) % UInt64(bytes.count))
            switch draw % 8 {
            case 0...2: bytes[position] ^= 1 << UInt8(draw >> 56 & 7)
            case 3: bytes[position] = UInt8(truncatingIfNeeded: draw >> 48)
            case 4: bytes[position] = [0, 1, 2, 3, 30, 40, 0x7f, 0xff][Int(draw >> 40 & 7)]
            case 5: bytes.removeLast(bytes.count - position)
            case 6: bytes.remove(at: position)
            default:
                let end = min(bytes.count, position + Int(draw >> 32 & 15))
                bytes.insert(contentsOf: bytes[position..<end], at: position)
            }
        }
        return bytes
    }
}
