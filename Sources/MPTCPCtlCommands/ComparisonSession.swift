internal import Experiment
internal import Scenario

/// The runs of a matrix on behalf of a command: progress on standard error, what came of it on
/// standard output, and what to do where it was interrupted.
struct ComparisonSession {
    private let plan: ComparisonPlan
    private var configuration: ComparisonRunner.Configuration
    private let output: HandoverOutputOptions

    /// - Parameters:
    ///   - metrics: What is compared.
    ///   - resumed: The directory in which to go on, where one is to be gone on in.
    init(
        _ plan: ComparisonPlan, metrics: [Metric], assertions: [Assertion], resumed: String?,
        output: HandoverOutputOptions
    ) throws(CommandFailure) {
        self.plan = plan
        self.output = output
        configuration = ComparisonRunner.Configuration(version: CommandLineTool.version)
        configuration.metrics = metrics
        configuration.assertions = assertions
        configuration.output =
            switch (resumed, output.output) {
            case (_?, _?):
                throw .usage("--resume: the results go to its directory; leave out --output")
            case (let directory?, nil): .resumed(directory)
            case (nil, let directory?): .directory(directory)
            case (nil, nil): .named
            }
    }

    /// Runs what is not there yet. `jobs` is how many simulations go on at a time, by default one for
    /// each core.
    func run(
        against baseline: (Baseline, RegressionThreshold)? = nil, jobs: Int? = nil
    ) throws(CommandFailure) {
        var configuration = configuration
        configuration.baseline = baseline
        if let jobs { configuration.workers = jobs }
        let progress = Progress(isQuiet: output.quiet)
        let reports = ComparisonProgress(progress, metrics: configuration.metrics)
        let outcome: ComparisonRunner.Outcome
        do {
            outcome = try ComparisonRunner(plan, configuration) { reports.report($0) }
                .run(rendering: ComparisonDocuments.all)
        } catch {
            progress.finish()
            throw CommandFailure(error)
        }
        progress.finish()
        switch outcome {
        case .interrupted(let directory, let done, let count):
            if done > 0 {
                Terminal.error(
                    "\(done) of \(count) runs are kept; the same options with --resume \(directory) "
                        + "go on from there")
            }
            throw .interrupted
        case .finished(let result):
            try ComparisonDocuments.tell(result, as: output.format)
        }
    }
}
