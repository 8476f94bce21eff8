import Testing
import WireFormat

@Suite("Link types")
struct LinkTypeTests {
    private static let ipv4: [UInt8] = [0x45, 0, 0, 20] + [UInt8](repeating: 0, count: 16)
    private static let ipv6: [UInt8] = [0x60, 0, 0, 0] + [UInt8](repeating: 0, count: 36)
    private static let addresses = [UInt8](repeating: 2, count: 12)

    private static func packet(_ type: Int32, _ frame: [UInt8]) -> Range<Int>? {
        frame.withUnsafeBytes { LinkType(rawValue: type).ipPacket(in: $0) }
    }

    struct Frame: Sendable, CustomTestStringConvertible {
        var name: String
        var type: Int32
        var header: [UInt8]
        var isV6 = false

        var testDescription: String { name }
        var bytes: [UInt8] { header + (isV6 ? LinkTypeTests.ipv6 : LinkTypeTests.ipv4) }
    }

    static let frames = [
        Frame(name: "Ethernet", type: 1, header: addresses + [8, 0]),
        Frame(name: "Ethernet, IPv6", type: 1, header: addresses + [0x86, 0xdd], isV6: true),
        Frame(name: "802.1Q", type: 1, header: addresses + [0x81, 0, 0, 7, 8, 0]),
        Frame(
            name: "802.1ad and two of 802.1Q", type: 1,
            header: addresses + [0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x81, 0, 0, 9, 0x86, 0xdd],
            isV6: true),
        Frame(
            name: "cooked v1", type: 113,
            header: [0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0]),
        Frame(
            name: "cooked v1, 802.1Q", type: 113,
            header: [0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 7, 0x86, 0xdd],
            isV6: true),
        Frame(
            name: "cooked v2", type: 276,
            header: [8, 0, 0, 0, 0, 1, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]),
        Frame(name: "raw", type: 101, header: []),
        Frame(name: "raw in memory, IPv6", type: 12, header: [], isV6: true),
        Frame(name: "raw IPv4", type: 228, header: []),
        Frame(name: "raw IPv6", type: 229, header: [], isV6: true),
        Frame(name: "null, little endian", type: 0, header: [2, 0, 0, 0]),
        Frame(name: "null, big endian, FreeBSD", type: 0, header: [0, 0, 0, 28], isV6: true),
        Frame(name: "null, Darwin", type: 0, header: [30, 0, 0, 0], isV6: true),
        Frame(name: "loop, OpenBSD", type: 108, header: [0, 0, 0, 24], isV6: true),
    ]

    @Test("the packet stands behind the link header", arguments: frames)
    func found(_ frame: Frame) {
        #expect(LinkType(rawValue: frame.type).isSupported)
        #expect(
            Self.packet(frame.type, frame.bytes) == frame.header.count..<frame.bytes.count)
    }

    @Test("a frame cut anywhere gives what is left or nothing", arguments: frames)
    func cut(_ frame: Frame) {
        for length in 0..<frame.bytes.count {
            let range = Self.packet(frame.type, Array(frame.bytes[..<length]))
            if length < frame.header.count {
                #expect(range == nil)
            } else if let range {
                #expect(range == frame.header.count..<length)
            } else {
                // The IP version of a raw frame stands in the first octet of the packet.
                #expect(frame.header.isEmpty && length == 0)
            }
        }
    }

    @Test("what carries no IP is no packet")
    func noPacket() {
        #expect(Self.packet(1, Self.addresses + [8, 6] + Self.ipv4) == nil)
        #expect(Self.packet(1, Self.addresses + [0x81, 0, 0, 7, 8, 6] + Self.ipv4) == nil)
        #expect(Self.packet(101, [0x15, 0, 0, 20]) == nil)
        #expect(Self.packet(228, Self.ipv6) == nil)
        #expect(Self.packet(0, [7, 0, 0, 0] + Self.ipv4) == nil)
        #expect(Self.packet(0, [2, 0, 2, 0] + Self.ipv4) == nil)
        #expect(Self.packet(108, [2, 0, 0, 0] + Self.ipv4) == nil)
        #expect(Self.packet(127, Self.ipv4) == nil)
        #expect(!LinkType(rawValue: 127).isSupported)
    }

    @Test("cooked v2 names the interface")
    func interface() {
        let header: [UInt8] = [8, 0, 0, 0, 0, 1, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]
        header.withUnsafeBytes {
            #expect(LinkType.linuxCookedV2.interfaceIndex(in: $0) == 0x10002)
            #expect(LinkType.linuxCooked.interfaceIndex(in: $0) == nil)
            let cut = UnsafeRawBufferPointer(rebasing: $0[..<19])
            #expect(LinkType.linuxCookedV2.interfaceIndex(in: cut) == nil)
        }
    }
}
