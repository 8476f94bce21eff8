import MPTCP
import NetworkPrimitives
import Testing
import WireFormat

@Suite("Handshake schemes")
struct HandshakeSchemeTests {
    /// Keys and nonces of a connection and a join, and what follows from them.
    struct Vector: CustomTestStringConvertible, Sendable {
        let name: String
        let scheme: HandshakeScheme
        let keys: (a: Key, b: Key)
        let nonces: (a: UInt32, b: UInt32)
        let tokens: (a: UInt32, b: UInt32)
        let initial: (a: UInt64, b: UInt64)
        let hmacA: String
        let shortHMACB: UInt64

        var testDescription: String { name }
    }

    private static let keys1 = (a: Key(0x0102_0304_0506_0708), b: Key(0x1112_1314_1516_1718))
    private static let nonces1 = (a: 0xaabb_ccdd as UInt32, b: 0x1122_3344 as UInt32)
    private static let keys2 = (a: Key(0x4b3f_8a1e_77c2_d905), b: Key(0xe6a1_095f_3c7d_b842))
    private static let nonces2 = (a: 0x5d1c_03f7 as UInt32, b: 0x9e8a_642b as UInt32)
    private static let keys3 = (a: Key(1), b: Key(.max))
    private static let nonces3 = (a: 1 as UInt32, b: UInt32.max)

    /// The keys that the vectors of the extensions have in common.
    private static let common = (a: Key(0xa0a1_a2a3_a4a5_a6a7), b: Key(0xb0b1_b2b3_b4b5_b6b7))
    private static let commonNonces = (a: 0x0102_0304 as UInt32, b: 0x0a0b_0c0d as UInt32)

    static let vectors = [
        Vector(
            name: "S1 v1", scheme: .v1, keys: keys1, nonces: nonces1,
            tokens: (0x6684_0dda, 0xccad_45ac),
            initial: (0xf5a1_01d3_d29d_6f72, 0x535b_eea3_8e08_7c8e),
            hmacA: "c2986b9ffe33dedc10955fc5c9c31544e3ac05c0",
            shortHMACB: 0x72be_a43c_69c0_c206),
        Vector(
            name: "S1 v0", scheme: .v0, keys: keys1, nonces: nonces1,
            tokens: (0xdd57_83bc, 0x3383_d918),
            initial: (0x3a95_ed6e_4ebb_4ad5, 0x9e1a_e42f_7026_27a9),
            hmacA: "3078ffd36d649a00bf561db78fc17682317b5450",
            shortHMACB: 0x1628_a8ed_9003_b9ac),
        Vector(
            name: "S2 v1", scheme: .v1, keys: keys2, nonces: nonces2,
            tokens: (0x3501_08e0, 0x2c53_5019),
            initial: (0xc5d7_d63b_3f01_44fd, 0xa97c_8a0c_70e3_e239),
            hmacA: "9167c2e110882a62cbe6129191aec020b4db56bc",
            shortHMACB: 0x0a2a_9259_6ff5_0f15),
        Vector(
            name: "S2 v0", scheme: .v0, keys: keys2, nonces: nonces2,
            tokens: (0xfd19_3e5d, 0x5111_d4a2),
            initial: (0xf358_268e_70f2_3198, 0x3416_531f_2ae6_fca5),
            hmacA: "77023bd5cbac268e0388b39a4540b39c5860be1b",
            shortHMACB: 0x5f33_ec66_ceae_210d),
        Vector(
            name: "S3 v1", scheme: .v1, keys: keys3, nonces: nonces3,
            tokens: (0xcd26_6215, 0x12a3_ae44),
            initial: (0x19ec_5090_83d0_0a50, 0x57fb_595b_bbac_f0ca),
            hmacA: "4fb239e100e8972c3983bed7505753ad8dbfdcd4",
            shortHMACB: 0x0c6a_4992_3865_4244),
        Vector(
            name: "S3 v0", scheme: .v0, keys: keys3, nonces: nonces3,
            tokens: (0xcb47_3678, 0xbe67_3e8a),
            initial: (0x38f1_1011_007a_d27d, 0x8667_01c1_1ef8_e089),
            hmacA: "f5e84392573ec1825cff527700a1ad993a0bb93d",
            shortHMACB: 0xda5b_c030_d812_28b8),
        Vector(
            name: "common v1", scheme: .v1, keys: common, nonces: commonNonces,
            tokens: (0xebae_b334, 0x2239_b6e9),
            initial: (0x4cce_3af5_47bc_c329, 0x350e_debe_6dbc_1729),
            hmacA: "6ae3cdb311b3bff07ddcb6d2f0d2bcb8a3084be0",
            shortHMACB: 0x094f_022f_7aa0_ae33),
        Vector(
            name: "common v0", scheme: .v0, keys: common, nonces: commonNonces,
            tokens: (0x6ff5_544e, 0x8f9e_5d6d),
            initial: (0x843f_692f_9d2a_64c1, 0xf1e4_3ddc_a800_18b0),
            hmacA: "d4ae6d9ff3ba202cd8e1eb8585d6269ee5b5abef",
            shortHMACB: 0xc5f7_3f3f_28d1_4e9e),
    ]

