internal import Crypto
public import NetworkPrimitives
public import WireFormat

/// How keys become tokens, initial data sequence numbers and HMACs. Nothing outside this folder
/// computes one of them.
public enum HandshakeScheme: Hashable, Sendable {
    /// RFC 8684: SHA-256.
    case v1
    /// RFC 6824: SHA-1.
    case v0

    /// The protocol version that announces this scheme.
    public var version: MPTCPVersion {
        switch self {
        case .v1: .v1
        case .v0: .v0
        }
    }

    /// The token of a key: the leftmost 32 bits of its digest (RFC 8684, 3.2).
    public func token(of key: Key) -> Token {
        Token(UInt32(truncatingIfNeeded: digest(of: key, at: 0) >> 32))
    }

    /// The initial data sequence number: 64 bits of the key's digest (RFC 8684, 3.1; RFC 6824, 3.1).
    public func initialDataSequenceNumber(of key: Key) -> DataSequenceNumber {
        DataSequenceNumber(digest(of: key, at: self == .v1 ? 24 : 12))
    }

    /// The HMAC of MP_JOIN as the host with `localKey` computes it (RFC 8684, 3.2).
    public func joinHMAC(
        localKey: Key, remoteKey: Key, localNonce: UInt32, remoteNonce: UInt32
    ) -> HMAC160 {
        let code = authenticate(
            Self.bytes([UInt64(localNonce) << 32 | UInt64(remoteNonce)]),
            localKey: localKey, remoteKey: remoteKey)
        return HMAC160(
            high: Self.number(code[0..<8]), middle: Self.number(code[8..<16]),
            low: UInt32(truncatingIfNeeded: Self.number(code[16..<20])))
    }

    /// The rightmost 64 bits of the HMAC of an announcement (RFC 8684, 3.4.1). v1 only.
    public func addressHMAC(_ option: AddAddress, localKey: Key, remoteKey: Key) -> UInt64 {
        let code = authenticate(
            option.authenticatedBytes, localKey: localKey, remoteKey: remoteKey)
        return Self.number(code[(code.count - 8)...])
    }

    /// Computes one of each, for nothing: the first digest and the first HMAC of a process take half a
    /// millisecond, all others some microseconds. Call it before a handshake is timed.
    public func prepare() {
        _ = token(of: Key(0))
        _ = joinHMAC(localKey: Key(0), remoteKey: Key(0), localNonce: 0, remoteNonce: 0)
    }

    /// Eight octets of the key's digest, from this one on.
    private func digest(of key: Key, at offset: Int) -> UInt64 {
        func part(_ digest: UnsafeRawBufferPointer) -> UInt64 {
            UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        return withUnsafeBytes(of: key.rawValue.bigEndian) {
            switch self {
            case .v1: SHA256.hash(data: $0).withUnsafeBytes(part)
            case .v0: Insecure.SHA1.hash(data: $0).withUnsafeBytes(part)
            }
        }
    }

    func authenticate(_ message: [UInt8], localKey: Key, remoteKey: Key) -> [UInt8] {
        let key = SymmetricKey(data: Self.bytes([localKey.rawValue, remoteKey.rawValue]))
        return switch self {
        case .v1: Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
        case .v0: Array(HMAC<Insecure.SHA1>.authenticationCode(for: message, using: key))
        }
    }

    private static func bytes(_ values: [UInt64]) -> [UInt8] {
        values.map(\.bigEndian).withUnsafeBytes { Array($0) }
    }

    static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension HMAC160 {
    /// Compares without telling by its time where the difference lies.
    public func isEqualInConstantTime(to other: HMAC160) -> Bool {
        let difference =
            (high ^ other.high) | (middle ^ other.middle) | UInt64(low ^ other.low)
        return difference == 0
    }
}
