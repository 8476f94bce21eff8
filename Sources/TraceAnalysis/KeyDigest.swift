internal import Crypto
internal import NetworkPrimitives
internal import WireFormat

/// Tokens, initial data sequence numbers and HMACs from the keys of a capture. The analyser computes
/// them by itself: it judges the stack that made them.
struct KeyDigest {
    let version: MPTCPVersion

    /// RFC 8684, 3.2; RFC 6824, 3.2: the leftmost 32 bits of the digest.
    func token(of key: Key) -> Token {
        Token(UInt32(truncatingIfNeeded: Self.number(digest(of: key)[0..<4])))
    }

    /// RFC 8684, 3.1; RFC 6824, 3.1: the rightmost 64 bits of the digest.
    func initialDataSequenceNumber(of key: Key) -> DataSequenceNumber {
        DataSequenceNumber(Self.number(digest(of: key).suffix(8)))
    }

    /// RFC 8684, 3.2: the left 160 bits of the HMAC that the host with `senderKey` puts in MP_JOIN.
    func joinHMAC(
        senderKey: Key, receiverKey: Key, senderNonce: UInt32, receiverNonce: UInt32
    ) -> HMAC160 {
        let message = Self.bytes(UInt64(senderNonce) << 32 | UInt64(receiverNonce))
        let code = authenticate(message, senderKey, receiverKey)
        return HMAC160(
            high: Self.number(code[0..<8]), middle: Self.number(code[8..<16]),
            low: UInt32(truncatingIfNeeded: Self.number(code[16..<20])))
    }

    /// Whether the HMAC of a SYN/ACK of Fast Join as published is what the keys make: over the number
    /// of the SYN and the one of the SYN/ACK, by the receiver's key and then the sender's.
    func isValid(
        _ answer: MultiMobOption, to syn: MultiMobOption, senderKey: Key, receiverKey: Key
    ) -> Bool {
        let message: [UInt8]
        let claimed: UInt64
        switch (syn, answer) {
        case (.outSYN(_, _, _, let number, _, _, _), .outSYNACK(_, _, let hmac, .low32(let ack))):
            message = Self.bytes(UInt64(number) << 32 | UInt64(ack))
            claimed = hmac
        case (.outSYN(_, _, _, let number, _, _, _), .outSYNACK(_, _, let hmac, .full(let ack))):
            message = Self.bytes(UInt64(number)).suffix(4) + Self.bytes(ack)
            claimed = hmac
        case (.inSYN(_, _, _, let number, _), .inSYNACK(_, _, let hmac, let nonce)):
            message = Self.bytes(UInt64(number) << 32 | UInt64(nonce))
            claimed = hmac
        default: return false
        }
        return Self.number(authenticate(message, receiverKey, senderKey)[0..<8]) == claimed
    }

    private func digest(of key: Key) -> [UInt8] {
        let bytes = Self.bytes(key.rawValue)
        return switch version {
        case .v1: Array(SHA256.hash(data: bytes))
        case .v0: Array(Insecure.SHA1.hash(data: bytes))
        }
    }

    private func authenticate(_ message: [UInt8], _ senderKey: Key, _ receiverKey: Key) -> [UInt8] {
        let key = SymmetricKey(
            data: Self.bytes(senderKey.rawValue) + Self.bytes(receiverKey.rawValue))
        return switch version {
        case .v1: Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
        case .v0: Array(HMAC<Insecure.SHA1>.authenticationCode(for: message, using: key))
        }
    }

    private static func bytes(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
