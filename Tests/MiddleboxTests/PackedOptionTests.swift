import Middlebox
import NetworkPrimitives
import Testing
import WireFormat

/// Headers whose options stand without padding between them.
@Suite struct PackedOptionTests {
    /// The options fill the header; padded to four octets each they would not fit in one.
    private static let packed: [UInt8] =
        [8, 10, 0, 0, 0, 7, 0, 0, 0, 8] + [3, 3, 5]
        + [253, 5, 1, 2, 3] + [254, 5, 4, 5, 6] + [250, 5, 7, 8, 9] + [251, 5, 1, 1, 1]
        + [252, 7, 1, 2, 3, 4, 5]

    private func segment() -> Segment {
        var segment = Flow.up("hello")
        segment.header.options = Self.packed.withUnsafeBytes { TCPOptions(parsing: $0) }
        return segment
    }

    @Test("options that were read are written again, and the same")
    func roundTrip() throws {
        let segment = segment()
        #expect(Self.packed.count == 40 && !segment.header.options.fits)
        #expect(segment.header.options.fitsPacked && segment.header.encodedLength == 60)
        let again = try Segment(parsing: segment.encodedPacket())
        #expect(again == segment)
    }

    @Test("a box that changes such a segment passes it on", arguments: [true, false])
    func throughBox(isChecksumReady: Bool) throws {
        let address = IPAddress.v4(0x0a00_0107)
        var chain = MiddleboxChain([AddressTranslator(address: address)])
        let emissions = chain.receive(
            segment().encodedPacket(), .up, isChecksumReady: isChecksumReady, now: .zero)
        let result = try Segment(parsing: try #require(emissions.first?.octets))
        #expect(result.source == address && result.text == "hello")
        #expect(result.header.options == segment().header.options)
    }

    @Test("a segment to which a box adds what has no room passes unchanged")
    func noRoom() throws {
        let octets = segment().encodedPacket()
        var packet = try #require(TransitPacket(octets))
        packet.segment.header.options.maximumSegmentSize = 1_400
        #expect(packet.octets == octets)
    }
}
