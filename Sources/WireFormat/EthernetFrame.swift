/// A 48-bit hardware address.
public struct MACAddress: Hashable, Sendable {
    /// The address in the low 48 bits.
    public var rawValue: UInt64

    /// The address in the low 48 bits of `rawValue`.
    @inline(__always)
    public init(rawValue: UInt64) { self.rawValue = rawValue & 0xffff_ffff_ffff }

    /// The address of these six octets.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        self.init(rawValue: bytes.reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The six octets.
    public var bytes: [UInt8] {
        (0..<6).map { UInt8(truncatingIfNeeded: rawValue >> (40 - 8 * $0)) }
    }

    /// Everybody on the link.
    public static let broadcast = MACAddress(rawValue: 0xffff_ffff_ffff)
}

extension MACAddress: CustomStringConvertible {
    /// `02:00:00:00:00:01`.
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}

/// The protocol that a frame carries.
public struct EtherType: Hashable, Sendable {
    /// The number on the wire.
    public var rawValue: UInt16

    /// The protocol with this number.
    @inline(__always)
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// IPv4.
    public static let ipv4 = EtherType(rawValue: 0x0800)
    /// ARP.
    public static let arp = EtherType(rawValue: 0x0806)
    /// IPv6.
    public static let ipv6 = EtherType(rawValue: 0x86dd)
    /// IEEE 802.1Q tag.
    public static let vlan = EtherType(rawValue: 0x8100)
    /// IEEE 802.1ad service tag.
    public static let serviceVLAN = EtherType(rawValue: 0x88a8)
}

/// The Ethernet II header, tags passed over.
public struct EthernetHeader: Hashable, Sendable {
    /// Octets of a header without tags.
    public static let length = 14

    /// To whom.
    public var destination: MACAddress
    /// From whom.
    public var source: MACAddress
    /// What follows.
    public var type: EtherType
    /// Octets before the payload: 14, and 4 more for each VLAN tag.
    public var encodedLength: Int

    /// A header without tags.
    @inline(__always)
    public init(destination: MACAddress, source: MACAddress, type: EtherType) {
        self.destination = destination
        self.source = source
        self.type = type
        self.encodedLength = Self.length
    }

    /// Reads the header and up to two VLAN tags.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(ParseError) {
        var reader = ByteReader(bytes)
        guard reader.remaining >= Self.length else { throw .truncated }
        destination = try Self.readMAC(&reader)
        source = try Self.readMAC(&reader)
        type = EtherType(rawValue: try reader.readUInt16())
        var tags = 0
        while type == .vlan || type == .serviceVLAN {
            guard tags < 2 else { throw .unsupported }
            tags += 1
            try reader.skip(2)
            type = EtherType(rawValue: try reader.readUInt16())
        }
        encodedLength = reader.position
    }

    private static func readMAC(_ reader: inout ByteReader) throws(ParseError) -> MACAddress {
        let high = UInt64(try reader.readUInt16())
        return MACAddress(rawValue: high << 32 | UInt64(try reader.readUInt32()))
    }

    /// Writes the header without tags.
    @inline(__always)
    public func encode(into writer: inout ByteWriter) {
        Self.write(destination, into: &writer)
        Self.write(source, into: &writer)
        writer.write(type.rawValue)
    }

    @inline(__always)
    private static func write(_ address: MACAddress, into writer: inout ByteWriter) {
        writer.write(UInt16(truncatingIfNeeded: address.rawValue >> 32))
        writer.write(UInt32(truncatingIfNeeded: address.rawValue))
    }
}
