public import NetworkPrimitives

/// The flag octet of MP_CAPABLE (RFC 8684, 3.1).
public struct MPCapableFlags: OptionSet, Hashable, Sendable {
    /// The octet on the wire.
    public var rawValue: UInt8

    /// The flags of this octet.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A: DSS checksums are required.
    public static let checksumRequired = MPCapableFlags(rawValue: 0x80)
    /// B: reserved for extension.
    public static let extensibility = MPCapableFlags(rawValue: 0x40)
    /// C (v1): no further subflows to the source address and port of this one.
    public static let denyInitialAddress = MPCapableFlags(rawValue: 0x20)
    /// H: HMAC-SHA256 in v1, HMAC-SHA1 in v0.
    public static let hmac = MPCapableFlags(rawValue: 0x01)
}

/// MP_CAPABLE (RFC 8684, 3.1; RFC 6824, 3.1). Which fields are present says which form it is.
public struct MPCapable: Hashable, Sendable {
    /// The version nibble: 0, 1, or one that this project does not speak.
    public var version: UInt8
    /// The flags.
    public var flags: MPCapableFlags
    /// The key of the option's sender.
    public var senderKey: Key?
    /// The key of the option's receiver.
    public var receiverKey: Key?
    /// Octets of payload that the option maps (v1, first data).
    public var dataLength: UInt16?
    /// DSS checksum of that mapping.
    public var checksum: UInt16?

    /// An option of these fields; they must be given from the left without a hole.
    public init(
        version: MPTCPVersion = .v1, flags: MPCapableFlags = .hmac, senderKey: Key? = nil,
        receiverKey: Key? = nil, dataLength: UInt16? = nil, checksum: UInt16? = nil
    ) {
        self.version = version.rawValue
        self.flags = flags
        self.senderKey = senderKey
        self.receiverKey = receiverKey
        self.dataLength = dataLength
        self.checksum = checksum
    }

    var encodedLength: Int {
        4 + (senderKey == nil ? 0 : 8) + (receiverKey == nil ? 0 : 8) + (dataLength == nil ? 0 : 2)
            + (checksum == nil ? 0 : 2)
    }
}

/// MP_JOIN in its three forms (RFC 8684, 3.2).
public enum MPJoin: Hashable, Sendable {
    /// On the SYN: the receiver's token and the sender's nonce.
    case syn(isBackup: Bool, addressID: AddressID, token: Token, nonce: UInt32)
    /// On the SYN/ACK: the left 64 bits of the sender's HMAC, and its nonce.
    case synACK(isBackup: Bool, addressID: AddressID, hmac: UInt64, nonce: UInt32)
    /// On the third packet: the left 160 bits of the sender's HMAC.
    case ack(hmac: HMAC160)
}

/// The left 160 bits of an HMAC, in line.
public struct HMAC160: Hashable, Sendable {
    /// Octets 0 to 7.
    public var high: UInt64
    /// Octets 8 to 15.
    public var middle: UInt64
    /// Octets 16 to 19.
    public var low: UInt32

    /// The HMAC of these parts.
    public init(high: UInt64, middle: UInt64, low: UInt32) {
        self.high = high
        self.middle = middle
        self.low = low
    }
}

/// ADD_ADDR (RFC 8684, 3.4.1; RFC 6824, 3.4.1).
public struct AddAddress: Hashable, Sendable {
    /// Which of the three layouts the option has.
    public enum Form: Hashable, Sendable {
        /// v1, an announcement with the right 64 bits of its HMAC.
        case announcement(hmac: UInt64)
        /// v1, the echo of an announcement.
        case echo
        /// v0, which has neither HMAC nor echo.
        case v0
    }

    /// The number of the address.
    public var addressID: AddressID
    /// The address.
    public var address: IPAddress
    /// The port, when it is not the one of the subflow.
    public var port: UInt16?
    /// Announcement, echo or v0.
    public var form: Form

