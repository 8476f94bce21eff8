import NetworkPrimitives
import Testing
import WireFormat

@Suite("mp_capable")
struct MPCapableTests {
    static let vectors = [
        OptionVector("v1 SYN", "1e040101", .capable(MPCapable())),
        OptionVector(
            "v1 SYN/ACK", "1e0c0101 1112131415161718",
            .capable(MPCapable(senderKey: KeySetS1.keyB))),
        OptionVector(
            "v1 ACK", "1e140101 0102030405060708 1112131415161718",
            .capable(MPCapable(senderKey: KeySetS1.keyA, receiverKey: KeySetS1.keyB))),
        OptionVector(
            "v1 ACK and five octets", "1e160101 0102030405060708 1112131415161718 0005",
            .capable(
                MPCapable(
                    senderKey: KeySetS1.keyA, receiverKey: KeySetS1.keyB, dataLength: 5))),
        OptionVector(
            "v1 ACK and five octets with checksum",
            "1e180181 0102030405060708 1112131415161718 0005a2a1",
            .capable(
                MPCapable(
                    flags: [.checksumRequired, .hmac], senderKey: KeySetS1.keyA,
                    receiverKey: KeySetS1.keyB, dataLength: 5, checksum: 0xa2a1))),
        OptionVector(
            "v1 SYN that denies its address", "1e040121",
            .capable(MPCapable(flags: [.denyInitialAddress, .hmac]))),
        OptionVector(
            "v0 SYN", "1e0c0001 0102030405060708",
            .capable(MPCapable(version: .v0, senderKey: KeySetS1.keyA))),
        OptionVector(
            "v0 SYN/ACK", "1e0c0001 1112131415161718",
            .capable(MPCapable(version: .v0, senderKey: KeySetS1.keyB))),
        OptionVector(
            "v0 ACK", "1e140001 0102030405060708 1112131415161718",
            .capable(
                MPCapable(version: .v0, senderKey: KeySetS1.keyA, receiverKey: KeySetS1.keyB))),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    @Test("versions and flags that nobody speaks yet are kept for the negotiation")
    func unknownVersion() throws {
        var capable = MPCapable(flags: [.extensibility, .hmac])
        capable.version = 7
        #expect(OptionVector.parse(octets("1e040741")) == [.capable(capable)])
    }

    @Test(
        "lengths that no form has are unknown options",
        arguments: [
            "1e050101 00", "1e0b0101 11121314151617",
            "1e150101" + String(repeating: "00", count: 17),
        ])
    func badLength(_ hex: String) {
        let bytes = octets(hex)
        #expect(
            OptionVector.parse(bytes) == [
                .unknown(subtype: 0, nibble: 1, bytes: Array(bytes.dropFirst(3)))
            ])
    }
}

@Suite("mp_join")
struct MPJoinTests {
    static let vectors = [
        OptionVector(
            "v1 SYN", "1e0c1002 ccad45ac aabbccdd",
            .join(
                .syn(
                    isBackup: false, addressID: AddressID(2), token: KeySetS1.tokenB,
                    nonce: KeySetS1.nonceA))),
        OptionVector(
            "v1 SYN, backup", "1e0c1102 ccad45ac aabbccdd",
            .join(
                .syn(
                    isBackup: true, addressID: AddressID(2), token: KeySetS1.tokenB,
                    nonce: KeySetS1.nonceA))),
        OptionVector(
            "v1 SYN/ACK", "1e101000 72bea43c69c0c206 11223344",
            .join(
                .synACK(
                    isBackup: false, addressID: .initial, hmac: 0x72be_a43c_69c0_c206,
                    nonce: KeySetS1.nonceB))),
        OptionVector(
            "v1 SYN/ACK, backup", "1e101103 72bea43c69c0c206 11223344",
            .join(
                .synACK(
                    isBackup: true, addressID: AddressID(3), hmac: 0x72be_a43c_69c0_c206,
                    nonce: KeySetS1.nonceB))),
        OptionVector(
            "v1 ACK", "1e181000 c2986b9ffe33dedc10955fc5c9c31544e3ac05c0",
            .join(
                .ack(
                    hmac: HMAC160(
                        high: 0xc298_6b9f_fe33_dedc, middle: 0x1095_5fc5_c9c3_1544,
                        low: 0xe3ac_05c0)))),
        OptionVector(
            "v0 SYN", "1e0c1002 3383d918 aabbccdd",
            .join(
                .syn(
                    isBackup: false, addressID: AddressID(2), token: Token(0x3383_d918),
                    nonce: KeySetS1.nonceA))),
        OptionVector(
            "v0 SYN, backup", "1e0c1102 3383d918 aabbccdd",
            .join(
                .syn(
                    isBackup: true, addressID: AddressID(2), token: Token(0x3383_d918),
                    nonce: KeySetS1.nonceA))),
        OptionVector(
            "v0 SYN/ACK", "1e101000 1628a8ed9003b9ac 11223344",
            .join(
                .synACK(
                    isBackup: false, addressID: .initial, hmac: 0x1628_a8ed_9003_b9ac,
                    nonce: KeySetS1.nonceB))),
        OptionVector(
            "v0 ACK", "1e181000 3078ffd36d649a00bf561db78fc17682317b5450",
            .join(
                .ack(
                    hmac: HMAC160(
                        high: 0x3078_ffd3_6d64_9a00, middle: 0xbf56_1db7_8fc1_7682,
                        low: 0x317b_5450)))),
        OptionVector(
            "common keys, SYN", "1e0c1002 2239b6e9 01020304",
            .join(
                .syn(
                    isBackup: false, addressID: AddressID(2), token: Token(0x2239_b6e9),
                    nonce: 0x0102_0304))),
        OptionVector(
            "common keys, SYN/ACK", "1e101003 094f022f7aa0ae33 0a0b0c0d",
            .join(
                .synACK(
                    isBackup: false, addressID: AddressID(3), hmac: 0x094f_022f_7aa0_ae33,
                    nonce: 0x0a0b_0c0d))),
        OptionVector(
            "common keys, ACK", "1e181000 6ae3cdb311b3bff07ddcb6d2f0d2bcb8a3084be0",
            .join(
                .ack(
                    hmac: HMAC160(
                        high: 0x6ae3_cdb3_11b3_bff0, middle: 0x7ddc_b6d2_f0d2_bcb8,
                        low: 0xa308_4be0)))),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    @Test("reserved bits are ignored")
    func reservedBits() {
        // RFC 8684, 3.2: the bits beside B, and octet 3 of the third packet.
        #expect(
            OptionVector.parse(octets("1e0c1f02 ccad45ac aabbccdd"))
                == OptionVector.parse(octets("1e0c1102 ccad45ac aabbccdd")))
        #expect(
            OptionVector.parse(octets("1e181fff c2986b9ffe33dedc10955fc5c9c31544e3ac05c0"))
                == OptionVector.parse(
                    octets("1e181000 c2986b9ffe33dedc10955fc5c9c31544e3ac05c0")))
    }
}
