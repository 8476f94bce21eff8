import LinuxSystem
import Scenario
import Testing

/// `handover --scenario` through the program.
@Suite struct ScenarioCommandTests {
    private static let text = """
        name: own
        title: backup and single-path
        question: Which one resumes sooner?
        backends: [simulation]
        options:
          workload: stream
          duration: 2300ms
          runs: 2
        legs:
          - name: backup
            mode: make-before-break
          - name: single-path
            mode: break-before-make
        show: [resume_ms]
        expect:
          - "backup: resume_ms.max<60"
          - "single-path: resume_ms.min>100"
        published: nothing
        """

    private func run(
        _ text: String, in directory: String, _ arguments: String...
    ) throws -> ChildProcess.Outcome {
        try TextFile.replace("\(directory)/own.yaml", with: text)
        return try ChildProcess.run(
            Tool.path,
            [
                "handover", "--scenario", "\(directory)/own.yaml", "--seed", "5", "--quiet",
                "--output", "\(directory)/out",
            ] + arguments)
    }

    @Test func legsAreComparedAndJudged() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try run(Self.text, in: directory)
            #expect(outcome.exit == .code(0), "\(outcome.error)")
            #expect(outcome.output.hasPrefix("own: backup and single-path\nWhich one resumes"))
            #expect(outcome.output.contains("2 of 2 are met"))
            #expect(outcome.output.contains("nothing"))
            #expect(try TextFile.read("\(directory)/out/report.txt") == outcome.output)
            let document = try JSONValue(
                parsing: TextFile.read("\(directory)/out/results.json"))
            #expect(document["scenario"]?["question"] == "Which one resumes sooner?")
            #expect(document["cells"]?[1]?["values"]?["leg"] == "single-path")
            #expect(document["cells"]?[1]?["completed"] == 2)
        }
    }

    @Test func unmetExpectationsFail() throws {
        try Tool.withTemporaryDirectory { directory in
            let text = Self.text.replacing("resume_ms.min>100", with: "resume_ms.min>1000")
            let outcome = try run(text, in: directory, "--format", "json")
            #expect(outcome.exit == .code(1))
            #expect(outcome.error.contains("leg=single-path: assertion 'resume_ms.min>1000'"))
            let document = try JSONValue(parsing: outcome.output)
            #expect(document["cells"]?[0]?["passed"] == true)
            #expect(document["cells"]?[1]?["passed"] == false)
        }
    }

    /// What stands on the command line counts for all legs.
    @Test func commandLineCounts() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try run(
                Self.text, in: directory, "--runs", "1", "--direction", "download", "--assert",
                "failed==0", "--format", "json", "sigcomm20")
            #expect(outcome.exit == .code(1), "LTE is faster there")
            let document = try JSONValue(parsing: outcome.output)
            #expect(document["configuration"]?["direction"] == "download")
            #expect(document["configuration"]?["testbed"] == "sigcomm20")
            #expect(document["cells"]?[1]?["completed"] == 1)
        }
    }

    @Test func planIsThatOfEachLeg() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try run(Self.text, in: directory, "--dry-run")
            #expect(outcome.exit == .code(0), "\(outcome.error)")
            #expect(outcome.output.contains("# leg=backup\n"))
            #expect(outcome.output.contains("# leg=single-path\n"))
            #expect(outcome.output.contains("t0 + 200 ms: lte0 is up"))
            #expect(Directory.list(directory) == ["own.yaml"])
        }
    }

    @Test(arguments: [
        (text, ["--backend", "netns"], "is for simulation"),
        (text, ["--mode", "make-before-break"], "do the same"),
        (text, ["--duration", "1s"], "--duration"),
        (text, ["wifi-lte2"], "wifi-lte2"),
        (text.replacing("mode: make", with: "mod: make"), [], "own.yaml:11:10: legs[0].mod"),
        (text.replacing("backends:", with: "testbed: gone.yaml\nbackends:"), [], "gone.yaml"),
    ])
    func badInputIsExplained(text: String, arguments: [String], word: String) throws {
        try Tool.withTemporaryDirectory { directory in
            try TextFile.replace("\(directory)/own.yaml", with: text)
            let outcome = try ChildProcess.run(
                Tool.path, ["handover", "--scenario", "\(directory)/own.yaml"] + arguments)
            #expect(outcome.exit == .code(2), "\(outcome.error)")
            #expect(outcome.error.contains(word), "\(outcome.error)")
            #expect(outcome.output.isEmpty)
        }
    }

    @Test(arguments: [
        (["--scenario", "isue-554"], "did you mean 'issue-554'"),
        (["--scenario", "/nowhere/a.yaml"], "/nowhere/a.yaml"),
        (["--scenario", "h4", "--list-scenarios"], "goes without"),
    ])
    func unknownScenariosAreExplained(arguments: [String], word: String) throws {
        let outcome = try ChildProcess.run(Tool.path, ["handover"] + arguments)
        #expect(outcome.exit == .code(2), "\(outcome.error)")
        #expect(outcome.error.contains(word), "\(outcome.error)")
    }

    /// What is built in and short comes to what it says.
    @Test(arguments: [
        "h1-follow-client", "h10-ping-pong", "h7-voip", "h9-remove-addr-lost", "issue-206",
        "issue-240", "issue-315", "issue-430", "issue-440", "issue-554", "issue-576", "issue-581",
        "issue-593", "mptcp-316", "mptcp-383", "mptcp-78", "satellite", "sigcomm20-backup",
    ])
    func builtInScenariosMeetTheirExpectations(name: String) throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try Tool.run(
                "handover", "--scenario", name, "--backend", "simulation", "--runs", "1",
                "--seed", "9", "--quiet", "--captures", "none", "--output", "\(directory)/out")
            #expect(outcome.exit == .code(0), "\(outcome.output)\(outcome.error)")
            #expect(outcome.output.hasPrefix(name + ": "))
        }
    }

    @Test func listIsThatOfTheFiles() throws {
        let files = Directory.list("\(Tool.package)/Sources/Scenario/Resources").map {
            String($0.dropLast(5))
        }
        #expect(files == BuiltInScenarios.texts.map(\.name), "add it to BuiltInScenarios.swift")
        let text = try Tool.run("handover", "--list-scenarios")
        #expect(text.exit == .code(0))
        #expect(text.output.split(separator: "\n").count == files.count)
        let json = try JSONValue(
            parsing: Tool.run("handover", "--list-scenarios", "--format", "json").output)
        #expect(json[0]?["name"]?.asString == files.first)
        #expect(json[0]?["backends"]?[0] == "netns")
    }
}
