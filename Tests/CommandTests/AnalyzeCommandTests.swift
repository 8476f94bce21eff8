import LinuxSystem
import PacketCapture
import Scenario
import Testing
import WireFormat

/// `mptcpctl analyze` on captures that the kernel's MPTCP made (see Tests/Captures).
@Suite("analyze")
struct AnalyzeCommandTests {
    private static let client = Tool.package + "/Tests/Captures/client-links.pcap"
    private static let server = Tool.package + "/Tests/Captures/server-eth0.pcap"

    private static func analyze(_ files: String...) throws -> JSONValue {
        let outcome = try ChildProcess.run(
            Tool.path, ["analyze", "--format", "json"] + files)
        #expect(outcome.exit.isSuccess, "\(outcome.error)")
        return try JSONValue(parsing: outcome.output)
    }

    private static func connection(_ value: JSONValue) throws -> JSONValue {
        try #require(value["connections"]?[0])
    }

    private static func elements(_ value: JSONValue?) -> [JSONValue] {
        guard case .array(let elements) = value else { return [] }
        return elements
    }

    // MARK: What it finds

    @Test("two capture points show the connection, its join and what was reinjected")
    func json() throws {
        let result = try Self.analyze(Self.client, Self.server)
        #expect(result["schema"]?.asString == "mptcpctl.trace/1")
        #expect(result["captures"]?[0]?["packets"]?.asInteger == 277)
        #expect(Self.elements(result["connections"]).count == 1)
        let connection = try Self.connection(result)
        #expect(connection["protocol"]?.asString == "mptcp v1")
        #expect(connection["client_key"]?.asString == "75b5946ebe5f9488")
        #expect(connection["client_token"]?.asString == "9fe20cf6")
        #expect(connection["server_token"]?.asString == "6d0582c0")
        #expect(Self.elements(connection["subflows"]).count == 2)
        #expect(connection["subflows"]?[1]?["client_end"]?["backup"]?.asBool == true)
        let join = connection["joins"]?[0]
        #expect(join?["outcome"]?.asString == "established")
        #expect(join?["third_ack_hmac"]?.asString == "valid")
        let upload = connection["upload"]
        #expect(upload?["in_order_octets"]?.asInteger == 135_005)
        #expect(upload?["data_acked_octets"]?.asInteger == 135_005)
        #expect(upload?["reinjected_octets"]?["useful"]?.asInteger == 47_848)
        #expect(upload?["reinjected_octets"]?["redundant"]?.asInteger == 0)
        #expect(Self.elements(upload?["reinjections"]).count == 37)
        #expect(Self.elements(connection["unknown"]).isEmpty)
    }

    @Test("the text says the same")
    func text() throws {
        let outcome = try Tool.run("analyze", Self.client, Self.server)
        #expect(outcome.exit.isSuccess)
        for part in [
            "Connection 0: mptcp v1 10.0.1.2:52112 -> 10.0.9.1:5001",
            "server key 87229728f78e6b31, token 6d0582c0", "established; both HMACs valid",
            "upload: 135005 octets, 135005 in order, 135005 DATA_ACKed",
            "37 reinjected packets: 47848 octets useful, 0 redundant", "and 27 more",
            "#1 join 10.0.2.2:57993 -> 10.0.9.1:5001",
        ] {
            #expect(outcome.output.contains(part), "\(part)")
        }
        #expect(!outcome.output.contains("not known"))
    }

