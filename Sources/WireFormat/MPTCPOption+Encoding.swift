internal import NetworkPrimitives

extension MPTCPOption {
    /// Writes the option without padding.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .capable(let capable):
            Self.head(&writer, encodedLength, subtype: 0, nibble: capable.version)
            writer.write(capable.flags.rawValue)
            if let key = capable.senderKey { writer.write(key.rawValue) }
            if let key = capable.receiverKey { writer.write(key.rawValue) }
            if let length = capable.dataLength { writer.write(length) }
            if let checksum = capable.checksum { writer.write(checksum) }
        case .join(let join):
            Self.encode(join, length: encodedLength, into: &writer)
        case .dss(let dss):
            dss.encode(into: &writer)
        case .addAddress(let option):
            Self.encode(option, length: encodedLength, into: &writer)
        case .removeAddress(let identifiers):
            Self.head(&writer, encodedLength, subtype: 4)
            for identifier in identifiers { writer.write(identifier.rawValue) }
        case .priority(let isBackup, let addressID):
            Self.head(&writer, encodedLength, subtype: 5, nibble: isBackup ? 1 : 0)
            if let addressID { writer.write(addressID.rawValue) }
        case .fail(let number):
            Self.head(&writer, encodedLength, subtype: 6)
            writer.write(UInt8(0))
            writer.write(number.rawValue)
        case .fastClose(let receiverKey):
            Self.head(&writer, encodedLength, subtype: 7)
            writer.write(UInt8(0))
            writer.write(receiverKey.rawValue)
        case .reset(let reset):
            Self.head(&writer, encodedLength, subtype: 8, nibble: reset.isTransient ? 1 : 0)
            writer.write(reset.reason.rawValue)
        case .fastJoin(let option):
            Self.head(
                &writer, encodedLength, subtype: FastJoinOption.subtype, nibble: option.nibble)
            option.encode(into: &writer)
        case .multimob(let option):
            Self.head(
                &writer, encodedLength, subtype: option.subtype, nibble: option.nibble)
            option.encode(into: &writer)
        case .unknown(let subtype, let nibble, let bytes):
            Self.head(&writer, encodedLength, subtype: subtype, nibble: nibble)
            writer.write(bytes)
        }
    }

    private static func head(
        _ writer: inout ByteWriter, _ length: Int, subtype: UInt8, nibble: UInt8 = 0
    ) {
        writer.write(kind)
        writer.write(UInt8(truncatingIfNeeded: length))
        writer.write(subtype << 4 | nibble & 0xf)
    }

    private static func encode(_ join: MPJoin, length: Int, into writer: inout ByteWriter) {
        switch join {
        case .syn(let isBackup, let addressID, let token, let nonce):
            head(&writer, length, subtype: 1, nibble: isBackup ? 1 : 0)
            writer.write(addressID.rawValue)
            writer.write(token.rawValue)
            writer.write(nonce)
        case .synACK(let isBackup, let addressID, let hmac, let nonce):
            head(&writer, length, subtype: 1, nibble: isBackup ? 1 : 0)
            writer.write(addressID.rawValue)
            writer.write(hmac)
            writer.write(nonce)
        case .ack(let hmac):
            head(&writer, length, subtype: 1)
            writer.write(UInt8(0))
            writer.write(hmac.high)
            writer.write(hmac.middle)
            writer.write(hmac.low)
        }
    }

    private static func encode(_ option: AddAddress, length: Int, into writer: inout ByteWriter) {
        let nibble: UInt8 =
            switch option.form {
            case .announcement: 0
            case .echo: 1
            case .v0: option.address.isV6 ? 6 : 4
            }
        head(&writer, length, subtype: 3, nibble: nibble)
        writer.write(option.addressID.rawValue)
        writer.write(option.address)
        if let port = option.port { writer.write(port) }
        if case .announcement(let hmac) = option.form { writer.write(hmac) }
    }
}

extension AddAddress {
    /// The message over which the announcement's HMAC is computed: address ID, address and port,
    /// a port that is not announced as zero (RFC 8684, 3.4.1).
    public var authenticatedBytes: [UInt8] {
        let port = self.port ?? 0
        return [addressID.rawValue] + address.bytes
            + [UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port)]
    }
}
