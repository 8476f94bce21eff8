import NetworkPrimitives
import Testing
import WireFormat

/// Fast Join as published: the vectors of fast-join, section 7.
@Suite("Fast Join Out and In")
struct MultiMobOptionTests {
    private static func out(_ token: UInt32, _ hmac: UInt32) -> MPTCPOption {
        .multimob(
            .outSYN(
                isBackup: false, addressID: AddressID(2), token: Token(token),
                dataSequenceNumber: 0x47bc_d6b2, hmac: hmac, length: 26, checksum: 0xcc65))
    }

    private static func into(_ token: UInt32, _ hmac: UInt64) -> MPTCPOption {
        .multimob(
            .inSYN(
                isBackup: false, addressID: AddressID(2), token: Token(token),
                dataACK: 0x6dbd_f96a, hmac: hmac))
    }

    private static func outAnswer(_ hmac: UInt64, _ dataACK: DataNumber) -> MPTCPOption {
        .multimob(
            .outSYNACK(isBackup: false, addressID: AddressID(3), hmac: hmac, dataACK: dataACK))
    }

    private static func inAnswer(_ hmac: UInt64, isBackup: Bool = false) -> MPTCPOption {
        .multimob(
            .inSYNACK(
                isBackup: isBackup, addressID: AddressID(3), hmac: hmac, nonce: 0x0a0b_0c0d))
    }

    static let vectors = [
        OptionVector(
            "Out SYN, v1", "1e14a0022239b6e947bcd6b2a9d57081001acc65",
            out(0x2239_b6e9, 0xa9d5_7081)),
        OptionVector(
            "Out SYN, v0", "1e14a0028f9e5d6d47bcd6b2b0a8a79b001acc65",
            out(0x8f9e_5d6d, 0xb0a8_a79b)),
        OptionVector(
            "Out SYN/ACK, v1", "1e10a0035dce18c9ac037c9947bcd6cc",
            outAnswer(0x5dce_18c9_ac03_7c99, .low32(0x47bc_d6cc))),
        OptionVector(
            "Out SYN/ACK, v0", "1e10a0037293700238356ab447bcd6cc",
            outAnswer(0x7293_7002_3835_6ab4, .low32(0x47bc_d6cc))),
        OptionVector(
            "Out SYN/ACK with a DATA_ACK of eight octets",
            "1e14a2035dce18c9ac037c994cce3af547bcd6cc",
            outAnswer(0x5dce_18c9_ac03_7c99, .full(0x4cce_3af5_47bc_d6cc))),
        OptionVector(
            "In SYN, v1", "1e1490022239b6e96dbdf96a91604bfff66a7bcd",
            into(0x2239_b6e9, 0x9160_4bff_f66a_7bcd)),
        OptionVector(
            "In SYN, v0", "1e1490028f9e5d6d6dbdf96ab3460caf36ceb574",
            into(0x8f9e_5d6d, 0xb346_0caf_36ce_b574)),
        OptionVector(
            "In SYN/ACK, v1", "1e1090039562521c128d290d0a0b0c0d",
            inAnswer(0x9562_521c_128d_290d)),
        OptionVector(
            "In SYN/ACK of a backup", "1e1091039562521c128d290d0a0b0c0d",
            inAnswer(0x9562_521c_128d_290d, isBackup: true)),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    /// Every length but the right ones is somebody else's option, kept as it came: the subtypes are
    /// not assigned.
    @Test(arguments: [UInt8(9), 10], 3...38)
    func otherLengths(subtype: UInt8, length: Int) {
        let bytes =
            [30, UInt8(length), subtype << 4] + (0..<(length - 3)).map { UInt8(0x40 + $0) }
        let parsed = OptionVector.parse(bytes)
        switch parsed.first {
        case .multimob?: #expect(length == 16 || length == 20)
        case .unknown(subtype, 0, _)?: #expect(length != 16 && length != 20)
        default: Issue.record("\(parsed)")
        }
        #expect(parsed.map { OptionVector.encode($0) } == [bytes])
    }

    /// The thesis's sum: MSS, SACK permitted, window scale and timestamps leave room for it.
    @Test func fitsBesideAllOthers() {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_460
        options.isSACKPermitted = true
        options.windowScale = 7
        options.timestamps = Timestamps(value: 1, echo: 2)
        options.mptcp = [Self.out(1, 2)]
        #expect(options.fits)
    }
}
