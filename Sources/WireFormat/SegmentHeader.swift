public import NetworkPrimitives

/// A TCP header with its options (RFC 9293, 3.1).
public struct SegmentHeader: Hashable, Sendable {
    /// Octets of a header without options.
    public static let minimumLength = 20

    /// The sender's port.
    public var sourcePort: UInt16
    /// The receiver's port.
    public var destinationPort: UInt16
    /// Number of the first octet, or of the SYN.
    public var sequence: SequenceNumber
    /// The next octet that the sender expects; counts only with the ACK flag.
    public var acknowledgment: SequenceNumber
    /// The control bits.
    public var flags: TCPFlags
    /// The window as it stands in the header, not scaled.
    public var window: UInt16
    /// The urgent pointer.
    public var urgentPointer: UInt16 = 0
    /// The options.
    public var options = TCPOptions()

    /// A header of these fields.
    @inline(__always)
    public init(
        sourcePort: UInt16, destinationPort: UInt16, sequence: SequenceNumber,
        acknowledgment: SequenceNumber = SequenceNumber(0), flags: TCPFlags, window: UInt16
    ) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgment = acknowledgment
        self.flags = flags
        self.window = window
    }

    /// Octets on the wire.
    @inline(__always)
    public var encodedLength: Int { Self.minimumLength + options.encodedLength }

    /// Reads a header; returns where the payload starts.
    @inline(__always)
    public init(
        parsing bytes: UnsafeRawBufferPointer, payloadOffset: inout Int
    ) throws(ParseError) {
        var reader = ByteReader(bytes)
        guard reader.remaining >= Self.minimumLength else { throw .truncated }
        sourcePort = try reader.readUInt16()
        destinationPort = try reader.readUInt16()
        sequence = SequenceNumber(try reader.readUInt32())
        acknowledgment = SequenceNumber(try reader.readUInt32())
        let dataOffset = Int(try reader.readUInt8() >> 4) * 4
        flags = TCPFlags(rawValue: try reader.readUInt8())
        window = try reader.readUInt16()
        try reader.skip(2)
        urgentPointer = try reader.readUInt16()
        guard dataOffset >= Self.minimumLength else { throw .badLength }
        guard bytes.count >= dataOffset else { throw .truncated }
        if dataOffset > Self.minimumLength {
            options = TCPOptions(
                parsing: UnsafeRawBufferPointer(rebasing: bytes[Self.minimumLength..<dataOffset]))
        }
        payloadOffset = dataOffset
    }

    /// Writes the header with a zero checksum.
    @inline(__always)
    func encode(into writer: inout ByteWriter) {
        let length = encodedLength
        precondition(length <= 60, "TCP options exceed 40 octets")
        writer.write(sourcePort)
        writer.write(destinationPort)
        writer.write(sequence.rawValue)
        writer.write(acknowledgment.rawValue)
        writer.write(UInt16(length / 4) << 12 | UInt16(flags.rawValue))
        writer.write(window)
        writer.write(UInt16(0))
        writer.write(urgentPointer)
        options.encode(into: &writer)
    }

    /// Sequence numbers that the segment occupies: payload, SYN and FIN.
    @inline(__always)
    public func sequenceLength(payload: Int) -> Int {
        payload + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0)
    }
}
