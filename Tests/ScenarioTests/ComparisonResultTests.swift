import Scenario
import Testing

/// Ratios, slopes, and what a baseline says.
@Suite struct ComparisonResultTests {
    @Test func ratiosAreToTheFirstCellAndToTheBounds() throws {
        let plan = try ComparisonFixtures.plan(["direction=upload,download"])
        let result = ComparisonFixtures.result(plan) { cell, run in
            cell == 0 ? Double(38 + run) : Double(98 + run)
        }
        let first = try #require(result.cells[0][.resume])
        let second = try #require(result.cells[1][.resume])
        #expect(first.statistics.median == 40 && first.ratioToFirst == 1)
        #expect(second.ratioToFirst == 2.5)
        #expect(second.ratioToFloor == 5 && second.ratioToLimit == 2)
        // The bounds are those of resume_ms.
        #expect(result.cells[1][.outage]?.ratioToFloor == nil)
        #expect(result.cells[1][.detection] == nil)
        #expect(!result.hasFailed)
    }

    @Test func failuresAreCountedAndNotMixedIn() throws {
        let plan = try ComparisonFixtures.plan(["direction=upload,download"])
        let result = ComparisonFixtures.result(plan) { cell, run in
            cell == 1 && run == 2 ? nil : Double(run)
        }
        #expect(result.failedRuns == 1)
        #expect(result.cells[1][.resume]?.statistics.count == 2)
        #expect(result.faults(of: 0).isEmpty)
        #expect(result.faults(of: 1) == ["run 2 failed: it was not to be"])
        #expect(result.hasFailed)
        // A first cell that knows nothing is nothing to compare with.
        let none = ComparisonFixtures.result(plan) { cell, _ in cell == 0 ? nil : 1 }
        #expect(none.cells[1][.resume]?.ratioToFirst == nil)
    }

