internal import ArgumentParser
internal import Experiment
internal import Reporting
internal import Scenario
internal import Testbed

/// An experiment that a file describes.
struct ScenarioOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Run the experiment of a scenario file, or one that is built in.",
            discussion: """
                See mptcpctl-scenario(5). Every other option that is given counts for all its legs, \
                whatever the file says. Prints the question, median and 95th percentile of each leg, \
                what was published, and which expectations are met; if one is not, it ends with 1. \
                The directory of the results is that of compare.
                """, valueName: "name|file"))
    var scenario: String?

    @Flag(help: "List the scenarios that are built in.")
    var listScenarios = false

    @Option(
        help: ArgumentHelp(
            "Go on where this directory of a scenario was left.", valueName: "directory"))
    var resume: String?

    mutating func validate() throws {
        if listScenarios, scenario != nil {
            throw ValidationError("--list-scenarios goes without --scenario")
        }
        if resume != nil, scenario == nil {
            throw ValidationError("--resume goes on with a --scenario")
        }
        if resume?.isEmpty == true { throw ValidationError("--resume: name a directory") }
    }
}

/// Runs an experiment that a file describes, with what was given on the command line.
struct ScenarioExperiment {
    private let command: HandoverCommand
    private let assertions: [Assertion]

    init(_ command: HandoverCommand, _ assertions: [Assertion]) {
        self.command = command
        self.assertions = assertions
    }

    /// Prints what is built in.
    static func list(as format: OutputFormat) throws(CommandFailure) {
        let scenarios: [ScenarioFile]
        do {
            scenarios = try ScenarioLibrary.builtIn()
        } catch {
            throw .usage("\(error)")
        }
        switch format {
        case .text: Terminal.output(ScenarioText.list(scenarios))
        case .json: Terminal.output(ScenarioText.json(scenarios))
        }
    }

    /// Runs it, or prints its plan.
    func run(_ nameOrPath: String) throws(CommandFailure) {
        let file: ScenarioFile
        do {
            file = try ScenarioLibrary.load(nameOrPath)
        } catch {
            throw .usage("\(error)")
        }
        let plan = try plan(file)
        if command.output.dryRun {
            for cell in plan.cells {
                Terminal.output(
                    "# \(cell.label)\n" + ExperimentPlan.text(cell.scenario, cell.topology))
            }
            return
        }
        try ComparisonSession(
            plan, metrics: file.metrics, assertions: assertions, resumed: command.file.resume,
            output: command.output
        ).run()
    }

    private func plan(_ file: ScenarioFile) throws(CommandFailure) -> ComparisonPlan {
        let seed =
            command.how.seed ?? command.file.resume.flatMap(ComparisonRunner.seed)
            ?? command.how.randomSeed
        do {
            return try file.plan(topology: TestbedLibrary.topology) { scenario in
                command.apply(to: &scenario)
                scenario.seed = seed
            }
        } catch {
            throw .usage("\(error)")
        }
    }
}
