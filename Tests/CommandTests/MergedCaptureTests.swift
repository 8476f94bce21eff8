import LinuxSystem
import PacketCapture
import Scenario
import Testing

/// `merged.pcapng`: what the captures of a run show, in one file with the time line in it.
@Suite struct MergedCaptureTests {
    private static let files = ["client-wifi0.pcap", "client-lte0.pcap", "server-eth0.pcap"]

    /// Runs once; the directory of the run, and what `results.json` says of it.
    private func handover(
        _ directory: String, _ arguments: [String]
    ) throws -> (path: String, run: JSONValue) {
        let outcome = try ChildProcess.run(
            Tool.path,
            [
                "handover", "--seed", "11", "--runs", "1", "--quiet", "--format", "json",
                "--output", "\(directory)/out",
            ] + arguments)
        #expect(outcome.exit == .code(0), "\(outcome.error)")
        let run = try #require(try JSONValue(parsing: outcome.output)["runs"]?[0])
        return ("\(directory)/out/runs/001", run)
    }

    private static func analysis(_ files: [String]) throws -> JSONValue {
        let outcome = try ChildProcess.run(Tool.path, ["analyze", "--format", "json"] + files)
        #expect(outcome.exit == .code(0), "\(outcome.error)")
        return try JSONValue(parsing: outcome.output)
    }

