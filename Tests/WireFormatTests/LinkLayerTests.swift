import NetworkPrimitives
import Testing
import WireFormat

@Suite("Ethernet")
struct EthernetTests {
    private static let header = EthernetHeader(
        destination: MACAddress(rawValue: 0x0200_0000_0002),
        source: MACAddress(rawValue: 0x0200_0000_00ff), type: .ipv4)

    private func parse(_ bytes: [UInt8]) throws -> EthernetHeader {
        try bytes.withUnsafeBytes { try EthernetHeader(parsing: $0) }
    }

    @Test("vector")
    func vector() throws {
        let bytes = octets("020000000002 0200000000ff 0800")
        #expect(try parse(bytes) == Self.header)
        #expect(encoded(count: 14) { Self.header.encode(into: &$0) } == bytes)
        for count in 0..<bytes.count {
            #expect(throws: ParseError.truncated) { try parse(Array(bytes.prefix(count))) }
        }
    }

    @Test(
        "one and two VLAN tags are passed over",
        arguments: [
            ("8100 0005 86dd", 18), ("88a8 0005 8100 0006 86dd", 22),
            ("8100 0005 8100 0006 86dd", 22),
        ])
    func tags(_ tags: String, _ length: Int) throws {
        let bytes = octets("ffffffffffff 0200000000ff" + tags)
        let header = try parse(bytes)
        #expect(header.type == .ipv6)
        #expect(header.destination == .broadcast)
        #expect(header.encodedLength == length)
        for count in 0..<bytes.count {
            #expect(throws: ParseError.truncated) { try parse(Array(bytes.prefix(count))) }
        }
    }

    @Test("three tags are not spoken here")
    func threeTags() {
        let bytes = octets("ffffffffffff 0200000000ff 8100 0001 8100 0002 8100 0003 0800")
        #expect(throws: ParseError.unsupported) { try parse(bytes) }
    }

    @Test("hardware addresses as text and octets")
    func hardwareAddress() {
        let address = MACAddress(rawValue: 0xffff_0200_0a00_ff01)
        #expect(address.description == "02:00:0a:00:ff:01")
        #expect(address.bytes == octets("02000a00ff01"))
        #expect(MACAddress(bytes: octets("02000a00ff01")) == address)
        #expect(MACAddress(bytes: octets("02000a00ff")) == nil)
    }
}

@Suite("ARP")
struct ARPTests {
    static let packets: [(ARPPacket, String)] = [
        (
            ARPPacket(
                operation: .request, senderMAC: MACAddress(rawValue: 0x0200_0000_0001),
                senderAddress: .v4(0x0a00_0102), targetMAC: MACAddress(rawValue: 0),
                targetAddress: .v4(0x0a00_0101)),
            "0001 0800 06 04 0001 020000000001 0a000102 000000000000 0a000101"
        ),
        (
            ARPPacket(
                operation: .reply, senderMAC: MACAddress(rawValue: 0x0200_0000_0009),
                senderAddress: .v4(0x0a00_0101), targetMAC: MACAddress(rawValue: 0x0200_0000_0001),
                targetAddress: .v4(0x0a00_0102)),
            "0001 0800 06 04 0002 020000000009 0a000101 020000000001 0a000102"
        ),
    ]

    private func parse(_ bytes: [UInt8]) throws -> ARPPacket {
        try bytes.withUnsafeBytes { try ARPPacket(parsing: $0) }
    }

    @Test("vectors", arguments: packets)
    func vector(_ packet: ARPPacket, _ hex: String) throws {
        let bytes = octets(hex)
        #expect(try parse(bytes) == packet)
        #expect(encoded(count: ARPPacket.length) { packet.encode(into: &$0) } == bytes)
        // Ethernet pads to 60 octets.
        #expect(try parse(bytes + [UInt8](repeating: 0, count: 18)) == packet)
        for count in 0..<bytes.count {
            #expect(throws: ParseError.truncated) { try parse(Array(bytes.prefix(count))) }
        }
    }

    @Test("other hardware, protocols and operations are not spoken here", arguments: 0..<8)
    func unsupported(_ position: Int) {
        var bytes = octets(Self.packets[0].1)
        bytes[position] ^= 0x40
        #expect(throws: ParseError.unsupported) { try parse(bytes) }
    }
}
