internal import NetworkPrimitives
internal import Topology

/// What one cell yielded of one metric. Nothing here is about failed runs.
package struct ComparedNumber: Hashable, Sendable {
    package var statistics: Statistics
    /// Its median over that of the first cell.
    package var ratioToFirst: Double?
    /// The median of each run's number over its `floor_ms`, and over its `limit_ms`; of `resume_ms`
    /// only, which is what both bound.
    package var ratioToFloor: Double?
    package var ratioToLimit: Double?
}

/// One cell with its runs.
package struct ComparedCell: Sendable {
    package let cell: ComparisonCell
    /// The cell as the experiment that it is.
    package let result: ExperimentResult
    package let summary: Summary
    /// Of this cell: its own expectations, then those of the command line in their order.
    package let assertions: [AssertionResult]
    private let numbers: [Metric: ComparedNumber]

    /// - Parameter first: The first cell, or `nil` if this is it.
    init(
        _ cell: ComparisonCell, _ result: ExperimentResult, metrics: [Metric],
        assertions: [Assertion], first: ComparedCell?
    ) {
        self.cell = cell
        self.result = result
        let summary = result.summary
        self.summary = summary
        self.assertions = (cell.expectations + assertions).map { $0.evaluate(summary) }
        var numbers: [Metric: ComparedNumber] = [:]
        for metric in metrics {
            guard let statistics = summary[metric] else { continue }
            let base = first.map { $0.summary[metric]?.median } ?? statistics.median
            numbers[metric] = ComparedNumber(
                statistics: statistics,
                ratioToFirst: base.flatMap { $0 > 0 ? statistics.median / $0 : nil },
                ratioToFloor: Self.ratio(metric, to: .floor, result.runs),
                ratioToLimit: Self.ratio(metric, to: .limit, result.runs))
        }
        self.numbers = numbers
    }

    private static func ratio(
        _ metric: Metric, to bound: Metric, _ runs: [RunResult]
    ) -> Double? {
        guard metric == .resume else { return nil }
        let ratios: [Double] = runs.compactMap { run in
            guard run.outcome == .completed, let value = run[metric], let least = run[bound],
                least > 0
            else { return nil }
            return value / least
        }
        return ratios.isEmpty ? nil : Statistics.quantile(0.5, of: ratios.sorted())
    }

    /// `nil` if no completed run knows the number.
    package subscript(_ metric: Metric) -> ComparedNumber? { numbers[metric] }

    /// Round trip of the path that takes over, in milliseconds.
    package var roundTrip: Double { cell.newPath.roundTripTime.milliseconds }
}

/// A finished comparison.
package struct ComparisonResult: Sendable {
    package let plan: ComparisonPlan
    /// Those that are compared, in this order.
    package let metrics: [Metric]
    package let environment: RunEnvironment
    package let fingerprint: String
    package let cells: [ComparedCell]
    /// The earlier result beside it, if one was given.
    package let baseline: BaselineComparison?
    /// Where the files are, for the report.
    package var outputDirectory: String?

    /// - Parameter experiments: One for each cell of the plan.
    package init(
        _ plan: ComparisonPlan, metrics: [Metric], environment: RunEnvironment,
        fingerprint: String, experiments: [ExperimentResult], assertions: [Assertion] = [],
        baseline: (Baseline, RegressionThreshold)? = nil
    ) {
        self.plan = plan
        self.metrics = metrics
        self.environment = environment
        self.fingerprint = fingerprint
        var cells: [ComparedCell] = []
        for (cell, experiment) in zip(plan.cells, experiments) {
            cells.append(
                ComparedCell(
                    cell, experiment, metrics: metrics, assertions: assertions,
                    first: cells.first))
        }
        self.cells = cells
        self.baseline = baseline.map {
            BaselineComparison(cells, metrics, earlier: $0, threshold: $1)
        }
    }

    /// Runs that failed, in all cells.
    package var failedRuns: Int { cells.reduce(0) { $0 + $1.summary.failed } }

    /// Why a cell does not pass, in words; empty if it does.
    package func faults(of index: Int) -> [String] {
        let cell = cells[index]
        var faults = cell.result.runs.filter { $0.outcome == .failed }.map {
            "run \($0.index) failed: \($0.reason ?? "no reason known")"
        }
        faults += cell.assertions.filter { !$0.holds }.map { check in
            "assertion '\(check.assertion.text)' does not hold: "
                + (check.value.map { "it is \(JSONValue(rounding: $0).compact)" } ?? "not known")
        }
        faults += (baseline?.judgements ?? []).filter { $0.cell == index && $0.isRegression }.map {
            $0.text
        }
        return faults
    }

    /// Whether any cell does not pass.
    package var hasFailed: Bool { cells.indices.contains { !faults(of: $0).isEmpty } }
}
