import Experiment
import LinuxSystem
import Reporting
import Scenario
import Testing
import Topology

/// Comparisons in virtual time, in this process.
@Suite struct ComparisonRunnerTests {
    private static let axes = ["mode=break-before-make,make-before-break", "lte.delay=10ms,30ms"]

    private func plan(
        _ axes: [String] = axes, runs: Int = 3, captures: CaptureChoice = .none
    ) throws -> ComparisonPlan {
        var base = HandoverScenario()
        base.workloadKind = .stream
        base.backend = .simulation
        base.duration = .milliseconds(2_300)
        base.runs = runs
        base.seed = 11
        base.captures = captures
        return try ComparisonPlan(
            base: base, axes: axes.map { try ComparisonAxis(parsing: $0) },
            topology: { testbed, links throws(ComparisonProblem) in
                do {
                    return try Topology(
                        parsing: BuiltInTestbeds.text(named: testbed) ?? "", file: testbed,
                        overrides: links)
                } catch {
                    throw ComparisonProblem("\(error)")
                }
            })
    }

    /// Runs it, and returns `results.json` with how many runs were played.
    private func run(
        _ plan: ComparisonPlan, to output: ComparisonRunner.Output, workers: Int = 2
    ) throws -> (text: String, played: Int) {
        var configuration = ComparisonRunner.Configuration(version: "test")
        configuration.output = output
        configuration.workers = workers
        let counter = Counter()
        let outcome = try ComparisonRunner(plan, configuration) { news in
            if case .run = news { counter.add() }
        }.run { [.init("results.json", ComparisonJSON.text($0))] }
        guard case .finished(let result) = outcome else {
            Issue.record("interrupted")
            return ("", 0)
        }
        return (ComparisonJSON.text(result), counter.value)
    }

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let path = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        try Directory.make(path)
        defer { try? Directory.remove(path) }
        try body(path)
    }

    @Test func parallelismChangesNothing() throws {
        try withDirectory { directory in
            let one = try run(plan(), to: .directory("\(directory)/1"), workers: 1)
            let many = try run(plan(), to: .directory("\(directory)/7"), workers: 7)
            #expect(one.played == 12 && many.played == 12)
            #expect(one.text == many.text)
            #expect(try TextFile.read("\(directory)/7/results.json") == many.text)
            #expect(
                Directory.list("\(directory)/7") == ["results.json", "runs.jsonl"],
                "without captures nothing else is left")
        }
    }

    /// Half of the journal, its last line cut off in the middle: the rest is played, and the result
    /// is that of an undisturbed comparison.
    @Test func whatIsThereIsNotPlayedAgain() throws {
        try withDirectory { directory in
            let whole = try run(plan(), to: .directory("\(directory)/whole"))
            let journal = try TextFile.read("\(directory)/whole/runs.jsonl")
            let lines = journal.split(separator: "\n")
            #expect(lines.count == 12)
            try Directory.make("\(directory)/half")
            let half = lines.prefix(5).map { $0 + "\n" }.joined() + lines[5].prefix(200)
            try TextFile.write(half, to: "\(directory)/half/runs.jsonl")
            #expect(ComparisonRunner.seed(of: "\(directory)/half") == 11)
            let resumed = try run(plan(), to: .resumed("\(directory)/half"))
            #expect(resumed.played == 7)
            #expect(resumed.text == whole.text)
            // And what is complete is only rendered again.
            let again = try run(plan(), to: .resumed("\(directory)/half"))
            #expect(again.played == 0 && again.text == whole.text)
        }
    }

    @Test func anotherConfigurationIsNotMixedIn() throws {
        try withDirectory { directory in
            let place = "\(directory)/a"
            _ = try run(plan(["direction=upload"], runs: 1), to: .directory(place))
            let journal = try TextFile.read("\(place)/runs.jsonl")
            for other in [
                try plan(["direction=download"], runs: 1), try plan(["direction=upload"], runs: 2),
            ] {
                let error = #expect(throws: ExperimentError.self) {
                    try run(other, to: .resumed(place))
                }
                #expect(error?.description.contains("another configuration") == true)
            }
            #expect(try TextFile.read("\(place)/runs.jsonl") == journal)
            #expect(throws: ExperimentError.self) { try run(plan(), to: .directory(place)) }
            #expect(throws: ExperimentError.self) { try run(plan(), to: .resumed(directory)) }
        }
    }

    /// A line in the middle that is no run of this version, or one with numbers out of any range, is not
    /// passed over, and nothing is rewritten.
    @Test(arguments: [
        "somebody else's", #"{"fingerprint": "0", "seed": 1}"#,
        #"{"fingerprint":"0","seed":11,"cell":-9223372036854775808,"run":{}}"#,
    ])
    func foreignLinesStay(line: String) throws {
        try withDirectory { directory in
            let text = line + "\n"
            try TextFile.write(text, to: "\(directory)/runs.jsonl")
            let error = #expect(throws: ExperimentError.self) {
                try run(plan(), to: .resumed(directory))
            }
            #expect(error?.description.contains("runs.jsonl:1: this is no run") == true)
            #expect(try TextFile.read("\(directory)/runs.jsonl") == text)
        }
    }

    @Test func nobodyElseMayBeAtWorkThere() throws {
        try withDirectory { directory in
            let file = try TextFile.appendAlone("\(directory)/runs.jsonl")
            let error = #expect(throws: ExperimentError.self) {
                try run(plan(), to: .resumed(directory))
            }
            #expect(error?.description.contains("another mptcpctl is at work") == true)
            _ = consume file
            #expect(try run(plan(), to: .resumed(directory)).played == 12)
        }
    }

    @Test func capturesLieUnderTheirCell() throws {
        try withDirectory { directory in
            let place = "\(directory)/a"
            let text = try run(
                plan(["direction=upload,download"], runs: 1, captures: .all),
                to: .directory(place)
            ).text
            let document = try JSONValue(parsing: text)
            for cell in 0..<2 {
                let file = document["cells"]?[cell]?["runs"]?[0]?["captures"]?[1]?.asString
                #expect(file == "cells/00\(cell + 1)/runs/001/client-lte0.pcap")
                #expect(Directory.exists("\(place)/\(file ?? "")"))
            }
            #expect(Directory.exists("\(place)/cells/002/runs/001/events.jsonl"))
        }
    }
}
