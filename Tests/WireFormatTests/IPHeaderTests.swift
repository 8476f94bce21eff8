import NetworkPrimitives
import Testing
import WireFormat

@Suite("IPv4")
struct IPv4Tests {
    /// The example of a header whose checksum is in many textbooks.
    private static let bytes = octets("45000073 00004000 4011b861 c0a80001 c0a800c7")

    private func parse(_ bytes: [UInt8], isCut: Bool = false) throws -> IPv4Header {
        try bytes.withUnsafeBytes { try IPv4Header(parsing: $0, isCut: isCut) }
    }

    private func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes[10] = 0
        bytes[11] = 0
        var sum = InternetChecksum()
        bytes.prefix(Int(bytes[0] & 0xf) * 4).withUnsafeBytes { sum.add($0) }
        bytes[10] = UInt8(sum.checksum >> 8)
        bytes[11] = UInt8(truncatingIfNeeded: sum.checksum)
        return bytes
    }

    @Test("vector")
    func vector() throws {
        let packet = Self.bytes + [UInt8](repeating: 0, count: 0x73 - 20)
        let header = try parse(packet)
        let expected = IPv4Header(
            source: .v4(0xc0a8_0001), destination: .v4(0xc0a8_00c7), protocolNumber: 17,
            payloadLength: 0x73 - 20)
        #expect(header == expected)
        #expect(encoded(count: 20) { header.encode(into: &$0) } == Self.bytes)
        #expect(try parse(packet + [1, 2, 3]) == header)
        for count in 0..<packet.count {
            #expect(throws: ParseError.truncated) { try parse(Array(packet.prefix(count))) }
        }
        #expect(try parse(Self.bytes, isCut: true) == header)
    }

    @Test("every single-bit error in the header is noticed", arguments: 0..<160)
    func badChecksum(_ bit: Int) {
        var bytes = Self.bytes + [UInt8](repeating: 0, count: 0x73 - 20)
        bytes[bit / 8] ^= 1 << (bit % 8)
        #expect(throws: ParseError.self) { try parse(bytes) }
    }

    @Test("all fields go round")
    func fields() throws {
        var header = IPv4Header(
            source: .v4(1), destination: .v4(0xffff_ffff), protocolNumber: 6, payloadLength: 0)
        header.trafficClass = 0xab
        header.identification = 0xcdef
        header.dontFragment = false
        header.timeToLive = 1
        #expect(try parse(encoded(count: 20) { header.encode(into: &$0) }) == header)
    }

    @Test("fragments are refused, first and later ones", arguments: [0x2000, 0x0001, 0x1fff])
    func fragments(_ field: Int) {
        var bytes = Self.bytes + [UInt8](repeating: 0, count: 0x73 - 20)
        bytes[6] = UInt8(field >> 8)
        bytes[7] = UInt8(field & 0xff)
        #expect(throws: ParseError.fragment) { try parse(withChecksum(bytes)) }
    }

    @Test("options are passed over")
    func options() throws {
        let bytes = withChecksum(
            octets("46000018 00004000 40060000 c0a80001 c0a800c7 01010100"))
        let header = try parse(bytes)
        #expect(header.headerLength == 24)
        #expect(header.totalLength == 24)
        #expect(
            try parse(encoded(count: 20) { header.encode(into: &$0) }).destination
                == header.destination)
    }

    @Test(
        "lengths that contradict each other",
        arguments: [("44", "0073"), ("45", "0013"), ("4f", "0073")])
    func badLength(_ first: String, _ total: String) {
        var bytes = octets("\(first)00\(total)") + Self.bytes.dropFirst(4)
        bytes += [UInt8](repeating: 0, count: first == "4f" ? 10 : 0x73 - 20)
        #expect(throws: ParseError.self) { try parse(withChecksum(bytes)) }
    }

    @Test("another version is not IPv4")
    func version() {
        var bytes = Self.bytes
        bytes[0] = 0x65
        #expect(throws: ParseError.unsupported) { try parse(bytes) }
    }
}

@Suite("IPv6")
struct IPv6Tests {
    private static let source = IPAddress.v6(0x2001_0db8_0000_0001, 1)
    private static let destination = IPAddress.v6(0x2001_0db8_0000_0009, 1)

    private func parse(_ bytes: [UInt8], isCut: Bool = false) throws -> IPv6Header {
        try bytes.withUnsafeBytes { try IPv6Header(parsing: $0, isCut: isCut) }
    }

    @Test("vector")
    func vector() throws {
        let bytes = octets(
            "6a2bcdef 0004 06 40 20010db8000000010000000000000001 20010db8000000090000000000000001")
        var expected = IPv6Header(
            source: Self.source, destination: Self.destination, nextHeader: 6, payloadLength: 4)
        expected.trafficClass = 0xa2
        expected.flowLabel = 0xbcdef
        let packet = bytes + [1, 2, 3, 4]
        #expect(try parse(packet) == expected)
        #expect(encoded(count: 40) { expected.encode(into: &$0) } == bytes)
        for count in 0..<packet.count {
            #expect(throws: ParseError.truncated) { try parse(Array(packet.prefix(count))) }
        }
        #expect(try parse(bytes, isCut: true) == expected)
        #expect(throws: ParseError.unsupported) { try parse([0x45] + packet.dropFirst()) }
    }

    /// A TCP segment behind these extension headers.
    private func packet(_ first: UInt8, _ extensions: [UInt8]) -> [UInt8] {
        let header = SegmentHeader(
            sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(3), flags: .ack, window: 4)
        var bytes = Segment(
            source: Self.source, destination: Self.destination, header: header, payload: [9, 8, 7]
        ).encodedPacket()
        bytes[5] += UInt8(extensions.count)
        bytes[6] = first
        bytes.insert(contentsOf: extensions, at: 40)
        return bytes
    }

    @Test(
        "hop-by-hop options, routing and destination options are passed over",
        arguments: [
            (0, "0600010400000000"), (43, "0600000000000000"), (60, "0600010400000000"),
            (60, "0601010c0000000000000000 00000000"),
            (0, "2b00010400000000 3c00000000000000 0600010400000000"),
        ] as [(UInt8, String)])
    func extensionHeaders(_ first: UInt8, _ extensions: String) throws {
        let bytes = packet(first, octets(extensions))
        let segment = try Segment(parsing: bytes)
        #expect(segment.payload == [9, 8, 7])
        #expect(segment.header.destinationPort == 2)
        for count in 0..<bytes.count {
            #expect(throws: ParseError.truncated) {
                try Segment(parsing: Array(bytes.prefix(count)))
            }
        }
    }

    @Test("fragments are refused, other headers are not TCP")
    func refused() {
        #expect(throws: ParseError.fragment) {
            try Segment(parsing: packet(44, octets("0600000100000001")))
        }
        #expect(throws: ParseError.notTCP) {
            try Segment(parsing: packet(51, octets("0604000000000000")))
        }
        #expect(throws: ParseError.notTCP) { try Segment(parsing: packet(17, [])) }
    }

    @Test("an extension header that reaches out of the packet is cut")
    func longExtension() {
        #expect(throws: ParseError.truncated) {
            try Segment(parsing: packet(60, octets("06ff010400000000")))
        }
    }
}
