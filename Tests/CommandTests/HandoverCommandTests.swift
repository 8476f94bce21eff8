import LinuxSystem
import Scenario
import Testing

@Suite struct HandoverCommandTests {
    /// Two processes, one seed: not a bit differs, paths aside.
    @Test(arguments: ["stream", "bulk"])
    func simulationFollowsFromItsSeed(workload: String) throws {
        try Tool.withTemporaryDirectory { directory in
            for name in ["a", "b"] {
                let outcome = try Tool.run(
                    "handover", "multimob", "--backend", "simulation", "--seed", "42",
                    "--runs", "1", "--workload", workload, "--quiet", "--output",
                    "\(directory)/\(name)")
                #expect(outcome.exit == .code(0), "\(outcome.error)")
            }
            let files = [
                "client-wifi0.pcap", "client-lte0.pcap", "server-eth0.pcap", "merged.pcapng",
            ]
            for file in files.map({ "runs/001/\($0)" }) + ["results.json", "runs/001/events.jsonl"]
            {
                let first = try TextFile.bytes("\(directory)/a/\(file)")
                #expect(!first.isEmpty)
                #expect(try first == TextFile.bytes("\(directory)/b/\(file)"), "\(file)")
            }
        }
    }

    /// netem has no radio that sleeps: whoever asks for both is told so, before anything is built.
    @Test(.enabled(if: Tool.mayBuildNetworks, "needs root, or user namespaces, and nft"))
    func promotionIsNotForNetemInNamespaces() throws {
        try Tool.withTemporaryDirectory { directory in
            let text = try TextFile.read("\(Tool.package)/testbeds/wifi-lte.yaml")
            let file = "\(directory)/slow.yaml"
            let radio = "    promotion: { delay: 260 ms, tail: 10 s }\n"
            try TextFile.write(
                text.replacing("    rtt: 60 ms\n", with: "    rtt: 60 ms\n" + radio), to: file)
            let outcome = try Tool.run(
                "handover", file, "--backend", "netns", "--link-emulation", "netem", "--output",
                "\(directory)/out")
            #expect(outcome.exit == .code(2))
            #expect(outcome.error.contains("path 'lte' has a 'promotion'"), "\(outcome.error)")
            #expect(!Directory.exists("\(directory)/out"))
        }
    }

    /// Another seed is another run.
    @Test func seedsDiffer() throws {
        try Tool.withTemporaryDirectory { directory in
            for seed in ["1", "2"] {
                let outcome = try Tool.run(
                    "handover", "--backend", "simulation", "--seed", seed, "--runs", "1",
                    "--workload", "stream", "--quiet", "--output", "\(directory)/\(seed)")
                #expect(outcome.exit == .code(0), "\(outcome.error)")
            }
            let file = "runs/001/client-wifi0.pcap"
            #expect(
                try TextFile.bytes("\(directory)/1/\(file)")
                    != TextFile.bytes("\(directory)/2/\(file)"))
        }
    }

    /// What is wrong is said, with its option, and the exit code is 2.
    @Test(arguments: [
        (["--mode", "sideways"], "sideways"),
        (["--break-at", "1500"], "1500"),
        (["--duration", "1s"], "--duration"),
        (["--runs", "0"], "--runs"),
        (["--size", "12parsecs"], "12parsecs"),
        (["--assert", "outage.p95<150"], "outage_ms.p95"),
        (["--assert", "failed"], "comparison"),
        (["--client", "kernel"], "--client"),
        (["--interval", "5ms"], "--interval"),
        (["wifi-v6-lte-v4", "--client", "kernel", "--backend", "netns"], "IPv6 to IPv4"),
        (["wifi-lte2"], "wifi-lte"),
        (["/dev/null"], "/dev/null"),
        (["--no-such-option"], "no-such-option"),
    ])
    func badInputIsExplained(arguments: [String], word: String) throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try ChildProcess.run(
                Tool.path,
                ["handover", "--backend", "simulation", "--output", "\(directory)/out"] + arguments)
            #expect(outcome.exit == .code(2), "\(outcome.error)")
            #expect(outcome.error.contains(word), "\(outcome.error)")
            #expect(outcome.output.isEmpty)
            #expect(Directory.list(directory).isEmpty, "something was left behind")
        }
    }

    /// Results are never mixed with older ones.
    @Test func anExistingDirectoryIsLeftAlone() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try Tool.run(
                "handover", "--backend", "simulation", "--runs", "1", "--output", directory)
            #expect(outcome.exit == .code(2))
            #expect(outcome.error.contains("exists already"))
            #expect(Directory.list(directory).isEmpty)
        }
    }

    /// Assertions decide the exit code; the results are there all the same.
    @Test func assertionsDecide() throws {
        try Tool.withTemporaryDirectory { directory in
            func run(_ assertion: String, _ name: String) throws -> ChildProcess.Outcome {
                try Tool.run(
                    "handover", "--backend", "simulation", "--runs", "2", "--seed", "3",
                    "--workload", "stream", "--quiet", "--format", "json",
                    "--assert", assertion, "--output", "\(directory)/\(name)")
            }
            let good = try run("failed==0", "good")
            #expect(good.exit == .code(0), "\(good.error)")
            let bad = try run("resume_ms.median<1", "bad")
            #expect(bad.exit == .code(1))
            #expect(bad.error.contains("resume_ms.median<1"))
            let results = try JSONValue(parsing: bad.output)
            #expect(results["schema"]?.asString == "mptcpctl.handover/1")
            #expect(results["summary"]?["completed"]?.asInteger == 2)
            #expect(Directory.exists("\(directory)/bad/results.json"))
        }
    }

    /// A plan touches nothing.
    @Test func dryRunTouchesNothing() throws {
        let before = NetworkNamespace.list()
        let outcome = try Tool.run("handover", "--dry-run")
        #expect(outcome.exit == .code(0), "\(outcome.error)")
        for word in ["ip netns add", "link add", "link set", "wifi0", "lte0", "1500 ms"] {
            #expect(outcome.output.contains(word), "\(word) is missing")
        }
        #expect(NetworkNamespace.list() == before)
    }

    @Test func theSchemaIsPrinted() throws {
        let outcome = try Tool.run("handover", "--schema")
        #expect(outcome.exit == .code(0))
        #expect(try JSONValue(parsing: outcome.output)["$schema"] != nil)
    }
}
