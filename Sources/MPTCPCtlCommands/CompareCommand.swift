internal import ArgumentParser
internal import Experiment
internal import LinuxSystem
internal import NetworkPrimitives
internal import Reporting
internal import Scenario
internal import Testbed
internal import Topology

/// A matrix of handover experiments.
struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Run a matrix of handover experiments and compare the cells.",
        discussion: """
            Every combination of the values given by --vary is a cell, and runs as often as --runs \
            says; the other options are those of handover and fix the rest. The cells take turns, in \
            another order each round, and the runs of a round share their seed. Simulations run on all \
            cores, real networks one after the other.

            Without --vary: every join variant, both modes, both directions and five delays of the \
            path that takes over, of a stream; what an option such as --mode says is not varied.

            The directory holds runs.jsonl, a line for each finished run, from which --resume goes on; \
            at the end results.json, results.csv, runs.csv, results.md, junit.xml, report.txt and \
            report.html, which needs nothing else. Captures, where they are kept, lie under cells/.

            Ends with 1 when a run fails, an assertion does not hold in a cell, or a median is worse \
            than that of --baseline by more than --threshold.
            """)

    @Argument(help: "Name of a testbed, or path of a testbed file (default: wifi-lte).")
    var testbed: String?

    @OptionGroup(title: "What is compared")
    var comparison: CompareOptions

    @OptionGroup(title: "What happens")
    var what: HandoverOptions

    @OptionGroup(title: "Where and how often")
    var how: HandoverRunOptions

    @OptionGroup(title: "Output")
    var output: HandoverOutputOptions

    func run() throws {
        if output.schema {
            Terminal.output(ComparisonSchema.text)
            return
        }
        let metrics = try comparison.parsedMetrics(isNull: what.isNull)
        let assertions = try output.parsedAssertions()
        let plan = try plan()
        let baseline = try comparison.parsedBaseline(for: plan, metrics)
        if output.dryRun {
            Terminal.output(ComparisonText.plan(plan))
            return
        }
        try ComparisonSession(
            plan, metrics: metrics, assertions: assertions, resumed: comparison.resume,
            output: output
        ).run(against: baseline, jobs: comparison.jobs)
    }

    // MARK: Options

    private func plan() throws(CommandFailure) -> ComparisonPlan {
        var base = HandoverScenario()
        if let testbed { base.testbed = testbed }
        base.workloadKind = .stream
        base.runs = 10
        base.captures = .failed
        what.apply(to: &base)
        how.apply(to: &base)
        output.apply(to: &base)
        base.seed =
            how.seed ?? comparison.resume.flatMap(ComparisonRunner.seed) ?? how.randomSeed
        // Also what every cell shares is checked before the first of them.
        guard base.runs >= 1 else { throw .usage("--runs: at least 1 run is needed") }
        do throws(ComparisonProblem) {
            let axes = try comparison.parsedAxes(base)
            return try ComparisonPlan(base: base, axes: axes, topology: TestbedLibrary.topology)
        } catch {
            throw .usage(comparison.vary.isEmpty ? "\(error)" : "--vary: \(error)")
        }
    }
}

/// What is compared.
struct CompareOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "An option of handover, or PATH.FIELD of the testbed, with its values; may repeat.",
            discussion: """
                Such as mode=break-before-make,make-before-break or client=swift,kernel, without the \
                hyphens of the option; lte.delay=10ms,30ms, lte.loss=0%,1% or lte.up.rate=5Mbit/s \
                with the fields of a testbed file, for both directions or one.
                """, valueName: "key=value,value"))
    var vary: [String] = []

    @Option(
        help: ArgumentHelp(
            "A number of results.json to compare; may repeat (default: resume_ms, outage_ms).",
            valueName: "name"))
    var metric: [String] = []

    @Option(
        help: ArgumentHelp("An earlier results.json: fail if a median is worse.", valueName: "file")
    )
    var baseline: String?

    @Option(
        help: ArgumentHelp(
            """
            How much worse than --baseline fails: beyond the share and, of times, the amount \
            (default: 10%,2ms).
            """, valueName: "share,amount"))
    var threshold: String?

    @Option(help: ArgumentHelp("Go on where this directory was left.", valueName: "directory"))
    var resume: String?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: "Simulations at a time; all cores by default.")
    var jobs: Int?

    mutating func validate() throws {
        if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1") }
        if threshold != nil, baseline == nil {
            throw ValidationError("--threshold is for --baseline, which names what to compare with")
        }
        if resume?.isEmpty == true { throw ValidationError("--resume: name a directory") }
    }

    func parsedAxes(_ base: HandoverScenario) throws(ComparisonProblem) -> [ComparisonAxis] {
        if vary.isEmpty {
            return try ComparisonPlan.usualAxes(
                base, on: TestbedLibrary.topology(base.testbed, []), fixed: Self.isGiven)
        }
        return try vary.map { text throws(ComparisonProblem) in
            let axis = try ComparisonAxis(parsing: text)
            if Self.isGiven(axis.key) {
                throw ComparisonProblem(
                    "'\(axis.key)' is fixed by --\(axis.key): leave out one of both")
            }
            return axis
        }
    }

    /// Whether the command line has an option.
    private static func isGiven(_ key: String) -> Bool {
        CommandLine.arguments.contains { $0 == "--\(key)" || $0.hasPrefix("--\(key)=") }
    }

    func parsedMetrics(isNull: Bool) throws(CommandFailure) -> [Metric] {
        if metric.isEmpty { return isNull ? [.steadyGap] : [.resume, .outage] }
        var metrics: [Metric] = []
        for name in metric {
            guard let found = Metric(rawValue: name) else {
                let names = Metric.allCases.map(\.rawValue)
                let problem = ComparisonProblem(
                    "--metric: there is no result '\(name)' (\(names.joined(separator: ", ")))",
                    suggestion: Spelling.closest(to: name, among: names))
                throw .usage("\(problem)")
            }
            if !metrics.contains(found) { metrics.append(found) }
        }
        return metrics
    }

    func parsedBaseline(
        for plan: ComparisonPlan, _ metrics: [Metric]
    ) throws(CommandFailure) -> (Baseline, RegressionThreshold)? {
        let limit: RegressionThreshold
        do {
            limit = try RegressionThreshold(parsing: threshold ?? "10%,2ms")
        } catch {
            throw .usage("--threshold: \(error)")
        }
        guard let file = baseline else { return nil }
        let earlier: Baseline
        do {
            earlier = try Baseline(parsing: TextFile.read(file))
        } catch {
            throw .usage("--baseline \(file): \(error)")
        }
        guard plan.cells.contains(where: { earlier.cell(matching: $0) != nil }) else {
            throw .usage(
                "--baseline \(file): it varies something else, so that no cell can be compared")
        }
        if let unknown = metrics.first(where: { !earlier.knows($0) }) {
            throw .usage("--baseline \(file): it does not know \(unknown.rawValue)")
        }
        return (earlier, limit)
    }
}
