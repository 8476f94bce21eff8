import NetworkPrimitives
import Testing

@Suite("IP addresses")
struct IPAddressTests {
    @Test(
        "IPv4 text",
        arguments: [("0.0.0.0", 0), ("10.0.1.2", 0x0a00_0102), ("255.255.255.255", .max)]
            as [(String, UInt32)])
    func v4(_ text: String, _ value: UInt32) {
        #expect(IPAddress(text) == .v4(value))
        #expect(IPAddress.v4(value).description == text)
    }

    @Test(
        "RFC 5952 text, and other spellings of the same address",
        arguments: [
            ("::", ["0:0:0:0:0:0:0:0", "0::0", "::0"]),
            ("::1", ["0:0:0:0:0:0:0:1", "::0001", "0::1"]),
            ("1::", ["1:0:0:0:0:0:0:0", "0001::0"]),
            // RFC 5952, 4.1: leading zeros; 4.3: lower case.
            ("2001:db8::1", ["2001:0db8::0001", "2001:DB8::1", "2001:db8:0:0:0:0:0:1"]),
            // 4.2.2: "::" is not for one group alone.
            ("2001:db8:0:1:1:1:1:1", ["2001:db8::1:1:1:1:1"]),
            // 4.2.3: the longest run, and the first of two equal ones.
            ("2001:0:0:1::1", ["2001:0:0:1:0:0:0:1", "2001::1:0:0:0:1"]),
            ("2001:db8::1:0:0:1", ["2001:db8:0:0:1:0:0:1", "2001:db8:0:0:1::1"]),
            ("1:2:3:4:5:6:7:8", []), ("1:2:3:4:5:6::", ["1:2:3:4:5:6:0:0"]),
            ("fe80::1:2:3:4", ["fe80:0:0:0:1:2:3:4"]),
            // 5: IPv4-mapped.
            ("::ffff:192.0.2.1", ["::ffff:c000:201", "0:0:0:0:0:FFFF:192.0.2.1"]),
            ("64:ff9b::c000:221", ["64:ff9b::192.0.2.33"]),
        ] as [(String, [String])])
    func v6(_ canonical: String, _ spellings: [String]) throws {
        let address = try #require(IPAddress(canonical))
        #expect(address.isV6)
        #expect(address.description == canonical)
        for spelling in spellings { #expect(IPAddress(spelling) == address, "\(spelling)") }
    }

    @Test(
        "what is no address",
        arguments: [
            "", " ", ".", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.1.1.1",
            "01.2.3.4",
            "1.2.3.4 ", "+1.2.3.4", "-1.2.3.4", "1.2.3.0x4", "１.2.3.4", ":", ":::", "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "::1::", "12345::", "g::", "1:", ":1", "::1:",
            "1::2:", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "::01.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
            "fe80::1%eth0", "::１", "[::1]", "10.0.0.1/8",
        ])
    func invalid(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test("any address goes through text and octets", arguments: 1...10 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var groups = (0..<8).map { _ in UInt16(truncatingIfNeeded: generator.next()) }
            let zeros = generator.next()
            for index in 0..<8 where zeros >> index & 1 == 1 { groups[index] = 0 }
            func join(_ part: ArraySlice<UInt16>) -> UInt64 {
                part.reduce(0) { $0 << 16 | UInt64($1) }
            }
            let v6 = IPAddress.v6(join(groups[..<4]), join(groups[4...]))
            let v4 = IPAddress.v4(UInt32(truncatingIfNeeded: generator.next()))
            for address in [v4, v6] {
                #expect(IPAddress(address.description) == address)
                #expect(IPAddress(bytes: address.bytes) == address)
                #expect(address.bytes.count == address.byteCount)
            }
        }
    }

    @Test("octets of another count are no address", arguments: [0, 3, 5, 15, 17])
    func octets(_ count: Int) {
        #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test(
        "prefixes",
        arguments: [
            ("10.0.1.2", "10.0.1.0", 24, true), ("10.0.2.2", "10.0.1.0", 24, false),
            ("10.0.2.2", "10.0.1.0", 0, true), ("10.0.1.2", "10.0.1.2", 32, true),
            ("10.0.1.3", "10.0.1.2", 32, false), ("10.0.1.3", "10.0.1.2", 31, true),
            ("10.0.1.2", "10.0.1.2", 33, false), ("2001:db8::1", "2001:db8::", 64, true),
            ("2001:db8:0:1::1", "2001:db8::", 64, false),
            ("2001:db8:0:1::1", "2001:db8::", 63, true),
            ("10.0.1.2", "::", 0, false), ("::1", "::1", 128, true), ("::1", "::", 128, false),
        ])
    func prefixes(_ address: String, _ network: String, _ length: Int, _ expected: Bool) throws {
        let address = try #require(IPAddress(address))
        let network = try #require(IPAddress(network))
        #expect(address.isContained(in: network, prefixLength: length) == expected)
    }

    @Test("endpoints and tuples as text")
    func endpoints() {
        let local = Endpoint(.v4(0x0a00_0102), 5000)
        let remote = Endpoint(.v6(0x2001_0db8 << 32, 1), 443)
        #expect(local.description == "10.0.1.2:5000")
        #expect(remote.description == "[2001:db8::1]:443")
        let tuple = FourTuple(local: local, remote: remote)
        #expect(tuple.reversed == FourTuple(local: remote, remote: local))
        #expect(tuple.description == "10.0.1.2:5000 -> [2001:db8::1]:443")
    }
}