    /// An option of these fields.
    public init(addressID: AddressID, address: IPAddress, port: UInt16? = nil, form: Form) {
        self.addressID = addressID
        self.address = address
        self.port = port
        self.form = form
    }

    var encodedLength: Int {
        var length = 4 + address.byteCount + (port == nil ? 0 : 2)
        if case .announcement = form { length += 8 }
        return length
    }
}

/// Why a subflow was reset (RFC 8684, 3.6).
public struct MPTCPReset: Hashable, Sendable {
    /// Whether trying again may help.
    public var isTransient: Bool
    /// The reason code on the wire.
    public var reason: Reason

    /// A reason code; numbers without a name are kept.
    public struct Reason: RawRepresentable, Hashable, Sendable {
        /// The number on the wire.
        public var rawValue: UInt8

        /// The reason with this number.
        @inlinable
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// 0x00.
        public static let unspecified = Reason(rawValue: 0)
        /// 0x01: bad or missing MP_JOIN, bad HMAC, checksum against the agreement.
        public static let mptcpSpecific = Reason(rawValue: 1)
        /// 0x02.
        public static let lackOfResources = Reason(rawValue: 2)
        /// 0x03: a limit or a policy refused the join.
        public static let administrativelyProhibited = Reason(rawValue: 3)
        /// 0x04.
        public static let tooMuchOutstandingData = Reason(rawValue: 4)
        /// 0x05.
        public static let unacceptablePerformance = Reason(rawValue: 5)
        /// 0x06: options stripped or payload changed on the path.
        public static let middleboxInterference = Reason(rawValue: 6)
    }

    /// A reset of this reason.
    @inlinable
    public init(_ reason: Reason, isTransient: Bool = false) {
        self.isTransient = isTransient
        self.reason = reason
    }
}

/// One TCP option of kind 30 (RFC 8684, 7.2).
public enum MPTCPOption: Hashable, Sendable {
    /// The option kind.
    public static let kind: UInt8 = 30

    /// MP_CAPABLE, subtype 0.
    case capable(MPCapable)
    /// MP_JOIN, subtype 1.
    case join(MPJoin)
    /// DSS, subtype 2.
    case dss(DSS)
    /// ADD_ADDR, subtype 3.
    case addAddress(AddAddress)
    /// REMOVE_ADDR, subtype 4.
    case removeAddress([AddressID])
    /// MP_PRIO, subtype 5; the address ID exists in v0 only.
    case priority(isBackup: Bool, addressID: AddressID?)
    /// MP_FAIL, subtype 6: where the mapping starts whose checksum failed.
    case fail(DataSequenceNumber)
    /// MP_FASTCLOSE, subtype 7.
    case fastClose(receiverKey: Key)
    /// MP_TCPRST, subtype 8.
    case reset(MPTCPReset)
    /// Fast join, an experiment of this project: subtype 0xF.
    case fastJoin(FastJoinOption)
    /// Fast Join as it was published: subtypes 0xA and 0x9, which are not assigned.
    case multimob(MultiMobOption)
    /// A subtype or a length that is not in the tables; `bytes` follow the subtype octet, whose low
    /// nibble is `nibble`.
    case unknown(subtype: UInt8, nibble: UInt8, bytes: [UInt8])

    /// Octets on the wire, without padding.
    @inline(__always)
    public var encodedLength: Int {
        switch self {
        case .capable(let capable): capable.encodedLength
        case .join(.syn): 12
        case .join(.synACK): 16
        case .join(.ack): 24
        case .dss(let dss): dss.encodedLength
        case .addAddress(let option): option.encodedLength
        case .removeAddress(let identifiers): 3 + identifiers.count
        case .priority(_, let addressID): addressID == nil ? 3 : 4
        case .fail, .fastClose: 12
        case .reset: 4
        case .fastJoin(let option): option.encodedLength
        case .multimob(let option): option.encodedLength
        case .unknown(_, _, let bytes): 3 + bytes.count
        }
    }
}
