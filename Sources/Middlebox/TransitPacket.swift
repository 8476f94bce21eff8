package import NetworkPrimitives
package import WireFormat

/// Which way a packet goes on a path.
package enum TransitDirection: Hashable, Sendable, CaseIterable {
    /// From the client to the server.
    case up
    /// From the server to the client.
    case down

    /// The other way.
    package var opposite: TransitDirection { self == .up ? .down : .up }
}

/// An IP packet with a TCP segment, as a box on the path sees it.
package struct TransitPacket: Sendable {
    /// The segment; a box changes it.
    package var segment: Segment
    /// The packet as it came, and the segment that was read from it.
    private let origin: (octets: [UInt8], segment: Segment, isComplete: Bool)?

    /// Reads a packet; `nil` for what is no TCP, and what nobody may change therefore.
    /// - Parameter isChecksumReady: `false` for a checksum that the sender left to the device.
    package init?(_ octets: [UInt8], isChecksumReady: Bool = true) {
        // What has a wrong checksum is no segment that a box could read: it passes as it came, for
        // the receiver to find. What a box changes gets a right checksum.
        guard
            let segment = try? Segment(
                parsing: octets, verification: isChecksumReady ? .checksum : .checksumNotReady)
        else { return nil }
        self.segment = segment
        origin = (octets, segment, isChecksumReady)
    }

    /// A packet that a box makes up.
    package init(_ segment: Segment) {
        self.segment = segment
        origin = nil
    }

    /// The packet as it goes on. Where nothing was changed it is the one that came.
    package var octets: [UInt8] {
        guard let origin else { return segment.encodedPacket() }
        // What a box added may have no room beside what was there: then it has done nothing.
        let fits = segment.header.options.fitsPacked
        if origin.isComplete, !fits || origin.segment == segment { return origin.octets }
        var result = (fits ? segment : origin.segment).encodedPacket()
        if !segment.source.isV6, !origin.segment.source.isV6 {
            Self.keepHeader(of: origin.octets, in: &result)
        } else if segment.source.isV6, origin.segment.source.isV6 {
            // Traffic class, flow label and hop limit.
            for index in [0, 1, 2, 3, 7] { result[index] = origin.octets[index] }
        }
        return result
    }

    /// A box that changes the segment leaves type of service, identification, flags and time to live
    /// of IPv4 as they were.
    private static func keepHeader(of origin: [UInt8], in result: inout [UInt8]) {
        for index in [1, 4, 5, 6, 7, 8] { result[index] = origin[index] }
        (result[10], result[11]) = (0, 0)
        var sum = InternetChecksum()
        result.withUnsafeBytes {
            sum.add(UnsafeRawBufferPointer(rebasing: $0[..<IPv4Header.minimumLength]))
        }
        result[10] = UInt8(sum.checksum >> 8)
        result[11] = UInt8(sum.checksum & 0xff)
    }
}

extension TransitPacket {
    /// The TCP connection that the packet belongs to; `local` is the client's end.
    package func flow(_ direction: TransitDirection) -> FourTuple {
        let sender = Endpoint(segment.source, segment.header.sourcePort)
        let receiver = Endpoint(segment.destination, segment.header.destinationPort)
        return direction == .up
            ? FourTuple(local: sender, remote: receiver)
            : FourTuple(local: receiver, remote: sender)
    }

    var flags: TCPFlags { segment.header.flags }
    var isSYN: Bool { flags.contains(.syn) && !flags.contains(.ack) }
    var isSYNACK: Bool { flags.isSuperset(of: [.syn, .ack]) }
    var isReset: Bool { flags.contains(.rst) }
    var hasPayload: Bool { !segment.payload.isEmpty }

    /// Number of the first octet of text.
    var textStart: SequenceNumber {
        segment.header.sequence + (flags.contains(.syn) ? 1 : 0)
    }

    /// Number behind text and FIN.
    var end: SequenceNumber {
        segment.header.sequence
            + segment.header.sequenceLength(payload: segment.payload.count)
    }

    /// Replaces the text.
    mutating func setPayload(_ payload: [UInt8]) {
        segment.payload = payload
        segment.payloadLength = payload.count
    }

    /// What a host sends that refuses this packet (RFC 9293, 3.10.7.1); it goes the other way.
    var refusal: TransitPacket {
        var header = SegmentHeader(
            sourcePort: segment.header.destinationPort,
            destinationPort: segment.header.sourcePort, sequence: SequenceNumber(0),
            flags: .rst, window: 0)
        if flags.contains(.ack) {
            header.sequence = segment.header.acknowledgment
        } else {
            header.flags = [.rst, .ack]
            header.acknowledgment = end
        }
        return TransitPacket(
            Segment(source: segment.destination, destination: segment.source, header: header))
    }
}
