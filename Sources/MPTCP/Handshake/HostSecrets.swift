internal import Crypto
public import NetworkPrimitives

/// Where a host's keys, sequence numbers, timestamp offsets, nonces and ports come from: HMAC-SHA256 of
/// the host's secret. Whoever sees some of them, as each peer does, learns nothing about the others;
/// the same seed gives the same numbers.
public struct HostSecrets: Sendable {
    /// What one connection gets.
    public struct Drawn: Sendable {
        /// Its key, and further ones while the token of a key is taken.
        public var keys: SeededGenerator
        /// For its nonces, joins and their ports.
        public var connection: SeededGenerator
        /// For its port.
        public var port: UInt64
    }

    /// What each digest is for.
    private enum Purpose: UInt8 {
        case tuple, connection, cookies
    }

    /// The secret of Fast Open cookies.
    public let cookies: UInt64
    /// Keyed already: half of its work is done once.
    private let mac: HMAC<SHA256>
    private var counter: UInt64 = 0

    /// The secrets of this seed, which a real host draws from the kernel's generator.
    public init(seed: UInt64) {
        mac = HMAC(key: SymmetricKey(data: withUnsafeBytes(of: seed.bigEndian) { Array($0) }))
        cookies = Self.digest([Purpose.cookies.rawValue], mac).0
    }

    /// Numbers that nobody got before.
    public mutating func draw() -> Drawn {
        counter += 1
        var message = [Purpose.connection.rawValue]
        message.append(bigEndian: counter)
        let digest = Self.digest(message, mac)
        return Drawn(
            keys: SeededGenerator(seed: digest.0), connection: SeededGenerator(seed: digest.1),
            port: digest.2)
    }

    /// The initial sequence number of a tuple: a clock of four microseconds plus a keyed function
    /// (RFC 6528, 3), and its timestamp offset (RFC 7323, 5.4).
    public func subflow(_ tuple: FourTuple, now: Instant) -> SubflowSecrets {
        var message = [Purpose.tuple.rawValue]
        message.reserveCapacity(64)
        for endpoint in [tuple.local, tuple.remote] {
            switch endpoint.address {
            case .v4(let value): message.append(bigEndian: UInt64(value))
            case .v6(let high, let low):
                message.append(bigEndian: high)
                message.append(bigEndian: low)
            }
            message.append(bigEndian: UInt64(endpoint.port))
        }
        let digest = Self.digest(message, mac).0
        let clock = UInt32(truncatingIfNeeded: now.nanoseconds / 4_000)
        return SubflowSecrets(
            initialSequence: SequenceNumber(UInt32(truncatingIfNeeded: digest >> 32) &+ clock),
            timestampOffset: UInt32(truncatingIfNeeded: digest))
    }

    private static func digest(
        _ message: [UInt8], _ keyed: HMAC<SHA256>
    ) -> (UInt64, UInt64, UInt64) {
        var mac = keyed
        mac.update(data: message)
        return mac.finalize().withUnsafeBytes {
            (
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            )
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian value: UInt64) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