    /// The same packets, in order, and the same story from one file as from three.
    private func expectSameStory(_ path: String, _ run: JSONValue) throws {
        guard case .array(let captures) = run["captures"] else {
            Issue.record("no captures")
            return
        }
        #expect(
            captures.compactMap(\.asString)
                == (Self.files + ["merged.pcapng"]).map { "runs/001/\($0)" })
        let reader = try CaptureReader("\(path)/merged.pcapng")
        let merged = try reader.readAll()
        #expect(
            reader.interfaces.map(\.name) == Self.files.map { String($0.dropLast(5)) })
        #expect(zip(merged, merged.dropFirst()).allSatisfy { $0.time <= $1.time })
        for (index, file) in Self.files.enumerated() {
            let alone = try CaptureReader("\(path)/\(file)").readAll()
            let part = merged.filter { $0.interface == index }
            #expect(alone.map(\.bytes).count == part.count)
            #expect(Set(alone.map(\.bytes)) == Set(part.map(\.bytes)))
        }
        let single = try Self.analysis(["\(path)/merged.pcapng"])
        let several = try Self.analysis(Self.files.map { "\(path)/\($0)" })
        #expect(single["connections"] == several["connections"])
        #expect(single["counts"] == several["counts"])
        #expect(single["connections"]?[0]?["joins"]?[0]?["outcome"]?.asString == "established")
    }

    @Test(arguments: ["break-before-make", "make-before-break"], ["upload", "download"])
    func oneFileTellsTheSame(mode: String, direction: String) throws {
        try Tool.withTemporaryDirectory { directory in
            let (path, run) = try handover(
                directory,
                [
                    "--backend", "simulation", "--workload", "bulk", "--size", "300kB", "--mode",
                    mode, "--direction", direction, "--break-at", "60ms", "--duration", "4s",
                ])
            try expectSameStory(path, run)
        }
    }

    @Test func capturesThatAreNotKeptAreNotMerged() throws {
        try Tool.withTemporaryDirectory { directory in
            let (path, run) = try handover(
                directory, ["--backend", "simulation", "--captures", "none"])
            #expect(run["captures"] == .array([]))
            #expect(!Directory.exists("\(path)/merged.pcapng"))
        }
    }

    // MARK: The comments

    static let hasTshark = (try? Executable.find("tshark")) != nil

    /// Of each comment: the frame's time, its interface, its flags and the words.
    private struct Comment {
        var nanoseconds: Int64
        var interface: String
        var isSYN: Bool
        var length: Int
        var text: String
    }

    private func comments(_ path: String) throws -> [Comment] {
        let fields = [
            "frame.time_epoch", "frame.interface_name", "tcp.flags.syn", "tcp.len", "frame.comment",
        ]
        let outcome = try ChildProcess.run(
            "tshark",
            [
                "-n", "-r", "\(path)/merged.pcapng", "-Y", "frame.comment", "-T", "fields", "-E",
                "aggregator=|",
            ] + fields.flatMap { ["-e", $0] })
        try #require(outcome.exit.isSuccess, "\(outcome.error)")
        return try outcome.output.split(separator: "\n").flatMap { line in
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            let time = try #require(Int64(columns[0].filter { $0 != "." }))
            return columns[4].split(separator: "|").map {
                Comment(
                    nanoseconds: time, interface: String(columns[1]), isSYN: columns[2] == "1",
                    length: Int(columns[3]) ?? 0, text: String($0))
            }
        }
    }

    /// A Fast Join as published is a join: by its token and its HMAC, and the story says which.
    @Test(
        .enabled(if: hasTshark, "needs tshark"),
        arguments: [("upload", "Fast Join Out", "data"), ("download", "Fast Join In", "resume")])
    func publishedJoin(direction: String, name: String, offer: String) throws {
        try Tool.withTemporaryDirectory { directory in
            let (path, _) = try handover(
                directory,
                [
                    "--backend", "simulation", "--workload", "stream", "--direction", direction,
                    "--join", "syn-data", "--fast-join-profile", "multimob",
                ])
            for moment in ["join_syn,", "join_synack,", "join_ack,"] {
                let found = try comments(path).filter { $0.text.hasPrefix(moment) }
                #expect(found.count == 1)
                #expect(
                    found.first?.text.hasSuffix("(\(name))") == (found.first?.isSYN == true),
                    "\(found)")
            }
            let joins = try Self.analysis(["\(path)/merged.pcapng"])["connections"]?[0]?["joins"]
            let join = try #require(joins?[0])
            #expect(joins?[1] == nil)
            #expect(join["outcome"]?.asString == "established")
            #expect(join["synack_hmac"]?.asString == "valid")
            #expect(join["fourth_ack"] == .null)
            #expect(join["fast_join"]?["profile"]?.asString == "multimob")
            #expect(join["fast_join"]?["offer"]?.asString == offer)
            #expect(join["fast_join"]?["taken"]?.asBool == true)
        }
    }

    /// Every known moment of `timeline_ms` is in the capture, once, with the same number; what is a
    /// packet's doing on that packet.
    private func expectTimeline(_ path: String, _ run: JSONValue) throws {
        let comments = try comments(path)
        guard case .object(let members) = run["timeline_ms"] else {
            Issue.record("no time line")
            return
        }
        let known = members.filter { $0.value != .null }
        #expect(comments.count == known.count)
        let fourthACK = try #require(comments.first { $0.text.hasPrefix("join_fourth_ack,") })
        let zero =
            fourthACK.nanoseconds
            - Int64(((run["timeline_ms"]?["join_fourth_ack"]?.asDouble ?? 0) * 1e6).rounded())
        for member in known {
            let number = try #require(member.value.asDouble)
            let sign = number < 0 ? "-" : "+"
            let start =
                "\(member.name), t0 \(sign) \(JSONValue(rounding: abs(number)).compact) ms: "
            let found = comments.filter { $0.text.hasPrefix(start) }
            #expect(found.count == 1, "\(start) \(comments.map(\.text))")
            guard let comment = found.first else { continue }
            let isPacketless = ["break", "make", "ready"].contains(member.name)
            let distance = comment.nanoseconds - zero - Int64((number * 1e6).rounded())
            #expect(isPacketless ? distance >= 0 : distance == 0, "\(comment)")
            #expect(comment.text.contains("before this packet") == (distance > 0), "\(comment)")
            switch member.name {
            case "join_syn", "join_synack":
                #expect(comment.isSYN && comment.interface == "client-lte0", "\(comment)")
            case "first_reinjection", "first_data_on_new_path", "first_lacking_byte_arrived":
                #expect(comment.length > 0, "\(comment)")
            default: break
            }
        }
    }

    @Test(
        .enabled(if: hasTshark, "needs tshark"),
        arguments: ["break-before-make", "make-before-break"],
        ["--workload stream", "--direction download --workload stream", "--break silent"])
    func commentsAreTheTimeLine(mode: String, variant: String) throws {
        try Tool.withTemporaryDirectory { directory in
            let (path, run) = try handover(
                directory,
                ["--backend", "simulation", "--mode", mode, "--duration", "2500ms"]
                    + variant.split(separator: " ").map(String.init))
            try expectTimeline(path, run)
        }
    }

    @Test(
        .enabled(if: hasTshark, "needs tshark"),
        .enabled(if: Tool.mayBuildNetworks, "needs root, or user namespaces, and nft"))
    func inNamespacesToo() throws {
        try Tool.withTemporaryDirectory { directory in
            let (path, run) = try handover(
                directory,
                [
                    "--backend", "netns", "--workload", "stream", "--break-at", "700ms",
                    "--duration", "1500ms",
                ])
            try expectSameStory(path, run)
            try expectTimeline(path, run)
            let about = try ChildProcess.run("capinfos", ["-M", "\(path)/merged.pcapng"])
            #expect(about.output.contains("seed 11; run 1 with seed"), "\(about.output)")
        }
    }
}
