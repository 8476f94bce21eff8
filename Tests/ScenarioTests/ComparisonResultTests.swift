import NetworkPrimitives
import Scenario
import Testing
import Topology

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

    @Test func cellsThatDifferInTheRoundTripMakeALine() throws {
        let plan = try ComparisonFixtures.plan([
            "lte.delay=30ms,10ms,20ms", "direction=upload,download",
        ])
        let result = ComparisonFixtures.result(
            plan,
            limit: {
                $0.newPath.roundTripTime.milliseconds
                    * ($0.scenario.direction == .upload ? 2.5 : 2)
            },
            resume: { cell, _ in
                let delays = [30.0, 10, 20]
                return delays[cell / 2] * (cell.isMultiple(of: 2) ? 5 : 4) + 1
            })
        let series = result.series(.resume)
        #expect(series.map { $0.values.map(\.value) } == [["upload"], ["download"]])
        #expect(series[0].cells == [2, 4, 0])
        #expect(series[0].points.map(\.roundTrip) == [20, 40, 60])
        let slopes = series.compactMap(\.fit?.slope)
        #expect(abs(slopes[0] - 2.5) < 1e-9 && abs(slopes[1] - 2) < 1e-9)
        let theory = series.compactMap(\.theoreticalSlope)
        #expect(abs(theory[0] - 2.5) < 1e-9 && abs(theory[1] - 2) < 1e-9)
        #expect(result.series(.joinLatency).allSatisfy { $0.theoreticalSlope == nil })
        #expect(result.series(.energy).isEmpty, "no time")
        let other = try ComparisonFixtures.plan(["wifi.delay=5ms,10ms"])
        #expect(ComparisonFixtures.result(other) { _, _ in 1 }.series(.resume).isEmpty)
    }

    /// Where the testbeds take over on different paths, a delay moves the round trip of some only.
    @Test func whatMovesSomeRoundTripsIsALabel() throws {
        let plan = try ComparisonFixtures.plan([
            "testbed=wifi-lte,\(ComparisonFixtures.reversed)", "lte.delay=10ms,30ms",
        ])
        #expect(Set(plan.cells.map(\.newPath.name)) == ["lte", "wifi"])
        let result = ComparisonFixtures.result(plan) { _, _ in 1 }
        #expect(!result.variesRoundTrip)
        #expect(result.roundTripGroups.count == 4)
        for group in result.roundTripGroups {
            #expect(group.values.map(\.key) == ["testbed", "lte.delay"])
        }
    }

    // MARK: Baseline

    @Test func thresholdsNeedBoth() throws {
        let usual = RegressionThreshold()
        #expect(try RegressionThreshold(parsing: "10%,2ms") == usual)
        #expect(!usual.isExceeded(.resume, from: 10, to: 11.5))
        #expect(!usual.isExceeded(.resume, from: 100, to: 105))
        #expect(usual.isExceeded(.resume, from: 100, to: 110.5))
        #expect(!usual.isExceeded(.resume, from: 100, to: 50))
        #expect(try RegressionThreshold(parsing: "5ms").isExceeded(.resume, from: 100, to: 105.1))
        #expect(usual.text == "more than 10 % and, where it is a time, more than 2 ms")
        // A share of 1 never grows by 2.
        #expect(usual.isExceeded(.late, from: 0.01, to: 0.02))
        #expect(!usual.isExceeded(.late, from: 0.01, to: 0.0105))
        for wrong in ["", "10", "10%,", "-1%", "10%,5%", "10%,2s", "nan%", "1e13ms"] {
            #expect(throws: ComparisonProblem.self) { try RegressionThreshold(parsing: wrong) }
        }
    }

    private static let earlier = """
        {"schema": "mptcpctl.compare/1", "configuration": {"workload": "bulk"}, "cells": [
          {"label": "b", "values": {"lte.delay": "10ms", "direction": "upload"},
           "summary": {"resume_ms": {"median": 100}, "outage_ms": {"median": 120},
             "delay_ms": {"p95": {"median": 7}}}},
          {"label": "gone", "values": {"direction": "upload"}, "summary": {"resume_ms": null}},
          {"label": "a", "values": {"direction": "download", "lte.delay": "10ms"},
           "summary": {"resume_ms": {"median": 100}, "outage_ms": {"median": 1e400}}}]}
        """

    @Test func cellsAreMatchedByWhatVaries() throws {
        let plan = try ComparisonFixtures.plan([
            "direction=upload,download", "lte.delay=10ms,30ms",
        ])
        let baseline = try Baseline(parsing: Self.earlier)
        let result = ComparisonFixtures.result(plan, baseline: (baseline, RegressionThreshold())) {
            cell, _ in cell == 0 ? 111 : 80
        }
        #expect(baseline.knows(.p95Delay) && !baseline.knows(.handover))
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
