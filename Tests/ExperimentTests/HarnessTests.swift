import LinuxSystem
import Scenario
import Testing

@testable import Experiment

/// What the machine below a run may do to it, and what that makes of the run.
@Suite struct HarnessTests {
    /// NTP slews both clocks alike; what moves them apart is a step.
    @Test func aStepOfTheClockFailsARun() throws {
        #expect(NamespaceRun.clockStory(0) == nil)
        #expect(NamespaceRun.clockStory(100_000) == nil && NamespaceRun.clockStory(-100_000) == nil)
        let story = try #require(NamespaceRun.clockStory(-1_500_000))
        #expect(story.contains("by -1.5 ms"))
        // Two readings on a machine whose clock nobody sets agree.
        let readings = (0..<20).map { _ in WallClock.offsetFromMonotonic() }
        #expect(NamespaceRun.clockStory(readings[19] - readings[0]) == nil)
    }

    @Test func onlyOurOwnLossesFailARun() {
        var (before, now) = (HarnessCounters(), HarnessCounters())
        (before.refused, now.refused) = ([0, 1], [0, 1])
        (before.backlogDrops, now.backlogDrops) = (100, 107)
        now.lateness = .microseconds(250)
        // Others' packets: it is noted.
        #expect(now.loss(since: before, paths: ["wifi", "lte"]) == nil)
        #expect(now.harness(since: before).backlogDrops == .value(7))
        #expect(now.harness(since: before).lateness == .value(0.25))
        now.arrivalDrops = 5
        #expect(now.loss(since: before, paths: ["wifi", "lte"])?.contains("dropped 5 of") == true)
        now.refused[1] = 3
        let loss = now.loss(since: before, paths: ["wifi", "lte"])
        #expect(loss == "the link of path 'lte' refused 2 frames")
    }
}
