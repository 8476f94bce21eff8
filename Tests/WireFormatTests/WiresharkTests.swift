import LinuxSystem
import NetworkPrimitives
import Testing
import WireFormat

/// What Wireshark, which nobody here wrote, reads in the packets that this project writes.
@Suite("Wireshark")
struct WiresharkTests {
    static let isPossible: Bool = {
        guard let outcome = try? ChildProcess.run("tshark", ["--version"]) else { return false }
        return outcome.exit.isSuccess && (try? Executable.find("text2pcap")) != nil
    }()

    /// One row for each packet, one column for each field.
    private func dissect(_ packets: [[UInt8]], fields: [String]) throws -> [[String]] {
        let path = "/tmp/mptcpctl-wireshark-\(RandomBytes.suffix()).pcap"
        defer { TemporaryFile.remove(path) }
        let dump = packets.map { bytes in
            "0000 " + bytes.map { hexadecimal([$0]) }.joined(separator: " ") + "\n\n"
        }.joined()
        // Link type 101: raw IP.
        let conversion = try ChildProcess.run(
            "text2pcap", ["-q", "-l", "101", "-", path], input: dump)
        try #require(conversion.exit.isSuccess, "\(conversion.error)")
        let outcome = try ChildProcess.run(
            "tshark",
            [
                "-r", path, "-n", "-T", "fields", "-o", "tcp.check_checksum:TRUE", "-o",
                "ip.check_checksum:TRUE",
            ] + fields.flatMap { ["-e", $0] })
        try #require(outcome.exit.isSuccess, "\(outcome.error)")
        return outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast().map {
                $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            }
    }

    private func packet(
        _ flags: TCPFlags, isV6: Bool = false, payload: [UInt8] = [],
        _ change: (inout TCPOptions) -> Void
    ) -> [UInt8] {
        var header = SegmentHeader(
            sourcePort: 40_000, destinationPort: 5000, sequence: SequenceNumber(1),
            acknowledgment: SequenceNumber(1), flags: flags, window: 1000)
        change(&header.options)
        return Segment(
            source: isV6 ? .v6(1 << 60, 1) : .v4(0x0a00_0102),
            destination: isV6 ? .v6(1 << 60, 2) : .v4(0x0a00_0901), header: header,
            payload: payload
        ).encodedPacket()
    }

    @Test("every option of the vectors is well formed", .enabled(if: isPossible, "needs tshark"))
    func wellFormed() throws {
        let vectors =
            MPCapableTests.vectors + MPJoinTests.vectors + DSSTests.vectors
            + AddAddressTests.vectors + RemoveAddressTests.vectors + PriorityTests.vectors
            + ResetTests.vectors + FastJoinOptionTests.vectors + MultiMobOptionTests.vectors
        let packets = vectors.enumerated().map { index, vector in
            packet(flags(of: vector.option), isV6: index % 2 == 1) { $0.mptcp = [vector.option] }
        }
        let rows = try dissect(
            packets,
            fields: [
                "tcp.checksum.status", "_ws.malformed", "tcp.options.mptcp.subtype",
                "tcp.option_len", "tcp.hdr_len",
            ])
        try #require(rows.count == vectors.count)
        for (vector, row) in zip(vectors, rows) {
            #expect(row[0] == "1", "\(vector.name): checksum")
            #expect(row[1] == "", "\(vector.name): malformed")
            #expect(row[2] == String(vector.bytes[2] >> 4), "\(vector.name): subtype")
            #expect(row[3] == String(vector.bytes.count), "\(vector.name): length")
        }
    }

    private func flags(of option: MPTCPOption) -> TCPFlags {
        switch option {
        case .capable(let capable) where capable.receiverKey == nil: .syn
        case .join(.syn), .multimob(.outSYN), .multimob(.inSYN): .syn
        case .join(.synACK), .multimob(.outSYNACK), .multimob(.inSYNACK): [.syn, .ack]
        case .reset: [.rst, .ack]
        case .capable, .join, .dss, .addAddress, .removeAddress, .priority, .fail, .fastClose,
            .fastJoin, .unknown:
            .ack
        }
    }

    @Test("the values of a mapping", .enabled(if: isPossible, "needs tshark"))
    func mapping() throws {
        let data = packet(.ack, payload: Array("Hello".utf8)) {
            $0.timestamps = Timestamps(value: 7, echo: 8)
            $0.dss = DSS(
                dataACK: .full(KeySetS1.firstB),
                mapping: DSSMapping(
                    dataSequenceNumber: .full(KeySetS1.firstA), subflowSequenceNumber: 1,
                    length: 5))
        }
        let rows = try dissect(
            [data],
            fields: [
                "tcp.options.mptcp.rawdataseqno", "tcp.options.mptcp.rawdataack",
                "tcp.options.mptcp.subflowseqno", "tcp.options.mptcp.datalvllen",
                "tcp.options.timestamp.tsval", "tcp.len",
            ])
        #expect(
            rows == [
                [
                    String(KeySetS1.firstA), String(KeySetS1.firstB), "1", "5", "7", "5",
                ]
            ])
    }

    @Test("the values of a join", .enabled(if: isPossible, "needs tshark"))
    func join() throws {
        let joins: [(TCPFlags, MPTCPOption)] = [
            (.syn, MPJoinTests.vectors[1].option), ([.syn, .ack], MPJoinTests.vectors[2].option),
            (.ack, MPJoinTests.vectors[4].option),
        ]
        let rows = try dissect(
            joins.map { join in packet(join.0) { $0.mptcp = [join.1] } },
            fields: [
                "tcp.options.mptcp.recvtok", "tcp.options.mptcp.sendrand",
                "tcp.options.mptcp.sendtrunchmac", "tcp.options.mptcp.sendhmac",
                "tcp.options.mptcp.addrid",
            ])
        #expect(
            rows == [
                [String(0xccad_45ac), String(KeySetS1.nonceA), "", "", "2"],
                ["", String(KeySetS1.nonceB), String(0x72be_a43c_69c0_c206), "", "0"],
                ["", "", "", "c2986b9ffe33dedc10955fc5c9c31544e3ac05c0", ""],
            ])
    }

    @Test("random segments", .enabled(if: isPossible, "needs tshark"))
    func randomSegments() throws {
        var generator = SeededGenerator(seed: 1)
        // Wireshark takes TCP ports of other protocols apart by their payload.
        let segments = (0..<300).map { _ in
            var segment = generator.segment()
            segment.header.sourcePort = 40_000
            segment.header.destinationPort = 40_001
            return segment
        }
        let rows = try dissect(
            segments.map { $0.encodedPacket() },
            fields: ["tcp.checksum.status", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.hdr_len"])
        try #require(rows.count == segments.count)
        for (segment, row) in zip(segments, rows) {
            #expect(row[0] == "1")
            #expect(row[1] == segment.header.sequence.description)
            #expect(row[2] == segment.header.acknowledgment.description)
            #expect(row[3] == String(segment.payload.count))
            #expect(row[4] == String(segment.header.encodedLength))
        }
    }
}

private enum TemporaryFile {
    static func remove(_ path: String) { _ = try? ChildProcess.run("rm", ["-f", path]) }
}
