internal import NetworkPrimitives

/// Fast Join as it was published (fast-join, 2.1 and 2.2): the whole join in SYN and SYN/ACK, without
/// MP_JOIN. IANA has not assigned its subtypes, 0xA (Out: the joiner has data) and 0x9 (In: it waits
/// for the peer's); only ends that are told to speak it act on them.
public enum MultiMobOption: Hashable, Sendable {
    /// Out on the SYN, whose payload starts at the data sequence number with these low 32 bits;
    /// `checksum` is that of a DSS for subflow sequence number 1.
    case outSYN(
        isBackup: Bool, addressID: AddressID, token: Token, dataSequenceNumber: UInt32,
        hmac: UInt32, length: UInt16, checksum: UInt16)
    /// Out on the SYN/ACK: what the SYN brought is in the DATA_ACK.
    case outSYNACK(isBackup: Bool, addressID: AddressID, hmac: UInt64, dataACK: DataNumber)
    /// In on the SYN: everything before the data sequence number with these low 32 bits has arrived.
    case inSYN(isBackup: Bool, addressID: AddressID, token: Token, dataACK: UInt32, hmac: UInt64)
    /// In on the SYN/ACK, with a number drawn at random.
    case inSYNACK(isBackup: Bool, addressID: AddressID, hmac: UInt64, nonce: UInt32)

    static let outSubtype: UInt8 = 0xa
    static let inSubtype: UInt8 = 0x9
    /// In the nibble beside the subtype.
    private static let backup: UInt8 = 1
    private static let longDataACK: UInt8 = 2

    var subtype: UInt8 {
        switch self {
        case .outSYN, .outSYNACK: Self.outSubtype
        case .inSYN, .inSYNACK: Self.inSubtype
        }
    }

    var encodedLength: Int {
        switch self {
        case .outSYN, .inSYN: 20
        case .outSYNACK(_, _, _, let dataACK): 12 + dataACK.byteCount
        case .inSYNACK: 16
        }
    }

    var nibble: UInt8 {
        switch self {
        case .outSYN(let isBackup, _, _, _, _, _, _), .inSYN(let isBackup, _, _, _, _),
            .inSYNACK(let isBackup, _, _, _):
            isBackup ? Self.backup : 0
        case .outSYNACK(let isBackup, _, _, let dataACK):
            (isBackup ? Self.backup : 0) | (dataACK.byteCount == 8 ? Self.longDataACK : 0)
        }
    }

    /// Reads what stands behind the octet of subtype and flags. Both forms of Out have 20 octets when
    /// the DATA_ACK has 8: the flag that says so tells them apart.
    init?(subtype: UInt8, nibble: UInt8, parsing body: inout ByteReader) throws(ParseError) {
        let isLong = nibble & Self.longDataACK != 0
        let isBackup = nibble & Self.backup != 0
        switch (subtype, body.remaining, isLong) {
        case (Self.outSubtype, 17, false):
            self = .outSYN(
                isBackup: isBackup, addressID: AddressID(try body.readUInt8()),
                token: Token(try body.readUInt32()), dataSequenceNumber: try body.readUInt32(),
                hmac: try body.readUInt32(), length: try body.readUInt16(),
                checksum: try body.readUInt16())
        case (Self.outSubtype, 17, true), (Self.outSubtype, 13, false):
            self = .outSYNACK(
                isBackup: isBackup, addressID: AddressID(try body.readUInt8()),
                hmac: try body.readUInt64(),
                dataACK: isLong ? .full(try body.readUInt64()) : .low32(try body.readUInt32()))
        case (Self.inSubtype, 17, _):
            self = .inSYN(
                isBackup: isBackup, addressID: AddressID(try body.readUInt8()),
                token: Token(try body.readUInt32()), dataACK: try body.readUInt32(),
                hmac: try body.readUInt64())
        case (Self.inSubtype, 13, _):
            self = .inSYNACK(
                isBackup: isBackup, addressID: AddressID(try body.readUInt8()),
                hmac: try body.readUInt64(), nonce: try body.readUInt32())
        default: return nil
        }
    }

    /// Writes what stands behind the octet of subtype and flags.
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .outSYN(_, let addressID, let token, let number, let hmac, let length, let checksum):
            writer.write(addressID.rawValue)
            writer.write(token.rawValue)
            writer.write(number)
            writer.write(hmac)
            writer.write(length)
            writer.write(checksum)
        case .outSYNACK(_, let addressID, let hmac, let dataACK):
            writer.write(addressID.rawValue)
            writer.write(hmac)
            switch dataACK {
            case .low32(let number): writer.write(number)
            case .full(let number): writer.write(number)
            }
        case .inSYN(_, let addressID, let token, let dataACK, let hmac):
            writer.write(addressID.rawValue)
            writer.write(token.rawValue)
            writer.write(dataACK)
            writer.write(hmac)
        case .inSYNACK(_, let addressID, let hmac, let nonce):
            writer.write(addressID.rawValue)
            writer.write(hmac)
            writer.write(nonce)
        }
    }
}
