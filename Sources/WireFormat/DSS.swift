public import NetworkPrimitives

/// A data-level number as a DSS option carries it: whole, or its low half.
public enum DataNumber: Hashable, Sendable {
    /// 32 bits.
    case low32(UInt32)
    /// 64 bits.
    case full(UInt64)

    /// Octets on the wire.
    @inline(__always)
    public var byteCount: Int {
        if case .full = self { 8 } else { 4 }
    }

    /// The 64-bit number; a short form is the one nearest to `reference`.
    @inline(__always)
    public func expanded(near reference: DataSequenceNumber) -> DataSequenceNumber {
        switch self {
        case .low32(let value): DataSequenceNumber(expanding: value, near: reference)
        case .full(let value): DataSequenceNumber(value)
        }
    }
}

/// The mapping part of a DSS option (RFC 8684, 3.3.1).
public struct DSSMapping: Hashable, Sendable {
    /// Data sequence number of the first octet.
    public var dataSequenceNumber: DataNumber
    /// Relative subflow sequence number of the first octet: the octet behind the SYN is 1.
    public var subflowSequenceNumber: UInt32
    /// Octets mapped, the DATA_FIN included; 0 is the infinite mapping.
    public var length: UInt16
    /// Checksum, present when it was negotiated.
    public var checksum: UInt16?

    /// A mapping of these fields.
    @inline(__always)
    public init(
        dataSequenceNumber: DataNumber, subflowSequenceNumber: UInt32, length: UInt16,
        checksum: UInt16? = nil
    ) {
        self.dataSequenceNumber = dataSequenceNumber
        self.subflowSequenceNumber = subflowSequenceNumber
        self.length = length
        self.checksum = checksum
    }

    /// Whether the mapping reaches to the end of the connection (RFC 8684, 3.7).
    @inline(__always)
    public var isInfinite: Bool { length == 0 }

    /// The checksum over pseudo-header and payload (RFC 8684, 3.3.1).
    ///
    /// `payloadSum` is the sum of the mapped payload.
    public static func checksum(
        dataSequenceNumber: DataSequenceNumber, subflowSequenceNumber: UInt32, length: UInt16,
        payloadSum: InternetChecksum
    ) -> UInt16 {
        var sum = InternetChecksum()
        sum.add(dataSequenceNumber.rawValue)
        sum.add(subflowSequenceNumber)
        sum.add(length)
        sum.add(payloadSum.folded)
        return sum.checksum
    }
}

/// The data sequence signal (RFC 8684, 3.3).
public struct DSS: Hashable, Sendable {
    /// Cumulative acknowledgment at connection level.
    public var dataACK: DataNumber?
    /// What the payload is.
    public var mapping: DSSMapping?
    /// The mapping ends with the DATA_FIN.
    public var isDataFIN: Bool
    /// The sender has nothing more to send behind the mapping: the idle bit, a reserved flag of
    /// RFC 8684 (fast-join, 2.4). Only between ends that agreed on it.
    public var isIdle: Bool

    /// A signal of these parts.
    @inline(__always)
    public init(
        dataACK: DataNumber? = nil, mapping: DSSMapping? = nil, isDataFIN: Bool = false,
        isIdle: Bool = false
    ) {
        self.dataACK = dataACK
        self.mapping = mapping
        self.isDataFIN = isDataFIN
        self.isIdle = isIdle
    }

    /// Octets on the wire, without padding.
    @inline(__always)
    public var encodedLength: Int {
        var length = 4
        if let dataACK { length += dataACK.byteCount }
        if let mapping {
            length += mapping.dataSequenceNumber.byteCount + 6 + (mapping.checksum == nil ? 0 : 2)
        }
        return length
    }

    private struct Flags: OptionSet {
        var rawValue: UInt8
        static let dataACK = Flags(rawValue: 0x01)
        static let longDataACK = Flags(rawValue: 0x02)
        static let mapping = Flags(rawValue: 0x04)
        static let longDSN = Flags(rawValue: 0x08)
        static let dataFIN = Flags(rawValue: 0x10)
        static let idle = Flags(rawValue: 0x20)
    }

    @inline(__always)
    func encode(into writer: inout ByteWriter) {
        var flags: Flags = isDataFIN ? .dataFIN : []
        if let dataACK {
            flags.formUnion(dataACK.byteCount == 8 ? [.dataACK, .longDataACK] : .dataACK)
        }
        if let mapping {
            flags.formUnion(
                mapping.dataSequenceNumber.byteCount == 8 ? [.mapping, .longDSN] : .mapping)
            if isIdle { flags.insert(.idle) }
        }
        writer.write(0x1e00_2000 | UInt32(encodedLength) << 16 | UInt32(flags.rawValue))
        if let dataACK { Self.write(dataACK, into: &writer) }
        if let mapping {
            Self.write(mapping.dataSequenceNumber, into: &writer)
            writer.write(mapping.subflowSequenceNumber)
            writer.write(mapping.length)
            if let checksum = mapping.checksum { writer.write(checksum) }
        }
    }

    @inline(__always)
    private static func write(_ number: DataNumber, into writer: inout ByteWriter) {
        switch number {
        case .low32(let value): writer.write(value)
        case .full(let value): writer.write(value)
        }
    }

    @inline(__always)
    private static func read(
        isLong: Bool, from reader: inout ByteReader
    ) throws(ParseError) -> DataNumber {
        isLong ? .full(try reader.readUInt64()) : .low32(try reader.readUInt32())
    }

    /// Reads what follows the subtype octet. The checksum is present iff the option is two octets
    /// longer than its flags say (mptcp-wire, 5.2).
    @inline(__always)
    init(parsingBody reader: inout ByteReader) throws(ParseError) {
        let flags = Flags(rawValue: try reader.readUInt8())
        isDataFIN = flags.contains(.dataFIN)
        let hasACK = flags.contains(.dataACK)
        let hasMapping = flags.contains(.mapping)
        isIdle = hasMapping && flags.contains(.idle)
        var expected = hasACK ? (flags.contains(.longDataACK) ? 8 : 4) : 0
        if hasMapping { expected += (flags.contains(.longDSN) ? 8 : 4) + 6 }
        let hasChecksum = hasMapping && reader.remaining == expected + 2
        guard reader.remaining == expected || hasChecksum else { throw .badLength }
        if hasACK {
            dataACK = try Self.read(isLong: flags.contains(.longDataACK), from: &reader)
        }
        if hasMapping {
            mapping = DSSMapping(
                dataSequenceNumber: try Self.read(
                    isLong: flags.contains(.longDSN), from: &reader),
                subflowSequenceNumber: try reader.readUInt32(),
                length: try reader.readUInt16(),
                checksum: hasChecksum ? try reader.readUInt16() : nil)
        }
    }
}
