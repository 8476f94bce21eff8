import LinuxSystem
import NetworkPrimitives
import PacketCapture
import Scenario
import Testing
import WireFormat

/// `mptcpctl wireshark-plugin`, and what tshark says with it of packets that this project wrote.
@Suite struct WiresharkPluginTests {
    // MARK: Printing and installing

    @Test func printsWhatIsInTheRepository() throws {
        let outcome = try Tool.run("wireshark-plugin")
        #expect(outcome.exit == .code(0))
        let source = Tool.package + "/Sources/MPTCPCtlCommands/Resources/mptcpctl.lua"
        #expect(try outcome.output == TextFile.read(source))
    }

    @Test func installsIntoTheHomeDirectory() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try ChildProcess.run(
                "env", ["HOME=\(directory)", Tool.path, "wireshark-plugin", "--install"])
            #expect(outcome.exit == .code(0), "\(outcome.error)")
            let path = "\(directory)/.local/lib/wireshark/plugins/mptcpctl.lua"
            #expect(outcome.output == path + "\n")
            #expect(try TextFile.read(path).hasPrefix("-- mptcpctl:"))
            let homeless = try ChildProcess.run(
                "env", ["-u", "HOME", Tool.path, "wireshark-plugin", "--install"])
            #expect(homeless.exit == .code(3))
            #expect(homeless.error.contains("--directory"))
        }
    }

    @Test func foreignFilesStay() throws {
        try Tool.withTemporaryDirectory { directory in
            let path = "\(directory)/mptcpctl.lua"
            func install(_ more: String...) throws -> ChildProcess.Outcome {
                try ChildProcess.run(
                    Tool.path,
                    ["wireshark-plugin", "--install", "--directory", directory] + more)
            }
            try TextFile.write("-- somebody's\n", to: path)
            let refused = try install()
            #expect(refused.exit == .code(2))
            #expect(refused.error.contains("--force"))
            #expect(try TextFile.read(path) == "-- somebody's\n")
            #expect(try install("--force").exit == .code(0))
            try TextFile.write("-- mptcpctl: an older one\n", to: path)
            #expect(try install().exit == .code(0))
            #expect(try TextFile.read(path).contains("register_postdissector"))
            #expect(Directory.list(directory) == ["mptcpctl.lua"])
        }
    }

    @Test func badUsageIsExplained() throws {
        let impossible = try Tool.run("wireshark-plugin", "--install", "--directory", "/dev/null")
        #expect(impossible.exit == .code(2))
        #expect(impossible.error.contains("--directory /dev/null"))
        let nowhere = try Tool.run("wireshark-plugin", "--install", "--directory", "")
        #expect(nowhere.exit == .code(2))
        #expect(nowhere.error.contains("--directory must"))
        let needless = try Tool.run("wireshark-plugin", "--force")
        #expect(needless.exit == .code(2))
        #expect(needless.error.contains("--install"))
    }

    // MARK: Dissecting

    static let hasTshark = (try? Executable.find("tshark")) != nil

    /// An option of kind 30 from its octets.
    private static func option(_ hex: String) throws -> MPTCPOption {
        let digits = Array(hex)
        let octets = try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        }
        return .unknown(
            subtype: octets[2] >> 4, nibble: octets[2] & 0xf, bytes: Array(octets.dropFirst(3)))
    }

    private static func packet(
        _ options: [MPTCPOption], _ flags: TCPFlags = .syn, payload: [UInt8] = [], port: UInt16
    ) -> [UInt8] {
        var header = SegmentHeader(
            sourcePort: port, destinationPort: 5001, sequence: SequenceNumber(1),
            acknowledgment: SequenceNumber(flags.contains(.ack) ? 1 : 0), flags: flags,
            window: 1_000)
        header.options.mptcp = options
        return Segment(
            source: .v4(0x0a00_0202), destination: .v4(0x0a00_0901), header: header,
            payload: payload
        ).encodedPacket()
    }

    /// One row for each packet, one column for each field.
    private static func dissect(
        _ packets: [[UInt8]], _ fields: [String], _ more: [String] = []
    ) throws -> [[String]] {
        try Tool.withTemporaryDirectory { directory in
            let writer = try CaptureWriter("\(directory)/a.pcap", linkType: .rawIP)
            for (index, packet) in packets.enumerated() {
                writer.write(
                    CapturedPacket(time: Int64(index) * 1_000, bytes: packet, linkType: .rawIP))
            }
            try writer.close()
            let installed = try Tool.run(
                "wireshark-plugin", "--install", "--directory", directory)
            #expect(installed.exit == .code(0))
            let outcome = try ChildProcess.run(
                "tshark",
                [
                    "-n", "-X", "lua_script:\(directory)/mptcpctl.lua", "-r",
                    "\(directory)/a.pcap", "-T", "fields", "-E", "aggregator=|",
                ] + more + fields.flatMap { ["-e", $0] })
            try #require(outcome.exit.isSuccess, "\(outcome.error)")
            #expect(!outcome.error.lowercased().contains("lua:"), "\(outcome.error)")
            #expect(!outcome.output.contains("Lua Error"), "\(outcome.output)")
            return outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
                .dropLast().map {
                    $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                }
        }
    }

    /// The vectors of the specification of fast joins.
    private static let join = "1e0c10022239b6e901020304"
    private static let data = "1e12f001464a47bcd6b2c031a59bc6aa6bd0"
    private static let resume = "1e12f002464a6dbdf96a15b6f92965c7b43b"
    private static let caps = "1e08f003464a0716"

    @Test(.enabled(if: hasTshark, "needs tshark"))
    func fastJoin() throws {
        let request = Array("GET /handover HTTP/1.1\r\n\r\n".utf8)
        let rows = try Self.dissect(
            [
                Self.packet(
                    [try Self.option(Self.join), try Self.option(Self.data)], payload: request,
                    port: 40_000),
                Self.packet([try Self.option(Self.resume)], port: 40_001),
                Self.packet([try Self.option(Self.caps)], .ack, port: 40_002),
                Self.packet([try Self.option("1e08f003464a8910")], .ack, port: 40_003),
                Self.packet(
                    [try Self.option("1e12f101464a47bcd6b2c031a59bc6aa6bd0")], port: 40_004),
            ],
            [
                "mptcpctl.exid", "mptcpctl.fj.op", "mptcpctl.fj.dsn", "mptcpctl.fj.data_ack",
                "mptcpctl.fj.mac", "mptcpctl.fj.flags.data_fin", "mptcpctl.caps.features",
                "mptcpctl.caps.max_payload", "mptcpctl.caps.features.early_data",
                "mptcpctl.caps.features.received", "mptcpctl.malformed", "_ws.expert.message",
            ]
        ).map { row in
            let ignored = row[11].split(separator: "|").filter { $0.contains("will ignore") }
            return Array(row.dropLast()) + ignored.map(String.init)
        }
        #expect(
            rows == [
                ["0x464a", "1", "1203558066", "", "c031a59bc6aa6bd0", "0", "", "", "", "", ""],
                ["0x464a", "2", "", "1841166698", "15b6f92965c7b43b", "0", "", "", "", "", ""],
                ["0x464a", "3", "", "", "", "", "0x07", "1408", "0", "0", ""],
                ["0x464a", "3", "", "", "", "", "0x89", "1024", "1", "1", ""],
                [
                    "0x464a", "1", "1203558066", "", "c031a59bc6aa6bd0", "1", "", "", "", "", "",
                    "The receiver will ignore this option: FJ-DATA without payload",
                ],
            ])
    }

    @Test(.enabled(if: hasTshark, "needs tshark"))
    func columnAndFilter() throws {
        let packets = [
            Self.packet([try Self.option(Self.data)], payload: [1], port: 40_000),
            Self.packet([try Self.option(Self.caps)], .ack, port: 40_001),
            Self.packet([], port: 40_002),
        ]
        let rows = try Self.dissect(
            packets, ["frame.number", "_ws.col.Info"], ["-Y", "mptcpctl.fj.op == 1"])
        #expect(rows.count == 1)
        #expect(rows.first?[0] == "1")
        #expect(rows.first?[1].contains("[FJ-DATA dsn=1203558066]") == true)
    }

    /// Every length of each operation: those that are not in the table are said to be wrong, and
    /// none upsets the script.
    @Test(.enabled(if: hasTshark, "needs tshark"))
    func lengths() throws {
        var packets: [[UInt8]] = []
        var isGood: [Bool] = []
        for (operation, right) in [(UInt8(1), 18), (2, 18), (3, 8), (0, 0), (9, 0)] {
            for length in 3...40 {
                let body = [operation, 0x46, 0x4a] + [UInt8](repeating: 0x55, count: 40)
                packets.append(
                    Self.packet(
                        [.unknown(subtype: 0xf, nibble: 0, bytes: Array(body.prefix(length - 3)))],
                        port: UInt16(40_000 + packets.count)))
                isGood.append(length == right)
            }
        }
        let rows = try Self.dissect(packets, ["mptcpctl.malformed", "mptcpctl.fj.op"])
        #expect(rows.map { $0[0].isEmpty } == isGood)
    }

    /// Of another experiment nothing is said but its name.
    @Test(.enabled(if: hasTshark, "needs tshark"))
    func otherExperiments() throws {
        let rows = try Self.dissect(
            [
                Self.packet([try Self.option("1e10f0014d53000752221f3d2789a589")], port: 40_000),
                Self.packet([try Self.option(Self.join)], port: 40_001),
            ], ["mptcpctl.exid", "mptcpctl.fj.op", "mptcpctl.malformed"])
        #expect(rows == [["0x4d53", "", ""], ["", "", ""]])
    }

    @Test(.enabled(if: hasTshark, "needs tshark"))
    func multimob() throws {
        let vectors: [(String, TCPFlags)] = [
            ("1e14a0022239b6e947bcd6b2654a6406001acc65", .syn),
            ("1e10a0037293700238356ab447bcd6cc", [.syn, .ack]),
            ("1e14a2037293700238356ab44cce3af547bcd6cc", [.syn, .ack]),
            ("1e1491022239b6e96dbdf96a2170666c5e8acb0c", .syn),
            ("1e10900337883d9e15f0cbaf0a0b0c0d", [.syn, .ack]),
            ("1e10a0037293700238356ab447bcd6cc", .syn),
        ]
        let packets = try vectors.enumerated().map { index, vector in
            Self.packet([try Self.option(vector.0)], vector.1, port: UInt16(40_000 + index))
        }
        let fields = [
            "subtype", "backup", "address_id", "token", "dsn", "hmac", "length", "checksum",
            "data_ack", "data_ack64", "random",
        ].map { "mptcpctl.multimob." + $0 }
        let off = try Self.dissect(packets, fields + ["mptcpctl.malformed"])
        #expect(off.allSatisfy { $0.allSatisfy(\.isEmpty) })
        let rows = try Self.dissect(packets, fields, ["-o", "mptcpctl.multimob:TRUE"])
        #expect(
            rows == [
                [
                    "0x0a", "0", "2", "0x2239b6e9", "1203558066", "654a6406", "26", "0xcc65", "",
                    "", "",
                ],
                ["0x0a", "0", "3", "", "", "7293700238356ab4", "", "", "1203558092", "", ""],
                [
                    "0x0a", "0", "3", "", "", "7293700238356ab4", "", "", "",
                    "5534425817229874892", "",
                ],
                [
                    "0x09", "1", "2", "0x2239b6e9", "", "2170666c5e8acb0c", "", "", "1841166698",
                    "", "",
                ],
                ["0x09", "0", "3", "", "", "37883d9e15f0cbaf", "", "", "", "", "0x0a0b0c0d"],
                // A SYN has twenty octets.
                ["", "", "", "", "", "", "", "", "", "", ""],
            ])
    }

    /// The flag and the length say whether the Data ACK has eight octets: both or none.
    @Test(.enabled(if: hasTshark, "needs tshark"))
    func multimobLengths() throws {
        let wrong = [
            "1e10a2037293700238356ab447bcd6cc", "1e14a0037293700238356ab44cce3af547bcd6cc",
            "1e14900337883d9e15f0cbaf0a0b0c0d00000000",
        ]
        let packets = try wrong.enumerated().map { index, hex in
            Self.packet([try Self.option(hex)], [.syn, .ack], port: UInt16(40_000 + index))
        }
        let rows = try Self.dissect(
            packets, ["mptcpctl.multimob.hmac", "_ws.expert.message"],
            ["-o", "mptcpctl.multimob:TRUE"])
        #expect(rows.map { $0[0] } == ["", "", ""])
        let words = ["has 16 octets and not 20", "has 20 octets and not 16", "and not 16"]
        #expect(zip(rows, words).allSatisfy { $0[1].contains($1) }, "\(rows)")
    }

    /// A router's message quotes the header of a SYN without all of its payload.
    @Test(.enabled(if: hasTshark, "needs tshark"))
    func quotedByRouters() throws {
        let original = Self.packet(
            [try Self.option(Self.data)], payload: [UInt8](repeating: 1, count: 100), port: 40_000)
        let quote = Array(original.dropLast(100))
        let length = 20 + 8 + quote.count
        let header: [UInt8] = [
            0x45, 0, 0, UInt8(length), 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 2, 1, 10, 0, 2, 2,
        ]
        let message = header + [3, 1, 0, 0, 0, 0, 0, 0] + quote
        let rows = try Self.dissect(
            [message], ["mptcpctl.fj.dsn", "mptcpctl.ignored"])
        #expect(rows == [["1203558066", ""]])
    }
}
