public import NetworkPrimitives

/// A whole segment by value: for tests, traces and analysis. The data path uses `SegmentView` in
/// and `SegmentHeader` plus payload out.
public struct Segment: Hashable, Sendable {
    /// The sender's address.
    public var source: IPAddress
    /// The receiver's address.
    public var destination: IPAddress
    /// The ECN bits of the IP header.
    public var ecn: ECNCodepoint
    /// The TCP header.
    public var header: SegmentHeader
    /// The payload, as far as the bytes at hand hold it.
    public var payload: [UInt8]
    /// Octets of payload that the packet had; more than `payload.count` in a cut capture.
    public var payloadLength: Int

    /// A segment of these parts.
    public init(
        source: IPAddress, destination: IPAddress, ecn: ECNCodepoint = .notECT,
        header: SegmentHeader, payload: [UInt8] = []
    ) {
        self.source = source
        self.destination = destination
        self.ecn = ecn
        self.header = header
        self.payload = payload
        self.payloadLength = payload.count
    }

    /// Reads an IPv4 or IPv6 packet that carries TCP.
    public init(
        parsing packet: UnsafeRawBufferPointer, verification: SegmentView.Verification = .checksum
    ) throws(ParseError) {
        let view = try SegmentView(parsing: packet, verification: verification)
        source = view.source
        destination = view.destination
        ecn = view.ecn
        header = view.header
        payloadLength = view.payload.count
        payload = [UInt8](packet[view.payload.clamped(to: 0..<packet.count)])
    }

    /// Reads an IPv4 or IPv6 packet that carries TCP.
    public init(
        parsing packet: [UInt8], verification: SegmentView.Verification = .checksum
    ) throws(ParseError) {
        let result = packet.withUnsafeBytes { bytes -> Result<Segment, ParseError> in
            Result { () throws(ParseError) in
                try Segment(parsing: bytes, verification: verification)
            }
        }
        self = try result.get()
    }

    /// The whole IP packet.
    public func encodedPacket() -> [UInt8] {
        let length = header.packetLength(isV6: source.isV6, payload: payload.count)
        return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            count = header.encodePacket(
                source: source, destination: destination, ecn: ecn, payloadLength: payload.count,
                into: UnsafeMutableRawBufferPointer(buffer)
            ) { $0.copyBytes(from: payload) }
        }
    }
}
