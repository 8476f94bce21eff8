import NetworkPrimitives
import Testing
import WireFormat

/// A packet as bytes, with checksums computed apart from this project, and as value.
struct PacketVector: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let segment: Segment

    var testDescription: String { name }

    static let all = [synAck, dataOverIPv6]

    /// A SYN/ACK as Linux sends it.
    private static let synAck: PacketVector = {
        var header = SegmentHeader(
            sourcePort: 5000, destinationPort: 40_000, sequence: SequenceNumber(0x1000_0000),
            acknowledgment: SequenceNumber(0x2000_0001), flags: [.syn, .ack], window: 65_160)
        header.options.maximumSegmentSize = 1460
        header.options.isSACKPermitted = true
        header.options.timestamps = Timestamps(value: 100, echo: 50)
        header.options.windowScale = 7
        return PacketVector(
            name: "IPv4 SYN/ACK",
            bytes: octets(
                """
                4500003c 00004000 40061cba 0a000901 0a000102
                13889c40 10000000 20000001 a012fe88 4b050000
                020405b4 0402080a 00000064 00000032 01030307
                """),
            segment: Segment(
                source: .v4(0x0a00_0901), destination: .v4(0x0a00_0102), header: header))
    }()

    /// Five octets with a mapping over IPv6, marked ECT(0).
    private static let dataOverIPv6: PacketVector = {
        var header = SegmentHeader(
            sourcePort: 40_000, destinationPort: 5000, sequence: SequenceNumber(0x1000_0001),
            acknowledgment: SequenceNumber(0x2000_0001), flags: [.psh, .ack], window: 502)
        header.options.timestamps = Timestamps(value: 5, echo: 7)
        header.options.dss = DSS(
            dataACK: .full(KeySetS1.firstB),
            mapping: DSSMapping(
                dataSequenceNumber: .full(KeySetS1.firstA), subflowSequenceNumber: 1, length: 5))
        return PacketVector(
            name: "IPv6 data",
            bytes: octets(
                """
                60200000 00410640 20010db8 00000001 00000000 00000001
                20010db8 00000009 00000000 00000001
                9c401388 10000001 20000001 f01801f6 e0290000
                0101080a 00000005 00000007
                1e1a200f 535beea3 8e087c8f f5a101d3 d29d6f73 00000001 00050101
                48656c6c 6f
                """),
            segment: Segment(
                source: .v6(0x2001_0db8_0000_0001, 1), destination: .v6(0x2001_0db8_0000_0009, 1),
                ecn: .ect0, header: header, payload: Array("Hello".utf8)))
    }()
}

@Suite("Segments")
struct SegmentTests {
    @Test("vectors", arguments: PacketVector.all)
    func vector(_ vector: PacketVector) throws {
        #expect(try Segment(parsing: vector.bytes) == vector.segment)
        #expect(hexadecimal(vector.segment.encodedPacket()) == hexadecimal(vector.bytes))
        // Ethernet pads short frames; what lies behind the packet is none of its payload.
        #expect(try Segment(parsing: vector.bytes + [1, 2, 3]) == vector.segment)
    }

    @Test("a device finishes the checksum that was left to it", arguments: PacketVector.all)
    func unfinishedChecksum(_ vector: PacketVector) {
        let segment = vector.segment
        var bytes = [UInt8](repeating: 0, count: vector.bytes.count)
        let length = bytes.withUnsafeMutableBytes { buffer in
            segment.header.encodePacket(
                source: segment.source, destination: segment.destination, ecn: segment.ecn,
                deviceFinishesChecksum: true, payloadLength: segment.payload.count, into: buffer
            ) { $0.copyBytes(from: segment.payload) }
        }
        // The device sums from the TCP header on, what stands in the field included.
        let start = segment.source.isV6 ? IPv6Header.length : IPv4Header.minimumLength
        var sum = InternetChecksum()
        bytes[start..<length].withUnsafeBytes { sum.add($0) }
        bytes[start + 16] = UInt8(sum.checksum >> 8)
        bytes[start + 17] = UInt8(truncatingIfNeeded: sum.checksum)
        #expect(hexadecimal(bytes) == hexadecimal(vector.bytes))
    }

