internal import NetworkPrimitives
internal import WireFormat

/// What the analysis keeps of one sighting of a segment.
struct SegmentRecord {
    var time: Int64
    var point: Int
    /// The four-tuple as its sender sees it.
    var tuple: FourTuple
    /// IPv4 identification, 0 for IPv6.
    var identification: UInt16
    var sequence: SequenceNumber
    var acknowledgment: SequenceNumber
    var flags: TCPFlags
    var window: UInt16
    var payload: Int
    /// Octets of the whole IP packet, and whether the capture kept less.
    var packetLength: Int
    var isCut: Bool
    var options: TCPOptions

    var isSYN: Bool { flags.contains(.syn) && !flags.contains(.ack) }
    var isSYNACK: Bool { flags.contains(.syn) && flags.contains(.ack) }
    var isReset: Bool { flags.contains(.rst) }
    var isAcknowledgment: Bool { flags.contains(.ack) }

    var capable: MPCapable? {
        for case .capable(let capable) in options.mptcp { return capable }
        return nil
    }

    var join: MPJoin? {
        for case .join(let join) in options.mptcp { return join }
        return nil
    }

    /// Fast Join as published, which stands in MP_JOIN's place.
    var multimob: MultiMobOption? {
        for case .multimob(let option) in options.mptcp { return option }
        return nil
    }

    /// The DATA_ACK, in a DSS or in the SYN/ACK of a Fast Join as published.
    var dataACK: DataNumber? {
        if let number = options.dss?.dataACK { return number }
        guard isSYNACK, case .outSYNACK(_, _, _, let number)? = multimob else { return nil }
        return number
    }

    var resetReason: MPTCPReset? {
        for case .reset(let reset) in options.mptcp { return reset }
        return nil
    }
}

extension SegmentRecord {
    /// Reads a packet as far as the capture has it. Nothing but the shape of headers is verified:
    /// checksums may not be finished where a sender was captured.
    static func parse(_ packet: TracePacket) -> Result<SegmentRecord, ParseError> {
        packet.bytes.withUnsafeBytes { bytes in
            Result { () throws(ParseError) in
                do throws(ParseError) {
                    return try SegmentRecord(bytes, packet)
                } catch {
                    // The sender's hardware may be the one to fill in length and header checksum.
                    guard error == .badChecksum || error == .badLength,
                        var repaired = Self.repairedIPv4(bytes, wireLength: packet.wireLength)
                    else { throw error }
                    let result = repaired.withUnsafeMutableBytes { bytes in
                        Result { () throws(ParseError) in
                            try SegmentRecord(UnsafeRawBufferPointer(bytes), packet)
                        }
                    }
                    return try result.get()
                }
            }
        }
    }

    private init(_ bytes: UnsafeRawBufferPointer, _ packet: TracePacket) throws(ParseError) {
        let view = try SegmentView(parsing: bytes, verification: .cutCapture)
        let header = view.header
        // Differences of times must not overflow, whatever stood in the capture file.
        time = min(max(packet.time, -Self.timeBound), Self.timeBound)
        point = packet.point
        tuple = FourTuple(
            local: Endpoint(view.source, header.sourcePort),
            remote: Endpoint(view.destination, header.destinationPort))
        identification = view.source.isV6 ? 0 : UInt16(bytes[4]) << 8 | UInt16(bytes[5])
        sequence = header.sequence
        acknowledgment = header.acknowledgment
        flags = header.flags
        window = header.window
        payload = view.payload.count
        packetLength = view.payload.upperBound
        isCut = packetLength > bytes.count
        options = header.options
    }

    private static let timeBound: Int64 = 1 << 61

    /// An IPv4 packet without total length (some captures of super-packets) or without header
    /// checksum, with both set right; `nil` if that is not what ails it.
    private static func repairedIPv4(
        _ bytes: UnsafeRawBufferPointer, wireLength: Int
    ) -> [UInt8]? {
        guard bytes.count >= IPv4Header.minimumLength, bytes[0] >> 4 == 4 else { return nil }
        let headerLength = Int(bytes[0] & 0xf) * 4
        guard headerLength >= IPv4Header.minimumLength, headerLength <= bytes.count else {
            return nil
        }
        var copy = [UInt8](bytes)
        let lacksLength = bytes[2] == 0 && bytes[3] == 0
        let lacksChecksum = bytes[10] == 0 && bytes[11] == 0
        guard lacksLength || lacksChecksum, wireLength <= 0xffff, wireLength >= headerLength else {
            return nil
        }
        if lacksLength {
            copy[2] = UInt8(wireLength >> 8)
            copy[3] = UInt8(wireLength & 0xff)
        }
        copy[10] = 0
        copy[11] = 0
        let checksum = copy.withUnsafeBytes { raw in
            var sum = InternetChecksum()
            sum.add(UnsafeRawBufferPointer(rebasing: raw[..<headerLength]))
            return sum.checksum
        }
        copy[10] = UInt8(checksum >> 8)
        copy[11] = UInt8(checksum & 0xff)
        return copy
    }
}