    @Test("one capture point leaves open what it cannot show, with the reason")
    func onePoint() throws {
        let connection = try Self.connection(Self.analyze(Self.client))
        #expect(connection["upload"]?["in_order_octets"] == .null)
        #expect(connection["upload"]?["reinjected_octets"]?["useful"] == .null)
        #expect(Self.elements(connection["upload"]?["reinjections"]).count == 37)
        #expect(
            Self.elements(connection["unknown"]).map { $0["name"]?.asString }
                == ["upload.arrival"])
    }

    @Test("the receiver's side alone does not know what was sent again")
    func receiverOnly() throws {
        let outcome = try Tool.run("analyze", Self.server)
        #expect(outcome.output.contains("upload.departure: nothing was captured at the sender"))
        #expect(outcome.output.contains("as the listener saw them"))
        let connection = try Self.connection(Self.analyze(Self.server))
        #expect(connection["subflows"]?[0]?["handshake_rtt_ms"] == .null)
        let upload = connection["upload"]
        #expect(upload?["departure_captured"]?.asBool == false)
        #expect(upload?["octets"]?["retransmission"] == .null)
        #expect(upload?["octets"]?["reinjection"] == .null)
        #expect(upload?["reinjected_octets"]?["useful"] == .null)
        #expect(upload?["reinjections"] == .null)
        #expect(connection["joins"]?[0]?["syns"]?[0]?["sent_ms"] == .null)
    }

    @Test("an interface in two sections of a pcapng file is one capture point")
    func sections() throws {
        try Tool.withTemporaryDirectory { directory in
            let packets = try CaptureReader(Self.server).readAll()
            let section = CaptureSection(comment: "", system: "", application: "")
            func write(_ packets: ArraySlice<CapturedPacket>, _ name: String) throws -> String {
                let path = "\(directory)/\(name)"
                let writer = try PcapngWriter(
                    path, section: section, interfaces: [CaptureInterface(name: "eth0")])
                for packet in packets { writer.write(packet, interface: 0) }
                try writer.close()
                return path
            }
            let half = packets.count / 2
            let parts = [
                try write(packets[..<half], "one"), try write(packets[half...], "two"),
            ]
            let both = "\(directory)/both.pcapng"
            _ = try ChildProcess.run("sh", ["-c", "cat \(parts[0]) \(parts[1]) > \(both)"])
            let whole = try Self.analyze(write(packets[...], "both.whole"))
            let cut = try Self.analyze(both)
            #expect(cut["points"] == .array(["both"]))
            #expect(cut["connections"] == whole["connections"])
        }
    }

    @Test("interfaces of one name in one section are different capture points")
    func interfacesOfOneName() throws {
        try Tool.withTemporaryDirectory { directory in
            func write(_ second: String, _ file: String) throws -> String {
                let path = "\(directory)/\(file)"
                let writer = try PcapngWriter(
                    path, section: CaptureSection(comment: "", system: "", application: ""),
                    interfaces: ["eth0", second].map { CaptureInterface(name: $0) })
                for (index, capture) in [Self.client, Self.server].enumerated() {
                    for packet in try CaptureReader(capture).readAll() {
                        writer.write(packet, interface: index)
                    }
                }
                try writer.close()
                return path
            }
            let same = try Self.analyze(write("eth0", "same.pcapng"))
            let different = try Self.analyze(write("eth1", "different.pcapng"))
            #expect(same["points"] == .array(["same:eth0:0", "same:eth0:1"]))
            #expect(different["points"] == .array(["different:eth0", "different:eth1"]))
            let upload = Self.elements(same["connections"]).first?["upload"]
            #expect(upload == Self.elements(different["connections"]).first?["upload"])
        }
    }

    @Test("a part of a connection is analysed as far as it goes")
    func part() throws {
        try Tool.withTemporaryDirectory { directory in
            let packets = try CaptureReader(Self.client).readAll()
            try Self.write(Array(packets[120...]), .ethernet, "\(directory)/part.pcap") { $0 }
            let connections = Self.elements(
                try Self.analyze("\(directory)/part.pcap")["connections"])
            // The keys are gone, and so is the join: the numbers tell that both are one.
            #expect(connections.count == 1)
            let connection = try #require(connections.first)
            #expect(connection["protocol"]?.asString == "mptcp")
            #expect(connection["server_key"] == .null)
            #expect(Self.elements(connection["subflows"]).count == 2)
            let names = Self.elements(connection["unknown"]).map { $0["name"]?.asString }
            #expect(names.contains("server_key"))
            #expect(names.contains("client"))
        }
    }

    // MARK: Against tshark

    private static let tsharkOptions = [
        "-o", "mptcp.analyze_mappings:TRUE", "-o", "mptcp.intersubflows_retransmission:TRUE",
        "-o", "tcp.relative_sequence_numbers:FALSE",
    ]

    private static func tshark(_ file: String, _ filter: String, _ field: String) throws -> [String]
    {
        let outcome = try ChildProcess.run(
            "tshark",
            ["-r", file] + tsharkOptions + ["-Y", filter, "-T", "fields", "-e", field])
        return outcome.output.split(separator: "\n").map(String.init)
    }

    @Test(
        "tshark finds the same reinjected packets and tokens",
        .enabled(if: (try? Executable.find("tshark")) != nil, "needs tshark"))
    func secondWitness() throws {
        let result = try Self.analyze(Self.client)
        let connection = try Self.connection(result)
        let start = try #require(result["start"]?.asString)
        let upload = try #require(connection["upload"])
        let ours =
            Self.elements(upload["reinjections"]) + Self.elements(upload["late_reinjections"])
        let times = ours.compactMap { $0["times"]?["sent_ms"]?.asDouble }
        #expect(times.count == ours.count)
        let theirs = try Self.tshark(
            Self.client,
            "mptcp.reinjection_of && !tcp.analysis.retransmission && !tcp.analysis.keep_alive",
            "frame.time_epoch")
        #expect(
            Set(times.map { Self.nanoseconds(start) + Int64(($0 * 1_000_000).rounded()) })
                == Set(theirs.map(Self.nanoseconds)))
        let tokens = try Self.tshark(Self.client, "mptcp.expected_token", "mptcp.expected_token")
            .flatMap { $0.split(separator: ",") }.compactMap { UInt32($0) }
        let own = ["client_token", "server_token"].compactMap { connection[$0]?.asString }
        #expect(Set(tokens) == Set(own.compactMap { UInt32($0, radix: 16) }))
        #expect(Set(tokens).count == 2)
        let streams = try Self.tshark(Self.client, "mptcp", "tcp.stream")
        #expect(Set(streams).count == Self.elements(connection["subflows"]).count)
    }

    /// Of `1795551517.377614845`.
    private static func nanoseconds(_ epoch: String) -> Int64 {
        Int64(epoch.filter { $0 != "." }) ?? 0
    }

    // MARK: Link types

    private static func write(
        _ packets: [CapturedPacket], _ linkType: LinkType, _ path: String,
        _ frame: ([UInt8]) -> [UInt8]
    ) throws {
        let writer = try CaptureWriter(path, linkType: linkType)
        for packet in packets {
            let bytes = frame(packet.bytes)
            writer.write(
                CapturedPacket(
                    time: packet.time,
                    wireLength: packet.wireLength - packet.bytes.count + bytes.count,
                    bytes: bytes, linkType: linkType))
        }
        try writer.close()
    }

    struct Encapsulation: Sendable, CustomTestStringConvertible {
        var name: String
        var linkType: LinkType
        var header: [UInt8]
        var testDescription: String { name }
    }

    static let encapsulations = [
        Encapsulation(
            name: "802.1Q", linkType: .ethernet,
            header: [UInt8](repeating: 2, count: 12) + [0x81, 0, 0, 7, 8, 0]),
        Encapsulation(
            name: "802.1ad and 802.1Q", linkType: .ethernet,
            header: [UInt8](repeating: 2, count: 12)
                + [0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0]),
        Encapsulation(
            name: "Linux cooked v1", linkType: .linuxCooked,
            header: [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0]),
        Encapsulation(
            name: "Linux cooked v2", linkType: .linuxCookedV2,
            header: [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]),
        Encapsulation(name: "raw IP", linkType: .rawIP, header: []),
        Encapsulation(name: "BSD loopback", linkType: .null, header: [2, 0, 0, 0]),
    ]

    @Test("the result is the same whatever the frames look like", arguments: encapsulations)
    func linkTypes(_ encapsulation: Encapsulation) throws {
        try Tool.withTemporaryDirectory { directory in
            let file = "\(directory)/client-links.pcap"
            try Self.write(
                CaptureReader(Self.client).readAll(), encapsulation.linkType, file
            ) { encapsulation.header + $0.dropFirst(14) }
            let expected = try Self.analyze(Self.client)
            let result = try Self.analyze(file)
            #expect(result["connections"] == expected["connections"])
            #expect(result["counts"] == expected["counts"])
        }
    }

    // MARK: What can go wrong, and the plot

    @Test("unreadable input is a usage error with the file and what to do")
    func unreadable() throws {
        let missing = try Tool.run("analyze", "/nowhere/a.pcap")
        #expect(missing.exit == .code(2))
        #expect(missing.error.contains("/nowhere/a.pcap: No such file or directory"))
        let text = try Tool.run("analyze", Tool.package + "/Package.swift")
        #expect(text.exit == .code(2))
        #expect(text.error.contains("Package.swift"))
        #expect(text.error.contains("give a pcap or pcapng file"))
        #expect(try Tool.run("analyze").exit == .code(2))
        #expect(try Tool.run("analyze", Self.client, "--connection", "0").exit == .code(2))
    }

    @Test("a cut file is analysed, with a warning")
    func cut() throws {
        try Tool.withTemporaryDirectory { directory in
            let file = "\(directory)/client-cut.pcap"
            let outcome = try ChildProcess.run(
                "sh", ["-c", "head -c 20000 '\(Self.client)' > '\(file)'"])
            #expect(outcome.exit.isSuccess)
            let result = try Tool.run("analyze", file)
            #expect(result.exit.isSuccess)
            #expect(result.error.contains("client-cut.pcap: truncated"))
            #expect(result.output.contains("warning"))
            #expect(result.output.contains("Connection 0: mptcp v1"))
        }
    }

    @Test("the plot is an SVG file of the connection that was asked for")
    func plot() throws {
        try Tool.withTemporaryDirectory { directory in
            let file = "\(directory)/plot.svg"
            let outcome = try Tool.run("analyze", Self.client, Self.server, "--plot", file)
            #expect(outcome.exit.isSuccess)
            let image = try TextFile.read(file)
            #expect(image.hasPrefix("<svg"))
            for label in ["#0 10.0.1.2", "#1 10.0.2.2", "reinjection", "DATA_ACK", "join #1"] {
                #expect(image.contains(">\(label)</text>"), "\(label)")
            }
            let download = try Tool.run(
                "analyze", Self.client, "--plot", file, "--direction", "download")
            #expect(download.exit.isSuccess)
            #expect(try TextFile.read(file).contains("no data in this direction"))
            let none = try Tool.run("analyze", Self.client, "--plot", file, "--connection", "1")
            #expect(none.exit == .code(2))
            #expect(none.error.contains("--connection 1: the captures hold 1"))
        }
    }
}