    @Test("no proper prefix is a segment", arguments: PacketVector.all)
    func prefixes(_ vector: PacketVector) {
        for count in 0..<vector.bytes.count {
            #expect(throws: ParseError.truncated, "\(count) octets") {
                try Segment(parsing: Array(vector.bytes.prefix(count)))
            }
        }
    }

    @Test("every single-bit error is noticed", arguments: PacketVector.all)
    func corruption(_ vector: PacketVector) {
        for bit in 0..<(vector.bytes.count * 8) {
            // IPv6 has no header checksum: traffic class, flow label and hop limit are free.
            if vector.segment.source.isV6, bit < 32 || 56..<64 ~= bit { continue }
            var bytes = vector.bytes
            bytes[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: ParseError.self, "bit \(bit)") { try Segment(parsing: bytes) }
        }
    }

    @Test("a wrong checksum passes only where it is told to", arguments: PacketVector.all)
    func badChecksum(_ vector: PacketVector) throws {
        var bytes = vector.bytes
        bytes[bytes.count - 1] ^= 1
        #expect(throws: ParseError.badChecksum) { try Segment(parsing: bytes) }
        for verification in [SegmentView.Verification.checksumNotReady, .cutCapture] {
            let segment = try Segment(parsing: bytes, verification: verification)
            #expect(segment.payloadLength == vector.segment.payloadLength)
            #expect(segment.header.sequence == vector.segment.header.sequence)
        }
    }

    @Test("a cut capture still tells how long the payload was")
    func cutCapture() throws {
        let vector = PacketVector.all[1]
        let headers = vector.bytes.count - 5
        for kept in 0...5 {
            let segment = try Segment(
                parsing: Array(vector.bytes.prefix(headers + kept)), verification: .cutCapture)
            #expect(segment.payloadLength == 5)
            #expect(segment.payload == Array("Hello".utf8.prefix(kept)))
            #expect(segment.header == vector.segment.header)
        }
        for count in 0..<headers {
            #expect(throws: ParseError.truncated) {
                try Segment(
                    parsing: Array(vector.bytes.prefix(count)), verification: .cutCapture)
            }
        }
    }

    @Test("a data offset inside the header, or behind the packet")
    func dataOffset() {
        for (offset, error) in [(4, ParseError.badLength), (15, .truncated)] {
            var bytes = PacketVector.all[0].bytes
            bytes[32] = UInt8(offset << 4)
            #expect(throws: error) {
                try Segment(parsing: bytes, verification: .checksumNotReady)
            }
        }
    }

    @Test("UDP is not TCP")
    func otherProtocol() {
        let header = IPv4Header(
            source: .v4(1), destination: .v4(2), protocolNumber: 17, payloadLength: 20)
        let bytes =
            encoded(count: 20) { header.encode(into: &$0) } + [UInt8](repeating: 0, count: 20)
        #expect(throws: ParseError.notTCP) { try Segment(parsing: bytes) }
    }

    @Test("SYN and FIN occupy sequence numbers")
    func sequenceLength() {
        func header(_ flags: TCPFlags) -> SegmentHeader {
            SegmentHeader(
                sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(3), flags: flags,
                window: 4)
        }
        #expect(header(.ack).sequenceLength(payload: 7) == 7)
        #expect(header(.syn).sequenceLength(payload: 0) == 1)
        #expect(header([.ack, .fin]).sequenceLength(payload: 7) == 8)
    }

    @Test("the view of the receiver")
    func receivedTuple() throws {
        let bytes = PacketVector.all[0].bytes
        let tuple = try bytes.withUnsafeBytes {
            try SegmentView(parsing: $0, verification: .checksum).receivedTuple
        }
        #expect(
            tuple
                == FourTuple(
                    local: Endpoint(.v4(0x0a00_0102), 40_000),
                    remote: Endpoint(.v4(0x0a00_0901), 5000)))
    }

    @Test("random segments go round", arguments: 1...40 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            let segment = generator.segment()
            let bytes = segment.encodedPacket()
            #expect(try Segment(parsing: bytes) == segment)
            let cut = Int(generator.next() % UInt64(bytes.count))
            #expect(throws: ParseError.truncated) {
                try Segment(parsing: Array(bytes.prefix(cut)))
            }
            // One checksum covers every bit of header and payload.
            var damaged = bytes
            let start = segment.source.isV6 ? 40 : 20
            let position = start + Int(generator.next() % UInt64(bytes.count - start))
            damaged[position] ^= 1 << UInt8(generator.next() % 8)
            #expect(throws: ParseError.self) { try Segment(parsing: damaged) }
        }
    }
}
