import LinuxSystem
import Reporting
import Scenario
import Testbed
import Testing
import Topology

@testable import Experiment

/// Nothing that was measured gets lost on its way to its directory.
@Suite struct OutputDirectoryTests {
    /// Simulated runs whose results go below `directory`.
    private func run(
        _ directory: String, runs: Int, afterRun: @escaping (RunResult) -> Void
    ) throws -> ExperimentResult {
        var scenario = HandoverScenario()
        scenario.backend = .simulation
        scenario.workloadKind = .stream
        scenario.duration = .seconds(2)
        scenario.runs = runs
        let runner = ExperimentRunner(
            scenario: scenario, topology: try TestbedLibrary.load("wifi-lte"), version: "test",
            output: .directory("\(directory)/out"),
            progress: { if case .run(let run) = $0 { afterRun(run) } })
        return try runner.run { result in
            .init(results: JSONRenderer.text(result), report: TextRenderer.report(result))
        }
    }

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        try Directory.make(directory)
        defer { try? Directory.remove(directory) }
        try body(directory)
    }

    /// Somebody else's results may take the name while this experiment runs.
    @Test func aNameThatWasTakenIsMadeAnother() throws {
        try withDirectory { directory in
            let result = try run(directory, runs: 1) { _ in
                try? Directory.make("\(directory)/out/theirs")
            }
            #expect(result.outputDirectory == "\(directory)/out-2")
            #expect(Directory.list(directory) == ["out", "out-2"])
            #expect(Directory.list("\(directory)/out") == ["theirs"])
            let report = try TextFile.read("\(directory)/out-2/report.txt")
            #expect(report.contains("Files: \(directory)/out-2"))
            #expect(report.contains("somebody else made the directory"))
            guard case .environment? = result.earlyEnd else {
                Issue.record("whoever asked for `out` was not told")
                return
            }
        }
    }

    /// The documents cannot be written: the numbers are told all the same, and what there is stays.
    @Test func runsOutliveTheirDocuments() throws {
        try withDirectory { directory in
            let result = try run(directory, runs: 1) { _ in
                guard let partial = Directory.list(directory).first else { return }
                try? Directory.make("\(directory)/\(partial)/results.json/in-the-way")
            }
            #expect(result.runs.count == 1)
            guard case .environment(let reason)? = result.earlyEnd else {
                Issue.record("\(String(describing: result.earlyEnd))")
                return
            }
            #expect(reason.contains("results.json"))
            #expect(result.outputDirectory == "\(directory)/out.unfinished")
            #expect(Directory.list(directory) == ["out.unfinished"])
        }
    }

    /// A disk that is full in the second run costs the second run.
    @Test func finishedRunsOutliveAFailureOfTheMachine() throws {
        try withDirectory { directory in
            let result = try run(directory, runs: 3) { run in
                guard run.index == 1, let partial = Directory.list(directory).first else { return }
                try? TextFile.write("", to: "\(directory)/\(partial)/runs/002")
            }
            #expect(result.runs.count == 1)
            guard case .environment(let reason)? = result.earlyEnd else {
                Issue.record("\(String(describing: result.earlyEnd))")
                return
            }
            #expect(reason.contains("runs/002"))
            #expect(Directory.list(directory) == ["out"])
            #expect(Directory.list("\(directory)/out/runs") == ["001"])
            let results = try JSONValue(parsing: TextFile.read("\(directory)/out/results.json"))
            #expect(results["summary"]?["completed"]?.asInteger == 1)
            #expect(results["ended_early"]?.asString == reason)
            #expect(results["runs"]?[0]?["harness"]?["backlog_drops"] == .null)
        }
    }
}
