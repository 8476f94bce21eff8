internal import ArgumentParser
internal import Experiment
internal import LinuxSystem
internal import NetworkPrimitives
internal import Reporting
internal import Scenario

/// The main job.
struct HandoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "handover",
        abstract: "Run a handover experiment; print the time line and a summary.",
        discussion: """
            Without arguments: five bulk uploads from WiFi to LTE, break-before-make, on the best \
            backend that this machine allows. Captures and results.json go to a directory of their \
            own; merged.pcapng of each run has all its packets, and the time line as comments. Times are written with their unit: 1500ms, 4s.
            """)

    @Argument(help: "Name of a testbed, or path of a testbed file (default: wifi-lte).")
    var testbed: String?

    @OptionGroup(title: "An experiment from a file")
    var file: ScenarioOptions

    @OptionGroup(title: "What happens")
    var what: HandoverOptions

    @OptionGroup(title: "Where and how often")
    var how: HandoverRunOptions

    @OptionGroup(title: "Output")
    var output: HandoverOutputOptions

    func run() throws {
        if output.schema {
            Terminal.output(file.scenario == nil ? ResultsSchema.text : ComparisonSchema.text)
            return
        }
        let assertions = try output.parsedAssertions()
        if file.listScenarios { return try ScenarioExperiment.list(as: output.format) }
        if let name = file.scenario {
            return try ScenarioExperiment(self, assertions).run(name)
        }
        let scenario = try scenario()
        let topology = try TestbedFile.load(scenario.testbed)
        if output.dryRun {
            Terminal.output(ExperimentPlan.text(scenario, topology))
            return
        }
        let progress = Progress(isQuiet: output.quiet)
        let result: ExperimentResult
        do {
            let runner = ExperimentRunner(
                scenario: scenario, topology: topology, version: CommandLineTool.version,
                output: output.output.map { .directory($0) } ?? .named,
                progress: { progress.report($0, of: scenario.runs) })
            result = try runner.run(rendering: { [assertions] result in
                ExperimentRunner.Documents(
                    results: JSONRenderer.text(result),
                    report: TextRenderer.report(
                        result, assertions: assertions.map { $0.evaluate(result.summary) }))
            })
        } catch {
            throw CommandFailure(error)
        }
        progress.finish()
        let checks = assertions.map { $0.evaluate(result.summary) }
        switch output.format {
        case .text: Terminal.output(TextRenderer.report(result, assertions: checks))
        case .json: Terminal.output(JSONRenderer.text(result))
        }
        try judge(result, checks)
    }

    private func judge(
        _ result: ExperimentResult, _ checks: [AssertionResult]
    ) throws(CommandFailure) {
        if let end = result.earlyEnd { throw CommandFailure(end, runs: result.runs.count) }
        for check in checks where !check.holds && output.format == .json {
            Terminal.error("assertion '\(check.assertion.text)' does not hold")
        }
        if result.summary.failed > 0 || checks.contains(where: { !$0.holds }) { throw .failed() }
    }

    /// Sets what was given on the command line.
    func apply(to scenario: inout HandoverScenario) {
        if let testbed { scenario.testbed = testbed }
        what.apply(to: &scenario)
        how.apply(to: &scenario)
        output.apply(to: &scenario)
    }

    private func scenario() throws(CommandFailure) -> HandoverScenario {
        var scenario = HandoverScenario()
        scenario.seed = how.randomSeed
        apply(to: &scenario)
        do {
            try scenario.validate()
        } catch {
            throw .usage("\(error)")
        }
        return scenario
    }
}

/// What happens in a run.
struct HandoverOptions: ParsableArguments {
    @Option(help: "When the new path is there (default: break-before-make).")
    var mode: HandoverMode?

    @Option(name: .customLong("break"), help: "How the old path ends (default: link-down).")
    var breakKind: BreakKind?

    @Option(help: "What a joining subflow may carry when (default: standard).")
    var join: JoinVariant?

    @Option(
        help: ArgumentHelp(
            "How the SYN of a join carries data, of syn-data (default: compat).",
            discussion: """
                compat: in an experimental option beside MP_JOIN; multimob: in the published Fast \
                Join, in MP_JOIN's place. Of both ends.
                """))
    var fastJoinProfile: FastJoinProfileName?

    @Option(
        help:
            "What is sent on a subflow whose join is not proved yet, of syn-data (default: limited)."
    )
    var provisional: ProvisionalName?

    @Option(help: "Whose stack the client is (default: swift).")
    var client: EndpointKind?

    @Option(help: "Whose stack the server is (default: swift).")
    var server: EndpointKind?

    @Option(help: "What the application sends; by default bulk, of compare stream.")
    var workload: WorkloadKind?

    @Option(help: "Which way the bytes go that are looked at (default: upload).")
    var direction: Direction?

    @Option(
        parsing: .unconditional,
        help: "bulk: octets in all; else octets of a record, a burst or the larger message.",
        transform: ByteCountArgument.read)
    var size: ByteCountArgument?

    @Option(
        parsing: .unconditional,
        help: "From record to record, or from a reply to the next request.",
        transform: DurationArgument.read)
    var interval: DurationArgument?

    @Option(
        parsing: .unconditional,
        help: "interactive: octets a second beside the bursts, such as 12kB.",
        transform: ByteCountArgument.read)
    var background: ByteCountArgument?

