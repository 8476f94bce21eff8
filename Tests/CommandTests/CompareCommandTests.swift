import LinuxSystem
import Scenario
import Testing

/// `compare` through the program.
@Suite struct CompareCommandTests {
    private func compare(_ arguments: String...) throws -> ChildProcess.Outcome {
        try ChildProcess.run(
            Tool.path,
            [
                "compare", "--backend", "simulation", "--duration", "2300ms", "--seed", "5",
                "--quiet",
            ] + arguments)
    }

    private static let documents = [
        "junit.xml", "report.html", "report.txt", "results.csv", "results.json", "results.md",
        "runs.csv", "runs.jsonl",
    ]

    @Test func everyDocumentIsThere() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try compare(
                "--vary", "lte.delay=10ms,30ms", "--runs", "2", "--format", "json",
                "--output", "\(directory)/out", "--assert", "failed==0")
            #expect(outcome.exit == .code(0), "\(outcome.error)")
            #expect(Directory.list("\(directory)/out") == Self.documents)
            #expect(try TextFile.read("\(directory)/out/results.json") == outcome.output)
            let document = try JSONValue(parsing: outcome.output)
            #expect(document["cells"]?[1]?["values"]?["lte.delay"] == "30ms")
            #expect(document["cells"]?[1]?["new_path_rtt_ms"] == 60)
            #expect(document["cells"]?[1]?["completed"] == 2)
            #expect(document["seed"] == 5)
        }
    }

    @Test(arguments: [
        (["--vary", "mod=silent"], "did you mean 'mode'"),
        (["--vary", "mode"], "KEY=VALUE"),
        (["--vary", "break=silentt"], "did you mean 'silent'"),
        (["--vary", "lte.dely=1ms"], "did you mean 'lte.delay'"),
        (["--vary", "lt.delay=1ms"], "did you mean 'lte'"),
        (["--vary", "lte.delay=1parsec"], "unknown unit 'parsec'"),
        (["--vary", "client=kernel"], "cell 'client=kernel'"),
        (["--vary", "testbed=wifi-lte2"], "wifi-lte"),
        (["--metric", "outage"], "did you mean 'outage_ms'"),
        (["--baseline", "/dev/null"], "--baseline /dev/null"),
        (["--threshold", "3"], "--threshold"),
        (["--assert", "failed"], "--assert"),
        (["--runs", "0"], "--runs"),
        (["--jobs", "0"], "--jobs"),
        (["--resume", "/dev"], "runs.jsonl"),
        (["--resume", "/dev", "--output", "/dev"], "leave out --output"),
        (["wifi-lte2"], "no testbed"),
    ])
    func badInputIsExplained(arguments: [String], word: String) throws {
        try Tool.withTemporaryDirectory { directory in
            let place =
                arguments.contains("--resume") ? [] : ["--output", "\(directory)/out"]
            let outcome = try ChildProcess.run(
                Tool.path, ["compare", "--backend", "simulation"] + place + arguments)
            #expect(outcome.exit == .code(2), "\(outcome.error)")
            #expect(outcome.error.contains(word), "\(outcome.error)")
            #expect(outcome.output.isEmpty)
            #expect(Directory.list(directory).isEmpty, "something was left behind")
        }
    }

    @Test func baselinesAndAssertionsDecide() throws {
        try Tool.withTemporaryDirectory { directory in
            let first = try compare(
                "--vary", "direction=upload", "--runs", "1", "--output", "\(directory)/first")
            #expect(first.exit == .code(0), "\(first.error)")
            let file = "\(directory)/first/results.json"
            let same = try compare(
                "--vary", "direction=upload,download", "--runs", "1", "--baseline", file,
                "--output", "\(directory)/same")
            #expect(same.exit == .code(0), "\(same.error)")
            #expect(same.output.contains("not in the baseline: direction=download"))
            let worse = try compare(
                "--vary", "direction=upload", "--make-after", "250ms", "--runs", "1", "--baseline",
                file, "--format", "json", "--output", "\(directory)/worse")
            #expect(worse.exit == .code(1))
            #expect(worse.error.contains("outage_ms regressed"), "\(worse.error)")
            #expect(try TextFile.read("\(directory)/worse/junit.xml").contains("<failure"))
            let allowed = try compare(
                "--vary", "direction=upload", "--make-after", "250ms", "--runs", "1", "--baseline",
                file, "--threshold", "60ms", "--output", "\(directory)/allowed")
            #expect(allowed.exit == .code(0), "\(allowed.output)")
            let foreign = try compare("--vary", "break=silent", "--baseline", file)
            #expect(foreign.exit == .code(2))
            let failed = try compare(
                "--vary", "direction=upload", "--runs", "1", "--assert", "resume_ms.p95<1",
                "--output", "\(directory)/failed")
            #expect(failed.exit == .code(1))
            #expect(failed.output.contains("FAILS  resume_ms.p95<1"))
        }
    }

    /// Ctrl-C: what is finished is kept, and the rest is played later.
    @Test func interruptedWorkGoesOn() throws {
        try Tool.withTemporaryDirectory { directory in
            let place = "\(directory)/out"
            let options = [
                "compare", "--backend", "simulation", "--duration", "2300ms", "--runs", "40",
                "--vary", "direction=upload,download",
            ]
            let reports = try Pipe()
            let child = try ChildProcess(
                Tool.path, options + ["--output", place],
                streams: .init(error: reports.writeEnd.rawValue))
            let output = reports.keepingReadEnd()
            // The first line of progress comes while most of it is still to do.
            _ = try output.read()
            child.signal(2)
            #expect(child.wait() == .code(130))
            #expect(Directory.list(directory) == ["out"])
            #expect(Directory.list(place) == ["runs.jsonl"])
            let kept = try TextFile.read("\(place)/runs.jsonl").split(separator: "\n").count
            #expect(kept > 0 && kept < 80)
            let other = try ChildProcess.run(
                Tool.path, options + ["--break-at", "1s", "--resume", place])
            #expect(other.exit == .code(2))
            #expect(other.error.contains("another configuration"), "\(other.error)")
            // Without --seed it is that of the runs that are there.
            let resumed = try ChildProcess.run(
                Tool.path, options + ["--quiet", "--resume", place])
            #expect(resumed.exit == .code(0), "\(resumed.error)")
            #expect(Directory.list(place) == Self.documents)
            #expect(
                try TextFile.read("\(place)/runs.jsonl").split(separator: "\n").count == 80)
        }
    }

    @Test func plansAndSchemasArePrinted() throws {
        let plan = try compare("--dry-run", "--vary", "mode=break-before-make,make-before-break")
        #expect(plan.exit == .code(0))
        #expect(plan.output.contains("2 cells, 10 runs of each"))
        #expect(plan.output.contains("order of round 2: 2 1"))
        let schema = try compare("--schema")
        #expect(try JSONValue(parsing: schema.output)["$schema"] != nil)
    }

    /// In real networks: cells on two topologies take turns.
    @Test(.enabled(if: Tool.mayBuildNetworks, "needs root, or user namespaces, and nft"))
    func cellsTakeTurnsInNamespaces() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try ChildProcess.run(
                Tool.path,
                [
                    "compare", "--backend", "netns", "--vary", "lte.delay=5ms,25ms", "--runs", "1",
                    "--break-at", "300ms", "--make-after", "50ms", "--duration", "900ms", "--quiet",
                    "--format", "json", "--output", "\(directory)/out",
                ])
            #expect(outcome.exit == .code(0), "\(outcome.error)")
            let document = try JSONValue(parsing: outcome.output)
            #expect(document["configuration"]?["backend"] == "netns")
            for cell in 0..<2 {
                #expect(document["cells"]?[cell]?["completed"] == 1)
            }
            #expect(Directory.list("\(directory)/out") == Self.documents)
        }
    }
}
