import NetworkPrimitives
import Scenario

enum Fixtures {
    /// Three runs: two completed, one failed.
    static var experiment: ExperimentResult {
        var scenario = HandoverScenario()
        scenario.mode = .makeBeforeBreak
        scenario.workloadKind = .stream
        scenario.runs = 3
        scenario.seed = 42
        scenario.server = .kernel
        var failed = RunResult(index: 3, seed: scenario.runSeed(3))
        failed.bytes = .init(sent: 40_000, delivered: 15_000, isIntact: false)
        failed.fail("15000 of 40000 octets were delivered")
        return ExperimentResult(
            scenario: scenario, backend: .namespaces, linkEmulation: .relay,
            environment: RunEnvironment(
                kernel: "6.18.44", version: "0.1.0", details: [.init("cpus", "2")]),
            runs: [
                run(1, scenario, resume: 31.5), run(2, scenario, resume: 33.25), failed,
            ], outputDirectory: "results/one")
    }

    static func run(_ index: Int, _ scenario: HandoverScenario, resume: Double) -> RunResult {
        var run = RunResult(index: index, seed: scenario.runSeed(index))
        run.bytes = .init(sent: 40_000, delivered: 40_000, isIntact: true)
        run.timeline[.breakOldPath] = 0
        run.timeline[.make] = -1_500.25
        run.timeline[.ready] = 0
        run.timeline[.detected] = 0.125
        run.timeline[.firstReinjection] = 0.125
        run.timeline[.firstLackingByteArrived] = resume
        run.timeline.setUnknown(.joinSYN, because: "the join lies before t0")
        run[.detection] = 0.125
        run[.resume] = resume
        run[.handover] = resume
        run[.outage] = resume - 10
        run[.steadyGap] = 20.043
        run[.limit] = 30.118
        run[.floor] = 30.118
        run[.firstReinjectionDelay] = 0.125
        run[.medianReinjectionDelay] = 0.125
        run[.lastReinjectionDelay] = 0.25
        run[.usefulReinjectedBytes] = 200
        run[.redundantReinjectedBytes] = 0
        run.setUnknown(.resumeGoodput, because: "no bulk transfer")
        run.pathShare = [.init("wifi", .value(0.375)), .init("lte", .value(0.625))]
        run.radioTime = [.init("wifi", .value(1_500)), .init("lte", .unknown("no link events"))]
        run.energy = [.init("wifi", .value(0.75)), .init("lte", .value(13.5))]
        run.radioOn = [.init("wifi", .value(1_738)), .init("lte", .unknown("nothing captured"))]
        run[.energy] = 14.25
        run.captures = ["runs/00\(index)/client-wifi0.pcap", "runs/00\(index)/client-lte0.pcap"]
        return run
    }
}
