/// Where an experiment ran, as far as a reader must know it to judge the numbers.
package struct RunEnvironment: Hashable, Sendable {
    /// `uname -r`.
    package var kernel: String
    /// Version of this program.
    package var version: String
    /// What else is worth saying, in this order: `("cpus", "2")`.
    package var details: [Detail]

    package struct Detail: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(kernel: String, version: String, details: [Detail] = []) {
        self.kernel = kernel
        self.version = version
        self.details = details
    }
}

/// A finished experiment. Backend and link emulation are those that were used, never `auto`.
package struct ExperimentResult: Hashable, Sendable {
    package var scenario: HandoverScenario
    package var backend: Backend
    package var linkEmulation: LinkEmulation
    package var environment: RunEnvironment
    package var runs: [RunResult]
    /// The largest gap of the same experiment without a break, if it was measured.
    package var noiseFloor: Statistics?
    /// Why it ended before its last run, if it did: then `runs` holds those that were complete.
    package var earlyEnd: EarlyEnd?
    /// Where the files are, for the report.
    package var outputDirectory: String?

    /// Why an experiment ended before its last run.
    package enum EarlyEnd: Hashable, Sendable {
        /// Somebody wanted it to.
        case interrupted
        /// The machine could not go on.
        case environment(String)
    }

    /// Without a break the noise floor follows from the runs, unless it is given.
    package init(
        scenario: HandoverScenario, backend: Backend, linkEmulation: LinkEmulation,
        environment: RunEnvironment, runs: [RunResult], noiseFloor: Statistics? = nil,
        outputDirectory: String? = nil
    ) {
        self.scenario = scenario
        self.backend = backend
        self.linkEmulation = linkEmulation
        self.environment = environment
        self.runs = runs
        self.noiseFloor =
            noiseFloor
            ?? (scenario.isNull
                ? Summary(runs, seed: scenario.seed)[.steadyGap] : nil)
        self.outputDirectory = outputDirectory
    }

    package var summary: Summary { Summary(runs, seed: scenario.seed) }
}
