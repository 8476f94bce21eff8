import Scenario
import Topology

/// Matrices and results for the tests of comparisons.
enum ComparisonFixtures {
    /// A matrix on built-in testbeds.
    static func plan(_ axes: [String], runs: Int = 3, seed: UInt64 = 7) throws -> ComparisonPlan {
        var base = HandoverScenario()
        base.workloadKind = .stream
        base.backend = .simulation
        base.runs = runs
        base.seed = seed
        return try ComparisonPlan(
            base: base, axes: axes.map { try ComparisonAxis(parsing: $0) }, topology: topology)
    }

    /// The built-in testbed with its paths in the other order.
    static let reversed = "lte-wifi"

    static func topology(
        _ testbed: String, _ links: [LinkOverride]
    ) throws(ComparisonProblem) -> Topology {
        if testbed == reversed {
            var topology = try topology("wifi-lte", links)
            topology.paths.reverse()
            return topology
        }
        do {
            return try Topology(
                parsing: BuiltInTestbeds.text(named: testbed) ?? "", file: testbed,
                overrides: links)
        } catch {
            throw ComparisonProblem("\(error)")
        }
    }

    /// A result whose runs resume as `resume` says of cell, from 0, and run, from 1; `nil` fails.
    static func result(
        _ plan: ComparisonPlan, assertions: [Assertion] = [],
        baseline: (Baseline, RegressionThreshold)? = nil,
        limit: (ComparisonCell) -> Double = { _ in 50 },
        resume: (_ cell: Int, _ run: Int) -> Double?
    ) -> ComparisonResult {
        let environment = RunEnvironment(kernel: "6.18", version: "test")
        let experiments = plan.cells.indices.map { cell in
            let runs = (1...plan.base.runs).map { index in
                var run = RunResult(
                    index: index, seed: plan.cells[cell].scenario.runSeed(index))
                if let value = resume(cell, index) {
                    run[.resume] = value
                    run[.outage] = value + 10
                    run[.floor] = 20
                    run[.limit] = limit(plan.cells[cell])
                } else {
                    run.fail("it was not to be")
                }
                return run
            }
            return ExperimentResult(
                scenario: plan.cells[cell].scenario, backend: .simulation, linkEmulation: .model,
                environment: environment, runs: runs)
        }
        return ComparisonResult(
            plan, metrics: [.resume, .outage], environment: environment, fingerprint: "0",
            experiments: experiments, assertions: assertions, baseline: baseline)
    }
}