    @Test("tokens and initial data sequence numbers", arguments: vectors)
    func keys(_ vector: Vector) {
        #expect(vector.scheme.token(of: vector.keys.a) == Token(vector.tokens.a))
        #expect(vector.scheme.token(of: vector.keys.b) == Token(vector.tokens.b))
        #expect(
            vector.scheme.initialDataSequenceNumber(of: vector.keys.a)
                == DataSequenceNumber(vector.initial.a))
        #expect(
            vector.scheme.initialDataSequenceNumber(of: vector.keys.b)
                == DataSequenceNumber(vector.initial.b))
    }

    @Test("HMACs of a join, the sender's key and nonce first", arguments: vectors)
    func joinHMAC(_ vector: Vector) {
        let hmacA = vector.scheme.joinHMAC(
            localKey: vector.keys.a, remoteKey: vector.keys.b, localNonce: vector.nonces.a,
            remoteNonce: vector.nonces.b)
        #expect(text(hmacA) == vector.hmacA)
        let hmacB = vector.scheme.joinHMAC(
            localKey: vector.keys.b, remoteKey: vector.keys.a, localNonce: vector.nonces.b,
            remoteNonce: vector.nonces.a)
        #expect(hmacB.high == vector.shortHMACB)
    }

    @Test(
        "the Linux kernel's own HMAC-SHA256 vectors, keys and nonces as ASCII",
        arguments: [
            ("0b0b0b0b0b0b0b0b", "48692054", "8385e24fb4235ac37556b6b886db106284a1da67"),
            ("aaaaaaaaaaaaaaaa", "dddddddd", "2c5e219164ff1dca1c4a92318d847bb6b9d44492"),
            ("0102030405060708", "cdcdcdcd", "e73b9ba9969969cefb04aa0d6df18ec2fcc075b6"),
        ])
    func kernelVectors(_ key: String, _ message: String, _ expected: String) {
        func number(_ text: some Collection<UInt8>) -> UInt64 {
            text.reduce(0) { $0 << 8 | UInt64($1) }
        }
        let hmac = HandshakeScheme.v1.joinHMAC(
            localKey: Key(number(key.utf8.prefix(8))),
            remoteKey: Key(number(key.utf8.dropFirst(8))),
            localNonce: UInt32(number(message.utf8.prefix(4))),
            remoteNonce: UInt32(number(message.utf8.dropFirst(4))))
        #expect(text(hmac) == expected)
    }

    struct Announcement: Sendable {
        let isFromA: Bool
        let identifier: UInt8
        let address: IPAddress
        let port: UInt16?
        let hmac: UInt64
    }

    private static let v4 = IPAddress.v4(0x0a00_0201)
    private static let v6 = IPAddress.v6(0x2001_0db8_0000_0000, 0x0000_0000_0002_0001)

    static let announcements = [
        Announcement(
            isFromA: true, identifier: 1, address: v4, port: nil, hmac: 0x014b_3007_310c_639c),
        Announcement(
            isFromA: true, identifier: 1, address: v4, port: 8080, hmac: 0xb08c_3eb9_1037_9895),
        Announcement(
            isFromA: true, identifier: 5, address: v6, port: nil, hmac: 0x3534_da53_a981_6556),
        Announcement(
            isFromA: true, identifier: 5, address: v6, port: 443, hmac: 0x4c23_6cb1_9834_fc39),
        Announcement(
            isFromA: false, identifier: 1, address: v4, port: nil, hmac: 0xd1f9_e67a_9a6a_6e2e),
        Announcement(
            isFromA: false, identifier: 1, address: v4, port: 8080, hmac: 0x14d0_05a8_47aa_4b56),
        Announcement(
            isFromA: false, identifier: 5, address: v6, port: nil, hmac: 0xaafa_4d08_4aaf_1630),
        Announcement(
            isFromA: false, identifier: 5, address: v6, port: 443, hmac: 0xa77e_694e_3b52_26c7),
    ]

    @Test("HMACs of announced addresses", arguments: announcements)
    func addressHMAC(_ vector: Announcement) {
        let option = AddAddress(
            addressID: AddressID(vector.identifier), address: vector.address, port: vector.port,
            form: .announcement(hmac: 0))
        let (a, b) = Self.keys1
        let hmac = HandshakeScheme.v1.addressHMAC(
            option, localKey: vector.isFromA ? a : b, remoteKey: vector.isFromA ? b : a)
        #expect(hmac == vector.hmac)
    }

    @Test("a difference in any part of an HMAC is noticed")
    func constantTimeComparison() {
        let hmac = HMAC160(high: 1, middle: 2, low: 3)
        #expect(hmac.isEqualInConstantTime(to: hmac))
        for other in [
            HMAC160(high: 1 | 1 << 63, middle: 2, low: 3), HMAC160(high: 1, middle: 3, low: 3),
            HMAC160(high: 1, middle: 2, low: 3 | 1 << 31),
        ] {
            #expect(!hmac.isEqualInConstantTime(to: other))
        }
    }

    private func text(_ hmac: HMAC160) -> String {
        func digits(_ value: UInt64, _ count: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: count - text.count) + text
        }
        return digits(hmac.high, 16) + digits(hmac.middle, 16) + digits(UInt64(hmac.low), 8)
    }
}
