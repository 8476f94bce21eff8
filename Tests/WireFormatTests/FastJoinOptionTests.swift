import NetworkPrimitives
import Testing
import WireFormat

@Suite("Fast join options")
struct FastJoinOptionTests {
    static let vectors = [
        OptionVector(
            "CAPS", "1e08f003464a0716",
            .fastJoin(
                .capabilities([.data, .resume, .statelessACK], maximumPayloadUnits: 0x16))),
        OptionVector(
            "FJ-DATA", "1e12f001464a47bcd6b2c031a59bc6aa6bd0",
            .fastJoin(
                .data(
                    isFollowedByFIN: false, dataSequenceNumber: 0x47bc_d6b2,
                    mac: 0xc031_a59b_c6aa_6bd0))),
        OptionVector(
            "FJ-DATA before DATA_FIN", "1e12f101464a47bcd6b2c031a59bc6aa6bd0",
            .fastJoin(
                .data(
                    isFollowedByFIN: true, dataSequenceNumber: 0x47bc_d6b2,
                    mac: 0xc031_a59b_c6aa_6bd0))),
        OptionVector(
            "FJ-RESUME", "1e12f002464a6dbdf96a15b6f92965c7b43b",
            .fastJoin(.resume(dataACK: 0x6dbd_f96a, mac: 0x15b6_f929_65c7_b43b))),
        OptionVector(
            "CAPS with idle signal", "1e08f003464a9816",
            .fastJoin(
                .capabilities([.earlyData, .idleSignal, .received], maximumPayloadUnits: 0x16))),
        OptionVector("RTO-REQUEST", "1e06f004464a", .fastJoin(.timeoutRequest)),
        OptionVector(
            "RTO of 200 ms", "1e0af005464a00030d40",
            .fastJoin(.timeout(microseconds: 200_000))),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    /// Another identifier, operation or length is somebody else's experiment.
    @Test(arguments: [
        "1e08f003464b0716", "1e08f004464a0716", "1e09f003464a071600",
        "1e11f001464a47bcd6b2c031a59bc6aa6b", "1e03f0", "1e05f00146",
        "1e06f005464a", "1e0af004464a00030d40", "1e09f005464a00030d", "1e06f006464a",
    ])
    func othersAreKept(_ hex: String) {
        let bytes = octets(hex)
        guard case .unknown(0xf, _, _)? = OptionVector.parse(bytes).first else {
            Issue.record("not unknown")
            return
        }
        #expect(hexadecimal(OptionVector.encode(OptionVector.parse(bytes)[0])) == hex)
    }

    /// The whole option area of a SYN takes all of the forty octets.
    @Test func optionAreaOfSYN() {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_460
        options.isSACKPermitted = true
        options.windowScale = 7
        options.mptcp = [
            .join(
                .syn(
                    isBackup: false, addressID: AddressID(2), token: Token(0x2239_b6e9),
                    nonce: 0x0102_0304)),
            .fastJoin(
                .data(
                    isFollowedByFIN: false, dataSequenceNumber: 0x47bc_d6b2,
                    mac: 0xc031_a59b_c6aa_6bd0)),
        ]
        let area =
            "020405b40402030307011e0c10022239b6e9010203041e12f001464a47bcd6b2c031a59bc6aa6bd0"
        #expect(hexadecimal(encoded(count: 40) { options.encode(into: &$0) }) == area)
        #expect(octets(area).withUnsafeBytes { TCPOptions(parsing: $0) } == options)
    }

    /// DATA_ACK stands beside MP_JOIN on the SYN/ACK that takes a fast join.
    @Test func optionAreaOfSYNACK() {
        let area = "020405b40402030307011e101003094f022f7aa0ae330a0b0c0d1e08200147bcd6cc"
        let options = octets(area + "0101").withUnsafeBytes { TCPOptions(parsing: $0) }
        #expect(options.dss == DSS(dataACK: .low32(0x47bc_d6cc)))
        #expect(
            options.mptcp == [
                .join(
                    .synACK(
                        isBackup: false, addressID: AddressID(3), hmac: 0x094f_022f_7aa0_ae33,
                        nonce: 0x0a0b_0c0d))
            ])
        var full = options
        full.dss = DSS(dataACK: .full(0x4cce_3af5_47bc_d6cc))
        #expect(full.fits)
        #expect(full.encodedLength == 40)
    }
}
