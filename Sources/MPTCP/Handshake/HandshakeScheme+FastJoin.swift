internal import Crypto
public import NetworkPrimitives
public import WireFormat

/// What the MAC of FJ-DATA or FJ-RESUME covers beside the payload (fast-join, 5.2).
public struct FastJoinMessage: Sendable {
    /// What the option is for.
    public enum Purpose: Sendable {
        /// FJ-DATA.
        case data
        /// FJ-RESUME.
        case resume
    }

    /// What the option is for.
    public var purpose: Purpose
    /// The token of the MP_JOIN on the same SYN.
    public var token: Token
    /// Its nonce.
    public var nonce: UInt32
    /// Its address ID.
    public var addressID: AddressID
    /// Its backup flag.
    public var isBackup: Bool
    /// Whether DATA_FIN follows the payload.
    public var isFollowedByFIN: Bool
    /// The 64-bit data sequence number of the first octet, or the DATA_ACK.
    public var number: DataSequenceNumber

    /// A message of these parts.
    public init(
        purpose: Purpose, token: Token, nonce: UInt32, addressID: AddressID, isBackup: Bool,
        isFollowedByFIN: Bool = false, number: DataSequenceNumber
    ) {
        self.purpose = purpose
        self.token = token
        self.nonce = nonce
        self.addressID = addressID
        self.isBackup = isBackup
        self.isFollowedByFIN = isFollowedByFIN
        self.number = number
    }

    /// What is authenticated.
    func bytes(payload: [UInt8]) -> [UInt8] {
        var bytes = Array((purpose == .data ? "MPTCP-FJ1" : "MPTCP-FR1").utf8)
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
        }
        append(token.rawValue)
        append(nonce)
        append(addressID.rawValue)
        append(UInt8(isBackup ? 0x10 : 0) | UInt8(isFollowedByFIN ? 1 : 0))
        append(number.rawValue)
        append(UInt16(payload.count))
        bytes.append(contentsOf: payload)
        return bytes
    }
}

extension HandshakeScheme {
    /// The MAC of a SYN's payload and options, by the joiner's key and then the acceptor's.
    public func fastJoinMAC(
        _ message: FastJoinMessage, payload: [UInt8], joinerKey: Key, acceptorKey: Key
    ) -> UInt64 {
        let code = authenticate(
            message.bytes(payload: payload), localKey: joinerKey, remoteKey: acceptorKey)
        return Self.number(code[0..<8])
    }

    /// The leftmost 64 bits of an HMAC of Fast Join as published, over two numbers of its option
    /// (fast-join, 2.1 and 2.2): by the addressee's key and then the sender's.
    public func multimobHMAC(
        _ first: UInt32, _ second: DataNumber, from sender: Key, to addressee: Key
    ) -> UInt64 {
        var message: [UInt8] = []
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.bigEndian) { message.append(contentsOf: $0) }
        }
        append(first)
        switch second {
        case .low32(let value): append(value)
        case .full(let value): append(value)
        }
        return Self.number(
            authenticate(message, localKey: addressee, remoteKey: sender)[0..<8])
    }
}
