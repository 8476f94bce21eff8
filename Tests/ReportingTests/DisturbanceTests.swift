import Scenario
import Testing

@testable import Reporting

/// What the harness did to the runs is said where it is more than it may be.
@Suite struct DisturbanceTests {
    @Test func lateRelaysAndFullBacklogsAreNoted() {
        var result = Fixtures.experiment
        #expect(!TextRenderer.report(result).contains("Disturbances"))
        result.runs[0].harness.lateness = .value(RunHarness.latenessLimit)
        result.runs[0].harness.backlogDrops = .value(0)
        #expect(!TextRenderer.report(result).contains("Disturbances"))
        result.runs[0].harness.lateness = .value(2.125)
        result.runs[1].harness.backlogDrops = .value(3)
        let report = TextRenderer.report(result)
        #expect(report.contains("Disturbances\n  run 1: the relay sent a frame on 2.1"))
        #expect(report.contains("run 2: the kernel's packet backlog was full"))
        #expect(report.contains("3 packets were dropped"))
    }

    @Test func disturbancesOfAComparisonAreNoted() {
        var run = Fixtures.experiment.runs[0]
        run.harness.lateness = .value(2.125)
        var later = run
        later.index = 7
        later.harness.lateness = .value(4.5)
        #expect(
            Disturbances.lines(of: [run, later])
                == [
                    "runs 1, 7 (at worst): the relay sent a frame on 4.50 ms late (more than 1 ms)"
                ])
    }

    @Test func anEarlyEndIsNoted() {
        var result = Fixtures.experiment
        result.earlyEnd = .environment("no space left")
        let count = result.runs.count
        #expect(TextRenderer.report(result).contains("ended after run \(count): no space left"))
    }
}