    @Option(
        help: ArgumentHelp(
            "When which path is used; the default follows from --mode.", discussion: PathPolicy.help
        ))
    var policy: PathPolicy?

    @Option(
        help: ArgumentHelp(
            "Which subflow takes the next bytes, at both ends.",
            discussion: """
                By default lowest-rtt; with --policy redundant, redundant; with --policy multimob, \
                follow-client at the server: the one on which something new came in last.
                """))
    var scheduler: SchedulerName?

    @OptionGroup var switching: SwitchArguments

    @Option(help: "Congestion control of both ends (default: cubic).")
    var congestionControl: CongestionControlName?

    @Option(
        parsing: .unconditional,
        help: "From the start of the workload to the break (default: 1500ms).",
        transform: DurationArgument.read)
    var breakAt: DurationArgument?

    @Option(
        parsing: .unconditional,
        help: "From the break to the new path coming up (break-before-make; default: 200ms).",
        transform: DurationArgument.read)
    var makeAfter: DurationArgument?

    @Option(
        parsing: .unconditional, help: "Length of the workload (default: 4s).",
        transform: DurationArgument.read)
    var duration: DurationArgument?

    @Option(
        name: .customLong("kernel-pm"),
        help: "What the kernel's path manager is told at the break (default: as-is).")
    var kernelPathManagement: KernelPathManagement?

    @Flag(name: .customLong("null"), help: "No break: the noise floor of the harness.")
    var isNull = false

    /// Sets what was given.
    func apply(to scenario: inout HandoverScenario) {
        if let mode { scenario.mode = mode }
        if let breakKind { scenario.breakKind = breakKind }
        if let join { scenario.join = join }
        if let fastJoinProfile { scenario.fastJoinProfile = fastJoinProfile }
        if let provisional { scenario.provisional = provisional }
        if let client { scenario.client = client }
        if let server { scenario.server = server }
        if let workload { scenario.workloadKind = workload }
        if let direction { scenario.direction = direction }
        if let size { scenario.size = size.value }
        if let interval { scenario.interval = interval.value }
        if let background { scenario.background = background.value }
        if let policy { scenario.requestedPolicy = policy }
        if let scheduler { scenario.requestedScheduler = scheduler }
        switching.apply(to: &scenario.switching)
        if let congestionControl { scenario.congestionControl = congestionControl }
        if let breakAt { scenario.breakAt = breakAt.value }
        if let makeAfter { scenario.makeAfter = makeAfter.value }
        if let duration { scenario.duration = duration.value }
        if let kernelPathManagement { scenario.kernelPathManagement = kernelPathManagement }
        if isNull { scenario.isNull = true }
    }
}

/// Where and how often.
struct HandoverRunOptions: ParsableArguments {
    @Option(
        help: "netns: real time in network namespaces; simulation: virtual time (default: auto).")
    var backend: Backend?

    @Option(
        help:
            "What delays and loses packets; auto, the default, takes netem where the kernel has it."
    )
    var linkEmulation: LinkEmulation?

    @Option(parsing: .unconditional, help: "How often; by default 5, of compare 10 for each cell.")
    var runs: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Where every chance comes from; random and printed if it is not given.",
            discussion: """
                Each run has its own, which follows from it: of the endpoints, and of the links where the \
                relay or the model emulates them. netem draws by itself.
                """))
    var seed: UInt64?

    /// A seed where none was given.
    var randomSeed: UInt64 { RandomBytes.next() >> 32 }

    /// Sets what was given.
    func apply(to scenario: inout HandoverScenario) {
        if let backend { scenario.backend = backend }
        if let linkEmulation { scenario.linkEmulation = linkEmulation }
        if let runs { scenario.runs = runs }
        if let seed { scenario.seed = seed }
    }
}

/// What becomes of the results.
struct HandoverOutputOptions: ParsableArguments {
    @Option(help: "Format of the results on standard output.")
    var format = OutputFormat.text

    @Option(help: "Directory for captures and results; must not exist yet.")
    var output: String?

    @Option(help: "Which captures are kept; by default all, of compare those of failed runs.")
    var captures: CaptureChoice?

    @Option(
        parsing: .unconditional,
        help: "Octets of each packet in captures; 0 for all (default: 200 for bulk, else all).")
    var snaplen: Int?

    @Option(
        name: .customLong("assert"),
        help: ArgumentHelp(
            "NAME.STATISTIC OP NUMBER, e.g. 'outage_ms.p95<150' or 'failed==0'; may repeat.",
            valueName: "expression"))
    var assertions: [String] = []

    @Flag(
        help: "Have our stacks log every state, mapping and window into events.jsonl, too.")
    var events = false

    @Flag(help: "Print the plan with the equivalent ip and tc commands; touch nothing.")
    var dryRun = false

    @Flag(help: "No progress on standard error.")
    var quiet = false

    @Flag(help: "Print the JSON Schema of results.json.")
    var schema = false

    mutating func validate() throws {
        if output?.isEmpty == true { throw ValidationError("--output: name a directory") }
    }

    func apply(to scenario: inout HandoverScenario) {
        if let captures { scenario.captures = captures }
        if let snaplen { scenario.requestedSnapLength = snaplen }
        if events { scenario.logsDetails = true }
    }

    func parsedAssertions() throws(CommandFailure) -> [Assertion] {
        try assertions.map { text throws(CommandFailure) in
            do {
                return try Assertion(parsing: text)
            } catch {
                throw .usage("--assert \(error)")
            }
        }
    }
}
