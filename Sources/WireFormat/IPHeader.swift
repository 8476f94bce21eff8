public import NetworkPrimitives

/// The protocol number of TCP.
public let tcpProtocolNumber: UInt8 = 6

/// The two ECN bits of the IP header (RFC 3168, 5).
public enum ECNCodepoint: UInt8, Sendable {
    /// Not an ECN-capable transport.
    case notECT = 0
    /// ECN-capable transport, ECT(1).
    case ect1 = 1
    /// ECN-capable transport, ECT(0).
    case ect0 = 2
    /// Congestion experienced.
    case congestionExperienced = 3
}

/// An IPv4 header (RFC 791).
public struct IPv4Header: Hashable, Sendable {
    /// Octets of a header without options.
    public static let minimumLength = 20

    /// From whom.
    public var source: IPAddress
    /// To whom.
    public var destination: IPAddress
    /// What follows the header.
    public var protocolNumber: UInt8
    /// Differentiated services and ECN octet.
    public var trafficClass: UInt8 = 0
    /// Identification.
    public var identification: UInt16 = 0
    /// The "don't fragment" flag.
    public var dontFragment = true
    /// Hops left.
    public var timeToLive: UInt8 = 64
    /// Octets of the header, options included.
    public var headerLength = IPv4Header.minimumLength
    /// Octets of header and payload together.
    public var totalLength: Int

    /// A header without options.
    public init(
        source: IPAddress, destination: IPAddress, protocolNumber: UInt8, payloadLength: Int
    ) {
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.totalLength = Self.minimumLength + payloadLength
    }

    /// Reads and verifies the header. Padding behind the packet is allowed, fragments are not.
    /// - Parameter isCut: the capture may have kept less than the packet had.
    public init(parsing bytes: UnsafeRawBufferPointer, isCut: Bool = false) throws(ParseError) {
        var reader = ByteReader(bytes)
        guard reader.remaining >= Self.minimumLength else { throw .truncated }
        let first = try reader.readUInt8()
        guard first >> 4 == 4 else { throw .unsupported }
        headerLength = Int(first & 0xf) * 4
        trafficClass = try reader.readUInt8()
        totalLength = Int(try reader.readUInt16())
        identification = try reader.readUInt16()
        let fragment = try reader.readUInt16()
        dontFragment = fragment & 0x4000 != 0
        timeToLive = try reader.readUInt8()
        protocolNumber = try reader.readUInt8()
        try reader.skip(2)
        source = .v4(try reader.readUInt32())
        destination = .v4(try reader.readUInt32())
        guard headerLength >= Self.minimumLength, totalLength >= headerLength else {
            throw .badLength
        }
        guard bytes.count >= headerLength, isCut || bytes.count >= totalLength else {
            throw .truncated
        }
        var sum = InternetChecksum()
        sum.add(UnsafeRawBufferPointer(rebasing: bytes[..<headerLength]))
        guard sum.folded == 0xffff else { throw .badChecksum }
        guard fragment & 0x3fff == 0 else { throw .fragment }
    }

    /// Writes the header with its checksum and without options.
    @inline(__always)
    public func encode(into writer: inout ByteWriter) {
        var sum = InternetChecksum()
        let length = UInt16(truncatingIfNeeded: totalLength - headerLength + Self.minimumLength)
        let words: (UInt32, UInt32, UInt16) = (
            0x4500_0000 | UInt32(trafficClass) << 16 | UInt32(length),
            UInt32(identification) << 16 | (dontFragment ? 0x4000 : 0),
            UInt16(timeToLive) << 8 | UInt16(protocolNumber)
        )
        sum.add(words.0)
        sum.add(words.1)
        sum.add(words.2)
        sum.add(source)
        sum.add(destination)
        writer.write(words.0)
        writer.write(words.1)
        writer.write(words.2)
        writer.write(sum.checksum)
        writer.write(source)
        writer.write(destination)
    }
}

/// An IPv6 header (RFC 8200, 3).
public struct IPv6Header: Hashable, Sendable {
    /// Octets of the header.
    public static let length = 40

    /// From whom.
    public var source: IPAddress
    /// To whom.
    public var destination: IPAddress
    /// The first header behind this one.
    public var nextHeader: UInt8
    /// Differentiated services and ECN octet.
    public var trafficClass: UInt8 = 0
    /// Flow label, 20 bits.
    public var flowLabel: UInt32 = 0
    /// Hops left.
    public var hopLimit: UInt8 = 64
    /// Octets behind this header.
    public var payloadLength: Int

    /// A header of these fields.
    public init(source: IPAddress, destination: IPAddress, nextHeader: UInt8, payloadLength: Int) {
        self.source = source
        self.destination = destination
        self.nextHeader = nextHeader
        self.payloadLength = payloadLength
    }

    /// Reads the header.
    /// - Parameter isCut: the capture may have kept less than the packet had.
    public init(parsing bytes: UnsafeRawBufferPointer, isCut: Bool = false) throws(ParseError) {
        var reader = ByteReader(bytes)
        guard reader.remaining >= Self.length else { throw .truncated }
        let first = try reader.readUInt32()
        guard first >> 28 == 6 else { throw .unsupported }
        trafficClass = UInt8(truncatingIfNeeded: first >> 20)
        flowLabel = first & 0xf_ffff
        payloadLength = Int(try reader.readUInt16())
        nextHeader = try reader.readUInt8()
        hopLimit = try reader.readUInt8()
        source = try reader.readAddress(isV6: true)
        destination = try reader.readAddress(isV6: true)
        guard isCut || bytes.count >= Self.length + payloadLength else { throw .truncated }
    }

    /// Writes the header.
    @inline(__always)
    public func encode(into writer: inout ByteWriter) {
        writer.write(0x6000_0000 | UInt32(trafficClass) << 20 | flowLabel & 0xf_ffff)
        writer.write(UInt16(truncatingIfNeeded: payloadLength))
        writer.write(nextHeader)
        writer.write(hopLimit)
        writer.write(source)
        writer.write(destination)
    }
}
