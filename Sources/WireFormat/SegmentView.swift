public import NetworkPrimitives

/// What stands in one IP packet that carries TCP: fixed fields by value, the payload as a range of
/// the packet's bytes, which stay with the caller.
public struct SegmentView: Sendable {
    /// The sender's address.
    public var source: IPAddress
    /// The receiver's address.
    public var destination: IPAddress
    /// The ECN bits of the IP header.
    public var ecn: ECNCodepoint
    /// The TCP header.
    public var header: SegmentHeader
    /// Where in the packet the payload lies. In a cut capture it may end behind the bytes at hand.
    public var payload: Range<Int>

    /// How far to trust the bytes.
    public enum Verification: Sendable {
        /// Verify the TCP checksum.
        case checksum
        /// The checksum is not there yet or was verified by others (NEEDS_CSUM on a veth).
        case checksumNotReady
        /// A capture that may have kept less than the packet had; nothing is verified.
        case cutCapture
    }

    /// Reads an IPv4 or IPv6 packet that carries TCP.
    @inline(__always)
    public init(
        parsing packet: UnsafeRawBufferPointer, verification: Verification
    ) throws(ParseError) {
        guard let first = packet.first else { throw .truncated }
        let isCut = verification == .cutCapture
        let start: Int
        let end: Int
        if first >> 4 == 4 {
            let ip = try IPv4Header(parsing: packet, isCut: isCut)
            guard ip.protocolNumber == tcpProtocolNumber else { throw .notTCP }
            (source, destination) = (ip.source, ip.destination)
            ecn = ECNCodepoint(rawValue: ip.trafficClass & 3) ?? .notECT
            (start, end) = (ip.headerLength, ip.totalLength)
        } else {
            let ip = try IPv6Header(parsing: packet, isCut: isCut)
            (source, destination) = (ip.source, ip.destination)
            ecn = ECNCodepoint(rawValue: ip.trafficClass & 3) ?? .notECT
            end = IPv6Header.length + ip.payloadLength
            start = try Self.skipExtensionHeaders(packet, first: ip.nextHeader, end: end)
        }
        let available = min(end, packet.count)
        guard start <= available else { throw .truncated }
        let tcp = UnsafeRawBufferPointer(rebasing: packet[start..<available])
        var offset = 0
        header = try SegmentHeader(parsing: tcp, payloadOffset: &offset)
        guard start + offset <= end else { throw .badLength }
        payload = (start + offset)..<end
        if verification == .checksum {
            var sum = InternetChecksum.pseudoHeader(
                source: source, destination: destination, protocolNumber: tcpProtocolNumber,
                length: tcp.count)
            sum.add(tcp)
            guard sum.folded == 0xffff else { throw .badChecksum }
        }
    }

    /// RFC 8200, 4: hop-by-hop options, routing header and destination options may stand between.
    private static func skipExtensionHeaders(
        _ packet: UnsafeRawBufferPointer, first: UInt8, end: Int
    ) throws(ParseError) -> Int {
        var next = first
        var start = IPv6Header.length
        while next != tcpProtocolNumber {
            switch next {
            case 0, 43, 60:
                guard start + 2 <= min(end, packet.count) else { throw .truncated }
                next = packet[start]
                start += 8 * (Int(packet[start + 1]) + 1)
            case 44: throw .fragment
            default: throw .notTCP
            }
        }
        return start
    }

    /// This host's view of the connection to which a received segment belongs.
    @inline(__always)
    public var receivedTuple: FourTuple {
        FourTuple(
            local: Endpoint(destination, header.destinationPort),
            remote: Endpoint(source, header.sourcePort))
    }
}

extension SegmentHeader {
    /// Octets of an IP packet with this header and so much payload.
    @inline(__always)
    public func packetLength(isV6: Bool, payload: Int) -> Int {
        (isV6 ? IPv6Header.length : IPv4Header.minimumLength) + encodedLength + payload
    }

    /// Writes a whole IP packet with its checksums; returns its length. Where the device finishes
    /// the TCP checksum, only the sum of the pseudo-header stands in its field.
    ///
    /// `fillPayload` writes the payload into exactly `payloadLength` octets.
    @inline(__always)
    public func encodePacket(
        source: IPAddress, destination: IPAddress, ecn: ECNCodepoint = .notECT,
        deviceFinishesChecksum: Bool = false, payloadLength: Int,
        into buffer: UnsafeMutableRawBufferPointer,
        fillPayload: (UnsafeMutableRawBufferPointer) -> Void
    ) -> Int {
        var writer = ByteWriter(buffer)
        let tcpLength = encodedLength + payloadLength
        if source.isV6 {
            var ip = IPv6Header(
                source: source, destination: destination, nextHeader: tcpProtocolNumber,
                payloadLength: tcpLength)
            ip.trafficClass = ecn.rawValue
            ip.encode(into: &writer)
        } else {
            var ip = IPv4Header(
                source: source, destination: destination, protocolNumber: tcpProtocolNumber,
                payloadLength: tcpLength)
            ip.trafficClass = ecn.rawValue
            ip.encode(into: &writer)
        }
        let start = writer.position
        encode(into: &writer)
        let length = start + tcpLength
        precondition(length <= buffer.count, "packet buffer too small")
        if payloadLength > 0 {
            fillPayload(UnsafeMutableRawBufferPointer(rebasing: buffer[writer.position..<length]))
        }
        var sum = InternetChecksum.pseudoHeader(
            source: source, destination: destination, protocolNumber: tcpProtocolNumber,
            length: tcpLength)
        if deviceFinishesChecksum {
            writer.overwrite(sum.folded, at: start + 16)
            return length
        }
        sum.add(UnsafeRawBufferPointer(rebasing: buffer[start..<length]))
        writer.overwrite(sum.checksum, at: start + 16)
        return length
    }
}
