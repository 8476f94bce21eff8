import NetworkPrimitives
import Testing
import WireFormat

@Suite("dss")
struct DSSTests {
    private static func mapping(
        _ number: DataNumber, at subflow: UInt32 = 1, length: UInt16 = 5, checksum: UInt16? = nil
    ) -> DSSMapping {
        DSSMapping(
            dataSequenceNumber: number, subflowSequenceNumber: subflow, length: length,
            checksum: checksum)
    }

    private static let ackB = DataNumber.full(KeySetS1.firstB)
    private static let ackB32 = DataNumber.low32(0x8e08_7c8f)
    private static let dataA = DataNumber.full(KeySetS1.firstA)
    private static let dataA32 = DataNumber.low32(0xd29d_6f73)
    private static let finA = DataNumber.full(KeySetS1.firstA + 5)

    static let vectors = [
        OptionVector("ACK 32", "1e082001 8e087c8f", .dss(DSS(dataACK: ackB32))),
        OptionVector("ACK 64", "1e0c2003 535beea38e087c8f", .dss(DSS(dataACK: ackB))),
        OptionVector(
            "mapping 32", "1e0e2004 d29d6f73 00000001 0005", .dss(DSS(mapping: mapping(dataA32)))),
        OptionVector(
            "mapping 32 with checksum", "1e102004 d29d6f73 00000001 0005 a2a1",
            .dss(DSS(mapping: mapping(dataA32, checksum: 0xa2a1)))),
        OptionVector(
            "mapping 64", "1e12200c f5a101d3d29d6f73 00000001 0005",
            .dss(DSS(mapping: mapping(dataA)))),
        OptionVector(
            "mapping 64 with checksum", "1e14200c f5a101d3d29d6f73 00000001 0005 a2a1",
            .dss(DSS(mapping: mapping(dataA, checksum: 0xa2a1)))),
        OptionVector(
            "mapping 32, ACK 32", "1e122005 8e087c8f d29d6f73 00000001 0005",
            .dss(DSS(dataACK: ackB32, mapping: mapping(dataA32)))),
        OptionVector(
            "mapping 64, ACK 32", "1e16200d 8e087c8f f5a101d3d29d6f73 00000001 0005",
            .dss(DSS(dataACK: ackB32, mapping: mapping(dataA)))),
        OptionVector(
            "mapping 32, ACK 64", "1e162007 535beea38e087c8f d29d6f73 00000001 0005",
            .dss(DSS(dataACK: ackB, mapping: mapping(dataA32)))),
        OptionVector(
            "mapping 64, ACK 64", "1e1a200f 535beea38e087c8f f5a101d3d29d6f73 00000001 0005",
            .dss(DSS(dataACK: ackB, mapping: mapping(dataA)))),
        OptionVector(
            "mapping 64, ACK 64 with checksum",
            "1e1c200f 535beea38e087c8f f5a101d3d29d6f73 00000001 0005 a2a1",
            .dss(DSS(dataACK: ackB, mapping: mapping(dataA, checksum: 0xa2a1)))),
        OptionVector(
            "mapping 64, ACK 64, nothing follows",
            "1e1a202f 535beea38e087c8f f5a101d3d29d6f73 00000001 0005",
            .dss(DSS(dataACK: ackB, mapping: mapping(dataA), isIdle: true))),
        OptionVector(
            "DATA_FIN alone", "1e1a201f 535beea38e087c8f f5a101d3d29d6f78 00000000 0001",
            .dss(DSS(dataACK: ackB, mapping: mapping(finA, at: 0, length: 1), isDataFIN: true))),
        OptionVector(
            "DATA_FIN alone with checksum",
            "1e1c201f 535beea38e087c8f f5a101d3d29d6f78 00000000 0001 c673",
            .dss(
                DSS(
                    dataACK: ackB, mapping: mapping(finA, at: 0, length: 1, checksum: 0xc673),
                    isDataFIN: true))),
        OptionVector(
            "data and DATA_FIN with checksum",
            "1e1c201f 535beea38e087c8f f5a101d3d29d6f73 00000001 0006 a2a0",
            .dss(
                DSS(
                    dataACK: ackB, mapping: mapping(dataA, length: 6, checksum: 0xa2a0),
                    isDataFIN: true))),
        OptionVector(
            "infinite mapping", "1e12200c f5a101d3d29d6f73 00000001 0000",
            .dss(DSS(mapping: mapping(dataA, length: 0)))),
        OptionVector(
            "infinite mapping with checksum", "1e14200c f5a101d3d29d6f73 00000001 0000 0000",
            .dss(DSS(mapping: mapping(dataA, length: 0, checksum: 0)))),
        OptionVector(
            "a request with checksum", "1e142005 47bcd6cc 47bcd6b2 00000001 001a cc65",
            .dss(
                DSS(
                    dataACK: .low32(0x47bc_d6cc),
                    mapping: mapping(.low32(0x47bc_d6b2), length: 26, checksum: 0xcc65)))),
        OptionVector("nothing", "1e042000", .dss(DSS())),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    @Test("reserved bits, and widths of what is absent, are ignored")
    func reservedBits() {
        #expect(
            OptionVector.parse(octets("1e082fe1 8e087c8f")) == [.dss(DSS(dataACK: Self.ackB32))])
        // RFC 8684, 3.3: "a" without "A", "m" without "M".
        #expect(OptionVector.parse(octets("1e04200a")) == [.dss(DSS())])
        #expect(
            OptionVector.parse(octets("1e082009 8e087c8f")) == [.dss(DSS(dataACK: Self.ackB32))])
    }

    @Test(
        "a length that the flags deny makes the option unknown",
        arguments: [
            "1e0a2001 8e087c8f 0000", "1e0b2003 535beea38e087c",
            "1e0f2004 d29d6f73 00000001 0005 a2",
        ])
    func badLength(_ hex: String) {
        let bytes = octets(hex)
        #expect(
            OptionVector.parse(bytes) == [
                .unknown(subtype: 2, nibble: 0, bytes: Array(bytes.dropFirst(3)))
            ])
    }

    @Test("of two DSS options in a header the last one counts, also behind NOPs")
    func repeated() {
        let options = OptionVector.parse(octets("01 1e082001 00000001 01 1e082001 00000002"))
        #expect(options == [.dss(DSS(dataACK: .low32(2)))])
    }

    struct ChecksumCase: CustomTestStringConvertible, Sendable {
        let name: String
        let number: UInt64
        let subflow: UInt32
        let length: UInt16
        let payload: [UInt8]
        let dataSum: UInt16
        let checksum: UInt16
        var testDescription: String { name }
    }

    private static let request = Array("GET /handover HTTP/1.1\r\n\r\n".utf8)
    private static let rewritten = Array("GET /hijacked HTTP/1.1\r\n\r\n".utf8)

    static let checksumCases = [
        ChecksumCase(
            name: "C1", number: 0xf5a1_01d3_d29d_6f73, subflow: 1, length: 5,
            payload: Array("Hello".utf8), dataSum: 0x23d2, checksum: 0xa2a1),
        ChecksumCase(
            name: "C2", number: 0xf5a1_01d3_d29d_6f78, subflow: 6, length: 4,
            payload: Array("ABCD".utf8), dataSum: 0x8486, checksum: 0x41e4),
        ChecksumCase(
            name: "C3", number: 0xf5a1_01d3_d29d_6f73, subflow: 1, length: 1000,
            payload: (0..<1000).map { UInt8($0 % 251) }, dataSum: 0x2220, checksum: 0xa070),
        ChecksumCase(
            name: "C4, DATA_FIN alone", number: 0xf5a1_01d3_d29d_6f7c, subflow: 0, length: 1,
            payload: [], dataSum: 0, checksum: 0xc66f),
        ChecksumCase(
            name: "C5, DATA_FIN with data", number: 0xf5a1_01d3_d29d_6f73, subflow: 1, length: 6,
            payload: Array("Hello".utf8), dataSum: 0x23d2, checksum: 0xa2a0),
        ChecksumCase(
            name: "C6, v0", number: 0x3a95_ed6e_4ebb_4ad6, subflow: 1, length: 5,
            payload: Array("Hello".utf8), dataSum: 0x23d2, checksum: 0x1a92),
        ChecksumCase(
            name: "C7, carries", number: 0xffff_fffe, subflow: 0xffff_fff0, length: 4,
            payload: [0xff, 0xff, 0xff, 0xff], dataSum: 0xffff, checksum: 0x000c),
        ChecksumCase(
            name: "C8, zero data", number: 0, subflow: 1, length: 2, payload: [0, 0], dataSum: 0,
            checksum: 0xfffc),
        ChecksumCase(
            name: "C9, maximum", number: 0x0123_4567_89ab_cdef, subflow: 7, length: 65_535,
            payload: (0..<65_535).map { UInt8(truncatingIfNeeded: 7 * $0 + 3) }, dataSum: 0xbf43,
            checksum: 0xa28f),
        ChecksumCase(
            name: "a request", number: 0x4cce_3af5_47bc_d6b2, subflow: 1, length: 26,
            payload: request, dataSum: 0x8d4c, checksum: 0xcc65),
        ChecksumCase(
            name: "a request that a gateway rewrote without a change of length",
            number: 0x4cce_3af5_47bc_d6b2, subflow: 1, length: 26, payload: rewritten,
            dataSum: 0x793c, checksum: 0xe075),
        ChecksumCase(
            name: "odd length", number: 0x0102_0304_0506_0708, subflow: 17, length: 3,
            payload: Array("abc".utf8), dataSum: 0xc462, checksum: 0x2b75),
    ]

    @Test("checksum of pseudo-header and payload", arguments: checksumCases)
    func checksum(_ vector: ChecksumCase) {
        var sum = InternetChecksum()
        vector.payload.withUnsafeBytes { sum.add($0) }
        #expect(sum.folded == vector.dataSum)
        let checksum = DSSMapping.checksum(
            dataSequenceNumber: DataSequenceNumber(vector.number),
            subflowSequenceNumber: vector.subflow, length: vector.length, payloadSum: sum)
        #expect(checksum == vector.checksum)
    }

    @Test(
        "a 32-bit number becomes the nearest 64-bit one",
        arguments: [
            (
                0x1122_3344_5566_7788 as UInt64, 0x5566_7799 as UInt32,
                0x1122_3344_5566_7799 as UInt64
            ),
            (0x1_ffff_fff0, 0x0000_0010, 0x2_0000_0010),
            (0x2_0000_0010, 0xffff_fff0, 0x1_ffff_fff0),
            (0xffff_ffff_ffff_ffff, 0x0000_0005, 0x5),
            (0x5, 0xffff_fffb, 0xffff_ffff_ffff_fffb),
            (0x7fff_ffff, 0xffff_fffe, 0xffff_fffe),
            // As far behind as ahead: behind.
            (0x8000_0000, 0x0000_0000, 0x0000_0000),
            (0x1_8000_0000, 0x0000_0000, 0x1_0000_0000),
        ])
    func expansion(_ reference: UInt64, _ low: UInt32, _ expected: UInt64) {
        let reference = DataSequenceNumber(reference)
        #expect(
            DataNumber.low32(low).expanded(near: reference) == DataSequenceNumber(expected))
        #expect(
            DataNumber.full(expected).expanded(near: reference) == DataSequenceNumber(expected))
    }
}
