internal import NetworkPrimitives

extension MPTCPOption {
    /// Reads an option from behind its length octet to the end of `body`.
    ///
    /// A subtype or length that is not in the tables becomes `.unknown` (mptcp-wire, 1.2).
    @inline(__always)
    init(parsing body: inout ByteReader) throws(ParseError) {
        let octet = try body.readUInt8()
        let subtype = octet >> 4
        if subtype == 2 {
            if body.remaining >= 1, let dss = Self.parseDSS(body) {
                self = .dss(dss)
                return
            }
        } else if let known = Self.parse(subtype: subtype, nibble: octet & 0xf, body) {
            self = known
            return
        }
        self = .unknown(
            subtype: subtype, nibble: octet & 0xf, bytes: try body.readBytes(body.remaining))
    }

    @inline(__always)
    private static func parseDSS(_ body: ByteReader) -> DSS? {
        var body = body
        return try? DSS(parsingBody: &body)
    }

    private static func parse(subtype: UInt8, nibble: UInt8, _ body: ByteReader) -> MPTCPOption? {
        var body = body
        do throws(ParseError) {
            switch (subtype, body.remaining) {
            case (0, 1), (0, 9), (0, 17), (0, 19), (0, 21):
                return .capable(try parseCapable(version: nibble, &body))
            case (1, 9):
                return .join(
                    .syn(
                        isBackup: nibble & 1 != 0, addressID: AddressID(try body.readUInt8()),
                        token: Token(try body.readUInt32()), nonce: try body.readUInt32()))
            case (1, 13):
                return .join(
                    .synACK(
                        isBackup: nibble & 1 != 0, addressID: AddressID(try body.readUInt8()),
                        hmac: try body.readUInt64(), nonce: try body.readUInt32()))
            case (1, 21):
                try body.skip(1)
                return .join(
                    .ack(
                        hmac: HMAC160(
                            high: try body.readUInt64(), middle: try body.readUInt64(),
                            low: try body.readUInt32())))
            case (3, _):
                return try parseAddAddress(nibble: nibble, &body).map(MPTCPOption.addAddress)
            case (4, 1...):
                return .removeAddress(try body.readBytes(body.remaining).map { AddressID($0) })
            case (5, 0): return .priority(isBackup: nibble & 1 != 0, addressID: nil)
            case (5, 1):
                return .priority(
                    isBackup: nibble & 1 != 0, addressID: AddressID(try body.readUInt8()))
            case (6, 9):
                try body.skip(1)
                return .fail(DataSequenceNumber(try body.readUInt64()))
            case (7, 9):
                try body.skip(1)
                return .fastClose(receiverKey: Key(try body.readUInt64()))
            case (8, 1):
                return .reset(
                    MPTCPReset(
                        MPTCPReset.Reason(rawValue: try body.readUInt8()),
                        isTransient: nibble & 1 != 0))
            case (FastJoinOption.subtype, _):
                return FastJoinOption(nibble: nibble, parsing: body).map(MPTCPOption.fastJoin)
            case (MultiMobOption.inSubtype...MultiMobOption.outSubtype, _):
                return try MultiMobOption(subtype: subtype, nibble: nibble, parsing: &body)
                    .map(MPTCPOption.multimob)
            default: return nil
            }
        } catch {
            return nil
        }
    }

    private static func parseCapable(
        version: UInt8, _ body: inout ByteReader
    ) throws(ParseError) -> MPCapable {
        var capable = MPCapable()
        capable.version = version
        capable.flags = MPCapableFlags(rawValue: try body.readUInt8())
        if body.remaining >= 8 { capable.senderKey = Key(try body.readUInt64()) }
        if body.remaining >= 8 { capable.receiverKey = Key(try body.readUInt64()) }
        if body.remaining >= 2 { capable.dataLength = try body.readUInt16() }
        if body.remaining >= 2 { capable.checksum = try body.readUInt16() }
        return capable
    }

    /// Family, port and layout follow from nibble and length (mptcp-wire, 6.1 and 6.2).
    private static func parseAddAddress(
        nibble: UInt8, _ body: inout ByteReader
    ) throws(ParseError) -> AddAddress? {
        // E is the last bit; v1 ignores the reserved ones beside it. The lengths of v0 are those of
        // an echo, which has E set, so no option is valid in both versions.
        let isEcho = nibble & 1 != 0
        let isV0 =
            nibble == 4 && (body.remaining == 5 || body.remaining == 7)
            || nibble == 6 && (body.remaining == 17 || body.remaining == 19)
        let isV6: Bool
        let hasPort: Bool
        switch body.remaining - 1 - (isEcho || isV0 ? 0 : 8) {
        case 4: (isV6, hasPort) = (false, false)
        case 6: (isV6, hasPort) = (false, true)
        case 16: (isV6, hasPort) = (true, false)
        case 18: (isV6, hasPort) = (true, true)
        default: return nil
        }
        let addressID = AddressID(try body.readUInt8())
        let address = try body.readAddress(isV6: isV6)
        let port = hasPort ? try body.readUInt16() : nil
        let form: AddAddress.Form =
            isV0 ? .v0 : isEcho ? .echo : .announcement(hmac: try body.readUInt64())
        return AddAddress(addressID: addressID, address: address, port: port, form: form)
    }
}
