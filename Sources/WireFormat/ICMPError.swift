public import NetworkPrimitives

/// An ICMP error about a TCP segment that this host is said to have sent (RFC 792, RFC 4443).
///
/// Anybody can send one: what it says is a hint about the flow that it quotes, to be checked against
/// what that flow has in flight (RFC 5927, 4).
public struct ICMPError: Hashable, Sendable {
    /// The protocol number of ICMP.
    static let protocolNumber: UInt8 = 1
    /// The next header number of ICMPv6.
    static let nextHeaderV6: UInt8 = 58
    /// Octets of an ICMP header.
    private static let headerLength = 8

    /// What went wrong.
    public enum Problem: Hashable, Sendable {
        /// The next link takes no packets longer than this.
        case packetTooBig(mtu: Int)
        /// Nothing gets there, or nobody is there.
        case unreachable(code: UInt8)
        /// The packet went in circles, or its fragments did not all come.
        case timeExceeded(code: UInt8)
        /// A router or host did not understand the header.
        case parameterProblem(code: UInt8)
    }

    /// What went wrong.
    public var problem: Problem
    /// Who says so.
    public var reporter: IPAddress
    /// The quoted segment's flow as its sender sees it.
    public var tuple: FourTuple
    /// The quoted segment's sequence number.
    public var sequence: SequenceNumber

    /// Reads an IP packet that carries an ICMP error about TCP.
    public init(
        parsing packet: UnsafeRawBufferPointer, isVerified: Bool = true
    ) throws(ParseError) {
        guard let first = packet.first else { throw .truncated }
        if first >> 4 == 4 {
            try self.init(v4: packet, isVerified: isVerified)
        } else {
            try self.init(v6: packet, isVerified: isVerified)
        }
    }

    private init(
        v4 packet: UnsafeRawBufferPointer, isVerified: Bool
    ) throws(ParseError) {
        let ip = try IPv4Header(parsing: packet)
        guard ip.protocolNumber == Self.protocolNumber else { throw .unsupported }
        let message = UnsafeRawBufferPointer(rebasing: packet[ip.headerLength..<ip.totalLength])
        var reader = ByteReader(message)
        let type = try reader.readUInt8()
        let code = try reader.readUInt8()
        try reader.skip(4)
        let mtu = Int(try reader.readUInt16())
        if isVerified {
            var sum = InternetChecksum()
            sum.add(message)
            guard sum.folded == 0xffff else { throw .badChecksum }
        }
        let quoted = UnsafeRawBufferPointer(rebasing: message[Self.headerLength...])
        // A quotation is cut, and its checksum was that of another hop.
        let (length, flow) = try Self.quotedV4(quoted)
        switch (type, code) {
        case (3, 4):
            // RFC 1191, 5: routers of old say 0.
            problem = .packetTooBig(mtu: mtu > 0 ? mtu : Self.plateau(below: length))
        case (3, _): problem = .unreachable(code: code)
        case (11, _): problem = .timeExceeded(code: code)
        case (12, _): problem = .parameterProblem(code: code)
        default: throw .unsupported
        }
        reporter = ip.source
        (tuple, sequence) = try Self.flow(
            source: flow.source, destination: flow.destination, flow.segment)
    }

    private init(
        v6 packet: UnsafeRawBufferPointer, isVerified: Bool
    ) throws(ParseError) {
        let ip = try IPv6Header(parsing: packet)
        guard ip.nextHeader == Self.nextHeaderV6 else { throw .unsupported }
        let message = UnsafeRawBufferPointer(
            rebasing: packet[IPv6Header.length..<(IPv6Header.length + ip.payloadLength)])
        var reader = ByteReader(message)
        let type = try reader.readUInt8()
        let code = try reader.readUInt8()
        try reader.skip(2)
        let mtu = Int(try reader.readUInt32())
        if isVerified {
            var sum = InternetChecksum.pseudoHeader(
                source: ip.source, destination: ip.destination,
                protocolNumber: Self.nextHeaderV6, length: message.count)
            sum.add(message)
            guard sum.folded == 0xffff else { throw .badChecksum }
        }
        switch type {
        case 1: problem = .unreachable(code: code)
        case 2: problem = .packetTooBig(mtu: mtu)
        case 3: problem = .timeExceeded(code: code)
        case 4: problem = .parameterProblem(code: code)
        default: throw .unsupported
        }
        let quoted = UnsafeRawBufferPointer(rebasing: message[Self.headerLength...])
        let inner = try IPv6Header(parsing: quoted, isCut: true)
        // This host's segments have no extension headers.
        guard inner.nextHeader == tcpProtocolNumber else { throw .notTCP }
        reporter = ip.source
        (tuple, sequence) = try Self.flow(
            source: inner.source, destination: inner.destination,
            UnsafeRawBufferPointer(rebasing: quoted[IPv6Header.length...]))
    }

    private static func quotedV4(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ParseError) -> (
        length: Int,
        flow: (source: IPAddress, destination: IPAddress, segment: UnsafeRawBufferPointer)
    ) {
        var reader = ByteReader(bytes)
        let first = try reader.readUInt8()
        guard first >> 4 == 4 else { throw .unsupported }
        let headerLength = Int(first & 0xf) * 4
        guard headerLength >= IPv4Header.minimumLength else { throw .badLength }
        try reader.skip(1)
        let length = Int(try reader.readUInt16())
        try reader.skip(5)
        guard try reader.readUInt8() == tcpProtocolNumber else { throw .notTCP }
        try reader.skip(2)
        let source = IPAddress.v4(try reader.readUInt32())
        let destination = IPAddress.v4(try reader.readUInt32())
        guard bytes.count >= headerLength else { throw .truncated }
        return (
            length,
            (source, destination, UnsafeRawBufferPointer(rebasing: bytes[headerLength...]))
        )
    }

    /// Ports and sequence number: the eight octets that every quotation has (RFC 792).
    private static func flow(
        source: IPAddress, destination: IPAddress, _ segment: UnsafeRawBufferPointer
    ) throws(ParseError) -> (FourTuple, SequenceNumber) {
        var reader = ByteReader(segment)
        let sourcePort = try reader.readUInt16()
        let destinationPort = try reader.readUInt16()
        let sequence = SequenceNumber(try reader.readUInt32())
        return (
            FourTuple(
                local: Endpoint(source, sourcePort),
                remote: Endpoint(destination, destinationPort)), sequence
        )
    }

    /// RFC 1191, 7.1: the likely MTU of a link that did not take a packet of this length.
    static func plateau(below length: Int) -> Int {
        [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296].first { $0 < length } ?? 68
    }
}
