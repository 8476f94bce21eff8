import NetworkPrimitives
import Testing
import WireFormat

/// An MPTCP option as bytes and as value, from the test vectors of the protocol digest.
struct OptionVector: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let option: MPTCPOption

    init(_ name: String, _ hex: String, _ option: MPTCPOption) {
        self.name = name
        self.bytes = octets(hex)
        self.option = option
    }

    var testDescription: String { name }

    /// Parse is the value, encode is the bytes, and no proper prefix passes for the option, whether
    /// the bytes end early or the length octet says so.
    func check() {
        #expect(Self.parse(bytes) == [option])
        #expect(hexadecimal(Self.encode(option)) == hexadecimal(bytes))
        #expect(option.encodedLength == bytes.count)
        for count in 0..<bytes.count {
            #expect(Self.parse(Array(bytes.prefix(count))) == [], "cut to \(count) octets")
            guard count >= 3 else { continue }
            var short = Array(bytes.prefix(count))
            short[1] = UInt8(count)
            #expect(Self.parse(short) != [option], "length \(count)")
        }
    }

    /// The MPTCP options in an option area, DSS first.
    static func parse(_ area: [UInt8]) -> [MPTCPOption] {
        let options = area.withUnsafeBytes { TCPOptions(parsing: $0) }
        return (options.dss.map { [.dss($0)] } ?? []) + options.mptcp
    }

    static func encode(_ option: MPTCPOption) -> [UInt8] {
        encoded(count: option.encodedLength) { option.encode(into: &$0) }
    }
}

/// What `body` writes into a buffer of `count` octets, which it must fill.
func encoded(count: Int, _ body: (inout ByteWriter) -> Void) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
        var writer = ByteWriter(UnsafeMutableRawBufferPointer(buffer))
        body(&writer)
        written = writer.position
    }
}

/// Key set S1 of the digest and what follows from it in v1.
enum KeySetS1 {
    static let keyA = Key(0x0102_0304_0506_0708)
    static let keyB = Key(0x1112_1314_1516_1718)
    static let nonceA: UInt32 = 0xaabb_ccdd
    static let nonceB: UInt32 = 0x1122_3344
    static let tokenB = Token(0xccad_45ac)
    static let firstA: UInt64 = 0xf5a1_01d3_d29d_6f73
    static let firstB: UInt64 = 0x535b_eea3_8e08_7c8f
}
