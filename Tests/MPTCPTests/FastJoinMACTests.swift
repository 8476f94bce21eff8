import MPTCP
import NetworkPrimitives
import Testing
import WireFormat

/// The vectors of fast-join, section 7.
@Suite("MACs of fast joins")
struct FastJoinMACTests {
    static let joiner = Key(0xa0a1_a2a3_a4a5_a6a7)
    static let acceptor = Key(0xb0b1_b2b3_b4b5_b6b7)
    static let payload = Array("GET /handover HTTP/1.1\r\n\r\n".utf8)
    static let message = FastJoinMessage(
        purpose: .data, token: Token(0x2239_b6e9), nonce: 0x0102_0304, addressID: AddressID(2),
        isBackup: false, number: DataSequenceNumber(0x4cce_3af5_47bc_d6b2))

    private func mac(
        _ payload: [UInt8] = payload, isSwapped: Bool = false,
        _ change: (inout FastJoinMessage) -> Void = { _ in }
    ) -> UInt64 {
        var message = Self.message
        change(&message)
        return HandshakeScheme.v1.fastJoinMAC(
            message, payload: payload, joinerKey: isSwapped ? Self.acceptor : Self.joiner,
            acceptorKey: isSwapped ? Self.joiner : Self.acceptor)
    }

    @Test func data() {
        #expect(Self.payload.count == 26)
        #expect(mac() == 0xc031_a59b_c6aa_6bd0)
        var flipped = Self.payload
        flipped[25] ^= 1
        #expect(mac(flipped) == 0x9d25_d515_182e_6886)
        #expect(mac(isSwapped: true) == 0xedc8_143a_e721_21a2)
    }

    @Test func resume() {
        let mac = mac([]) {
            $0.purpose = .resume
            $0.number = DataSequenceNumber(0x350e_debe_6dbd_f96a)
        }
        #expect(mac == 0x15b6_f929_65c7_b43b)
    }

    /// Whatever the message says is covered.
    @Test func everyFieldCounts() {
        let changes: [(inout FastJoinMessage) -> Void] = [
            { $0.purpose = .resume }, { $0.token = Token(0x2239_b6e8) }, { $0.nonce ^= 1 },
            { $0.addressID = AddressID(3) }, { $0.isBackup = true },
            { $0.isFollowedByFIN = true },
            { $0.number = DataSequenceNumber(0x4cce_3af6_47bc_d6b2) },
        ]
        let all = changes.map { mac(Self.payload, $0) } + [mac()]
        #expect(Set(all).count == changes.count + 1)
    }

    /// Fast Join as published: token and HMAC of one version.
    @Test(arguments: [
        (
            HandshakeScheme.v1, UInt32(0x2239_b6e9), UInt64(0xa9d5_7081),
            UInt64(0x5dce_18c9_ac03_7c99), UInt64(0x9160_4bff_f66a_7bcd),
            UInt64(0x9562_521c_128d_290d)
        ),
        (
            .v0, 0x8f9e_5d6d, 0xb0a8_a79b, 0x7293_7002_3835_6ab4, 0xb346_0caf_36ce_b574,
            0x3788_3d9e_15f0_cbaf
        ),
    ])
    func published(
        scheme: HandshakeScheme, token: UInt32, out: UInt64, outAnswer: UInt64, into: UInt64,
        inAnswer: UInt64
    ) {
        #expect(scheme.token(of: Self.acceptor) == Token(token))
        func up(_ number: UInt32) -> UInt64 {
            scheme.multimobHMAC(token, .low32(number), from: Self.joiner, to: Self.acceptor)
        }
        func down(_ first: UInt32, _ second: UInt32) -> UInt64 {
            scheme.multimobHMAC(first, .low32(second), from: Self.acceptor, to: Self.joiner)
        }
        #expect(up(0x47bc_d6b2) >> 32 == out)
        #expect(up(0x6dbd_f96a) == into)
        #expect(down(0x47bc_d6b2, 0x47bc_d6cc) == outAnswer)
        #expect(down(0x6dbd_f96a, 0x0a0b_0c0d) == inAnswer)
    }

    /// The checksum of Out is that of a DSS for subflow sequence number 1.
    @Test func publishedChecksum() {
        var sum = InternetChecksum()
        Self.payload.withUnsafeBytes { sum.add($0) }
        let checksum = DSSMapping.checksum(
            dataSequenceNumber: Self.message.number, subflowSequenceNumber: 1, length: 26,
            payloadSum: sum)
        #expect(checksum == 0xcc65)
    }
}