    @Test func assertionsHoldInEveryCellOrFail() throws {
        let plan = try ComparisonFixtures.plan(["direction=upload,download"])
        let result = ComparisonFixtures.result(
            plan, assertions: [try Assertion(parsing: "resume_ms.median<50")]
        ) { cell, _ in cell == 0 ? 40 : 60.5 }
        #expect(result.faults(of: 0).isEmpty)
        #expect(
            result.faults(of: 1)
                == ["assertion 'resume_ms.median<50' does not hold: it is 60.5"])
    }

    // MARK: Slopes

    @Test func straightLines() throws {
        let exact = try #require(LinearFit([(1, 5), (2, 7), (4, 11)]))
        #expect(exact.slope == 2 && exact.intercept == 3 && exact.determination == 1)
        let flat = try #require(LinearFit([(1, 5), (2, 5)]))
        #expect(flat.slope == 0 && flat.determination == 1)
        let rough = try #require(LinearFit([(0, 0), (1, 2), (2, 1), (3, 3)]))
        #expect(abs(rough.slope - 0.8) < 1e-12 && abs(rough.determination - 0.64) < 1e-12)
        #expect(LinearFit([(1, 5)]) == nil)
        #expect(LinearFit([(1, 5), (1, 6)]) == nil)
    }

    /// The table of design/metrics.md; with both paths there the server of a download may notice by
    /// itself, and then one round trip is not the least.
    @Test(arguments: [
        (HandoverMode.makeBeforeBreak, Direction.upload, [0.5, 0.5, 0.5]),
        (.makeBeforeBreak, .download, [nil, nil, nil]),
        (.breakBeforeMake, .upload, [2.5, 1.5, 0.5]),
        (.breakBeforeMake, .download, [2, 2, 1]),
    ])
    func theoryIsTheTable(mode: HandoverMode, direction: Direction, factors: [Double?]) {
        for (join, factor) in zip(JoinVariant.allCases, factors) {
            var scenario = HandoverScenario()
            scenario.mode = mode
            scenario.direction = direction
            scenario.join = join
            scenario.workloadKind = .stream
            #expect(HandoverLimits.roundTripFactor(scenario) == factor)
        }
        var silent = HandoverScenario()
        silent.mode = .makeBeforeBreak
        silent.breakKind = .silent
        #expect(HandoverLimits.roundTripFactor(silent) == nil)
    }

    @Test func cellsThatDifferInTheRoundTripMakeALine() throws {
        let plan = try ComparisonFixtures.plan([
            "lte.delay=30ms,10ms,20ms", "direction=upload,download",
        ])
        let result = ComparisonFixtures.result(plan) { cell, _ in
            let delays = [30.0, 10, 20]
            return delays[cell / 2] * (cell.isMultiple(of: 2) ? 5 : 4) + 1
        }
        let series = result.series(.resume)
        #expect(series.map { $0.values.map(\.value) } == [["upload"], ["download"]])
        #expect(series[0].cells == [2, 4, 0])
        #expect(series[0].points.map(\.roundTrip) == [20, 40, 60])
        let slopes = series.compactMap(\.fit?.slope)
        #expect(abs(slopes[0] - 2.5) < 1e-9 && abs(slopes[1] - 2) < 1e-9)
        #expect(series.map(\.theoreticalSlope) == [2.5, 2])
        let other = try ComparisonFixtures.plan(["wifi.delay=5ms,10ms"])
        #expect(ComparisonFixtures.result(other) { _, _ in 1 }.series(.resume).isEmpty)
    }

    // MARK: Baseline

    @Test func thresholdsNeedBoth() throws {
        let usual = RegressionThreshold()
        #expect(try RegressionThreshold(parsing: "10%,2ms") == usual)
        #expect(!usual.isExceeded(from: 10, to: 11.5))
        #expect(!usual.isExceeded(from: 100, to: 105))
        #expect(usual.isExceeded(from: 100, to: 110.5))
        #expect(!usual.isExceeded(from: 100, to: 50))
        #expect(try RegressionThreshold(parsing: "5ms").isExceeded(from: 100, to: 105.1))
        #expect(usual.text == "more than 10 % and more than 2 ms")
        for wrong in ["", "10", "10%,", "-1%", "10%,5%", "10%,2s", "nan%"] {
            #expect(throws: ComparisonProblem.self) { try RegressionThreshold(parsing: wrong) }
        }
    }

    private static let earlier = """
        {"schema": "mptcpctl.compare/1", "configuration": {"workload": "bulk"}, "cells": [
          {"label": "b", "values": {"lte.delay": "10ms", "direction": "upload"},
           "metrics": {"resume_ms": {"median": 100}, "outage_ms": {"median": 120}}},
          {"label": "gone", "values": {"direction": "upload"}, "metrics": {"resume_ms": null}},
          {"label": "a", "values": {"direction": "download", "lte.delay": "10ms"},
           "metrics": {"resume_ms": {"median": 100}, "outage_ms": null}}]}
        """

    @Test func cellsAreMatchedByWhatVaries() throws {
        let plan = try ComparisonFixtures.plan([
            "direction=upload,download", "lte.delay=10ms,30ms",
        ])
        let baseline = try Baseline(parsing: Self.earlier)
        let result = ComparisonFixtures.result(plan, baseline: (baseline, RegressionThreshold())) {
            cell, _ in cell == 0 ? 111 : 80
        }
        let comparison = try #require(result.baseline)
        #expect(comparison.judgements.map(\.verdict) == [.regressed, .same, .improved, .new])
        #expect(comparison.judgements.map(\.cell) == [0, 0, 2, 2])
        #expect(
            comparison.unmatched == [
                "direction=upload, lte.delay=30ms", "direction=download, lte.delay=30ms",
            ])
        #expect(comparison.missing == ["gone"])
        #expect(result.faults(of: 0) == ["resume_ms regressed: 111 ms, baseline 100 ms"])
        #expect(result.hasFailed && result.faults(of: 2).isEmpty)
    }

    /// What was known and is not any more is no better.
    @Test func whatIsLostIsARegression() throws {
        let plan = try ComparisonFixtures.plan(["direction=upload", "lte.delay=10ms"])
        let baseline = try Baseline(parsing: Self.earlier)
        let result = ComparisonFixtures.result(plan, baseline: (baseline, RegressionThreshold())) {
            _, _ in nil
        }
        #expect(result.baseline?.judgements.map(\.verdict) == [.lost, .lost])
        #expect(result.faults(of: 0).last == "outage_ms lost: not known, baseline 120 ms")
    }

    @Test(arguments: ["", "{}", "[1]", #"{"schema": "mptcpctl.handover/1", "cells": []}"#])
    func anythingElseIsNoBaseline(text: String) {
        #expect(throws: ComparisonProblem.self) { try Baseline(parsing: text) }
    }
}
