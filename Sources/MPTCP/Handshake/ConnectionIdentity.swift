public import NetworkPrimitives
public import WireFormat

/// Which protocol version a host offers and answers.
public enum VersionPolicy: String, Sendable, CaseIterable {
    /// RFC 8684.
    case v1 = "1"
    /// RFC 6824 only: for peers that know nothing else, and for tests.
    case v0 = "0"
    /// As a listener what the peer offers; as an opener version 1 first, version 0 for a peer that
    /// answered version 1 with plain TCP. An attacker can bid down to SHA-1: not the default.
    case any

    /// Whether a listener answers an offer of this scheme.
    public func accepts(_ scheme: HandshakeScheme) -> Bool {
        switch self {
        case .v1: scheme == .v1
        case .v0: scheme == .v0
        case .any: true
        }
    }
}

/// What a host gives a new connection that is to speak MPTCP.
public struct ConnectionIdentity: Sendable {
    /// The version, with its hash functions.
    public var scheme: HandshakeScheme
    /// This side's key.
    public var key: Key

    /// This version and key.
    public init(scheme: HandshakeScheme, key: Key) {
        self.scheme = scheme
        self.key = key
    }

    /// Draws a key whose token is free and not zero; `nil` after too many tries, and then the
    /// connection is plain TCP (RFC 8684, 3.1).
    public static func draw(
        _ scheme: HandshakeScheme, from generator: inout SeededGenerator,
        isTaken: (Token) -> Bool
    ) -> ConnectionIdentity? {
        for _ in 0..<attempts {
            let key = Key(generator.next())
            let token = scheme.token(of: key)
            if key.rawValue != 0, token.rawValue != 0, !isTaken(token) {
                return ConnectionIdentity(scheme: scheme, key: key)
            }
        }
        return nil
    }

    private static let attempts = 10
}

/// What the answer to the first SYN told about a peer.
public enum HandshakeOutcome: Sendable {
    /// It speaks the version that was offered.
    case multipath
    /// It answered an offer without MP_CAPABLE.
    case refused(HandshakeScheme)
    /// It answered only once the SYN carried no MP_CAPABLE.
    case blackhole
}

extension HandshakeScheme {
    /// The scheme that a SYN offers and `policy` accepts; a peer of a later version is answered
    /// with version 1 (RFC 8684, 3.1).
    public static func offered(by syn: TCPOptions, policy: VersionPolicy) -> HandshakeScheme? {
        [.v1, .v0].first { policy.accepts($0) && syn.capableOffer(of: $0) != nil }
    }
}

extension TCPOptions {
    private func capables(_ scheme: HandshakeScheme) -> [MPCapable] {
        // RFC 8684, 3.1: an unknown B flag or crypto algorithm makes the option void. C is a crypto
        // bit in version 0.
        let algorithms: UInt8 = scheme == .v1 ? 0x1f : 0x3f
        return mptcp.compactMap {
            guard case .capable(let capable) = $0, !capable.flags.contains(.extensibility),
                capable.flags.rawValue & algorithms == MPCapableFlags.hmac.rawValue
            else { return nil }
            return capable
        }
    }

    /// MP_CAPABLE of a SYN.
    func capableOffer(of scheme: HandshakeScheme) -> MPCapable? {
        capables(scheme).first {
            switch scheme {
            case .v1: $0.version >= 1 && $0.senderKey == nil
            case .v0: $0.version == 0 && $0.senderKey != nil && $0.receiverKey == nil
            }
        }
    }

    /// MP_CAPABLE of a SYN/ACK.
    func capableAnswer(of scheme: HandshakeScheme) -> MPCapable? {
        capables(scheme).first {
            $0.version == scheme.version.rawValue && $0.senderKey != nil && $0.receiverKey == nil
        }
    }

    /// MP_CAPABLE of the third packet, or of the first data (v1). Linux: length 20 iff no payload.
    func capableConfirmation(of scheme: HandshakeScheme, hasPayload: Bool) -> MPCapable? {
        capables(scheme).first {
            $0.version == scheme.version.rawValue && $0.receiverKey != nil
                && ($0.dataLength == nil || hasPayload && scheme == .v1)
        }
    }
}
