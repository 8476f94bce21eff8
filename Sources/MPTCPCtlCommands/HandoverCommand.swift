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

    @Argument(help: "Name of a testbed, or path of a testbed file.")
    var testbed = "wifi-lte"

    @OptionGroup(title: "What happens")
    var what: HandoverOptions

    @OptionGroup(title: "Where and how often")
    var how: HandoverRunOptions

    @OptionGroup(title: "Output")
    var output: HandoverOutputOptions

    func run() throws {
        if output.schema {
            Terminal.output(ResultsSchema.text)
            return
        }
        let assertions = try output.parsedAssertions()
        let scenario = try scenario()
        let topology = try TestbedFile.load(testbed)
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
        if result.wasInterrupted { throw .interrupted }
        for check in checks where !check.holds && output.format == .json {
            Terminal.error("assertion '\(check.assertion.text)' does not hold")
        }
        if result.summary.failed > 0 || checks.contains(where: { !$0.holds }) { throw .failed() }
    }

    private func scenario() throws(CommandFailure) -> HandoverScenario {
        var scenario = HandoverScenario()
        scenario.testbed = testbed
        what.apply(to: &scenario)
        how.apply(to: &scenario)
        output.apply(to: &scenario)
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
    @Option(help: "When the new path is there.")
    var mode = HandoverMode.breakBeforeMake

    @Option(name: .customLong("break"), help: "How the old path ends.")
    var breakKind = BreakKind.linkDown

    @Option(help: "What a joining subflow may carry when.")
    var join = JoinVariant.standard

    @Option(help: "Whose stack the client is.")
    var client = EndpointKind.swift

    @Option(help: "Whose stack the server is.")
    var server = EndpointKind.swift

    @Option(help: "What the application sends; by default bulk, of compare stream.")
    var workload: WorkloadKind?

    @Option(help: "Which way the bytes go that are looked at.")
    var direction = Direction.upload

    @Option(help: "bulk: octets in all; else octets of a record, a burst or the larger message.")
    var size: ByteCountArgument?

    @Option(help: "From record to record, or from a reply to the next request.")
    var interval: DurationArgument?

    @Option(help: "interactive: octets a second beside the bursts, such as 12kB.")
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

    @Option(help: "Congestion control of both ends.")
    var congestionControl = CongestionControlName.cubic

    @Option(help: "From the start of the workload to the break.")
    var breakAt = DurationArgument(.milliseconds(1_500))

    @Option(help: "From the break to the new path coming up (break-before-make).")
    var makeAfter = DurationArgument(.milliseconds(200))

    @Option(help: "Length of the workload.")
    var duration = DurationArgument(.seconds(4))

    @Option(
        name: .customLong("kernel-pm"), help: "What the kernel's path manager is told at the break."
    )
    var kernelPathManagement = KernelPathManagement.asIs

    @Flag(name: .customLong("null"), help: "No break: the noise floor of the harness.")
    var isNull = false

    func apply(to scenario: inout HandoverScenario) {
        scenario.mode = mode
        scenario.breakKind = breakKind
        scenario.join = join
        scenario.client = client
        scenario.server = server
        if let workload { scenario.workloadKind = workload }
        scenario.direction = direction
        scenario.size = size?.value
        scenario.interval = interval?.value
        scenario.background = background?.value ?? 0
        scenario.requestedPolicy = policy
        scenario.requestedScheduler = scheduler
        switching.apply(to: &scenario.switching)
        scenario.congestionControl = congestionControl
        scenario.breakAt = breakAt.value
        scenario.makeAfter = makeAfter.value
        scenario.duration = duration.value
        scenario.kernelPathManagement = kernelPathManagement
        scenario.isNull = isNull
    }
}

/// Where and how often.
struct HandoverRunOptions: ParsableArguments {
    @Option(help: "netns: real time in network namespaces; simulation: virtual time.")
    var backend = Backend.auto

    @Option(help: "What delays and loses packets; auto takes netem where the kernel has it.")
    var linkEmulation = LinkEmulation.auto

    @Option(help: "How often; by default 5, of compare 10 for each cell.")
    var runs: Int?

    @Option(help: "Where every chance comes from; random and printed if it is not given.")
    var seed: UInt64?

    func apply(to scenario: inout HandoverScenario) {
        scenario.backend = backend
        scenario.linkEmulation = linkEmulation
        if let runs { scenario.runs = runs }
        scenario.seed = seed ?? RandomBytes.next() >> 32
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

    func apply(to scenario: inout HandoverScenario) {
        if let captures { scenario.captures = captures }
        scenario.requestedSnapLength = snaplen
        scenario.logsDetails = events
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
