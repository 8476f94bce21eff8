import Scenario
import Testing
import Topology

/// The matrix: axes, cells, order, fingerprint.
@Suite struct ComparisonPlanTests {
    @Test func theLastAxisVariesFastest() throws {
        let plan = try ComparisonFixtures.plan([
            "mode=break-before-make,make-before-break", "lte.delay= 10ms , 30ms",
        ])
        #expect(
            plan.cells.map(\.label) == [
                "mode=break-before-make, lte.delay=10ms", "mode=break-before-make, lte.delay=30ms",
                "mode=make-before-break, lte.delay=10ms", "mode=make-before-break, lte.delay=30ms",
            ])
        #expect(plan.cells.map(\.number) == [1, 2, 3, 4])
        #expect(plan.cells.map(\.scenario.mode.rawValue)[2] == "make-before-break")
        #expect(
            plan.cells.map(\.newPath.roundTripTime) == [20, 60, 20, 60].map { .milliseconds($0) })
    }

    @Test func everyOptionCanBeVaried() throws {
        let axes = [
            "testbed=wifi-lte,multimob", "size=100,2kB", "interval=10ms,20ms", "policy=backup,full",
            "scheduler=redundant", "congestion-control=reno,cubic", "break-at=1s", "make-after=0ms",
            "duration=3s", "direction=download", "break=silent",
            "oracle=on", "oracle-period=100ms", "oracle-loss=10,40%", "oracle-retransmission=60",
            "oracle-timeout=2s", "idle-signal=on", "removal-repeat=off",
        ]
        let plan = try ComparisonFixtures.plan(axes)
        #expect(plan.cells.count == 64)
        let last = try #require(plan.cells.last)
        #expect(last.scenario.testbed == "multimob" && last.topology.name == "multimob")
        #expect(last.scenario.size == 2_000 && last.scenario.interval == .milliseconds(20))
        #expect(last.scenario.requestedPolicy == .full && last.scenario.scheduler == .redundant)
        let switching = last.scenario.switching
        #expect(switching.requestedOracle == .on && switching.requestedIdleSignal == .on)
        #expect(switching.oraclePeriod == .milliseconds(100) && switching.oracleLoss == 40)
        #expect(switching.oracleRetransmission == 60 && switching.oracleTimeout == .seconds(2))
        #expect(switching.removalRepeat == .off)
        #expect(last.scenario.duration == .seconds(3) && last.scenario.makeAfter == .zero)
    }

    @Test func withoutAxisThereIsOneCell() throws {
        let plan = try ComparisonFixtures.plan([])
        #expect(plan.cells.map(\.label) == ["the only cell"])
        #expect(plan.jobs.map(\.run) == [1, 2, 3])
    }

    /// Neither do so many runs overflow anything, nor does anybody wait for them.
    @Test(arguments: [3_333_334, .max]) func runsAreBounded(runs: Int) {
        let axes = ["join=standard,syn-data,early-data"]
        let error = #expect(throws: ComparisonProblem.self) {
            try ComparisonFixtures.plan(axes, runs: runs)
        }
        #expect(error?.description.contains("runs of each of 3 cells") == true, "\(error as Any)")
    }

    @Test(arguments: [
        (["mode"], "KEY=VALUE"), (["mode="], "lacks a value"), (["mode=a,"], "lacks a value"),
        (["mode=make-before-brake"], "did you mean 'make-before-break'"),
        (["mod=silent"], "did you mean 'mode'"), (["lte.dely=1ms"], "did you mean 'lte.delay'"),
        (["lt.delay=1ms"], "lte"), (["lte.delay=1parsec"], "unit"),
        (["duration=4"], "has its unit"), (["size=4miles"], "octets"),
        (["mode=break-before-make,break-before-make"], "twice"),
        (["mode=break-before-make", "mode=make-before-break"], "twice"),
        (["lte.delay=10ms,0.01s"], "'lte.delay=10ms' and 'lte.delay=0.01s' do the same"),
        (["client=swift,kernel"], "cell 'client=kernel': --client"),
        (["duration=1s"], "ends too early"), (["testbed=wifi"], "wifi"),
        (
            [
                "break-at=" + (1...200).map { "\($0)ms" }.joined(separator: ","),
                "make-after=" + (1...200).map { "\($0)ms" }.joined(separator: ","),
            ], "more than"
        ),
    ])
    func whatIsWrongIsSaid(axes: [String], word: String) {
        let error = #expect(throws: ComparisonProblem.self) { try ComparisonFixtures.plan(axes) }
        let text = error?.description ?? ""
        #expect(text.contains(word), "\(text)")
    }

    @Test func theUsualMatrixHasEveryJoinThatThereIs() throws {
        var base = HandoverScenario()
        let topology = try ComparisonFixtures.topology("wifi-lte", [])
        let axes = try ComparisonPlan.usualAxes(base, on: topology)
        #expect(axes.map(\.key) == ["join", "mode", "direction", "lte.delay"])
        #expect(
            axes[0].values
                == JoinVariant.allCases.map(\.rawValue))
        #expect(axes[3].values.count == 5)
        base.server = .kernel
        #expect(try ComparisonPlan.usualAxes(base, on: topology)[0].values == ["standard"])
        let fixed = try ComparisonPlan.usualAxes(base, on: topology) { $0 == "mode" }
        #expect(fixed.map(\.key) == ["join", "direction", "lte.delay"])
    }

    /// Legs are of scenario files.
    @Test func legsAreNotVaried() {
        #expect(throws: ComparisonProblem.self) { try ComparisonAxis(parsing: "leg=a,b") }
    }

    // MARK: Order

    @Test(arguments: 1...13)
    func everyRoundHasEveryCell(count: Int) {
        for round in 0..<20 {
            let order = ComparisonPlan.order(of: round, cells: count)
            #expect(order.sorted() == Array(0..<count))
        }
    }

    /// In as many rounds as there are cells, or twice as many, each follows each other equally often.
    @Test(arguments: [2, 3, 4, 5, 6, 8, 9, 20])
    func nothingAlwaysFollowsTheSame(count: Int) {
        var follows: [[Int]: Int] = [:]
        let rounds = count.isMultiple(of: 2) ? count : 2 * count
        for round in 0..<rounds {
            let order = ComparisonPlan.order(of: round, cells: count)
            for (first, second) in zip(order, order.dropFirst()) {
                follows[[first, second], default: 0] += 1
            }
        }
        #expect(follows.count == count * (count - 1))
        #expect(Set(follows.values) == [rounds / count])
    }

    @Test func cellsArePaired() throws {
        let plan = try ComparisonFixtures.plan(["direction=upload,download"])
        let seeds = plan.cells.map { cell in (1...3).map { cell.scenario.runSeed($0) } }
        #expect(seeds[0] == seeds[1])
        #expect(Set(seeds[0]).count == 3)
    }

    // MARK: Fingerprint

    @Test func everythingThatCountsChangesTheFingerprint() throws {
        func print(
            _ axes: [String], runs: Int = 3, seed: UInt64 = 7, version: String = "1",
            place: String = "simulation"
        ) throws -> String {
            let plan = try ComparisonFixtures.plan(axes, runs: runs, seed: seed)
            return plan.fingerprint(
                version: version, places: plan.cells.map { _ in place })
        }
        let axes = ["lte.delay=10ms,30ms"]
        let prints = [
            try print(axes), try print(axes, runs: 4), try print(axes, seed: 8),
            try print(axes, version: "2"), try print(axes, place: "netns"),
            try print(["lte.delay=10ms,31ms"]), try print(["wifi.delay=10ms,30ms"]),
            try print(axes + ["mode=make-before-break"]),
        ]
        #expect(Set(prints).count == prints.count)
        #expect(try print(axes) == prints[0])
        #expect(prints[0].count == 16)
    }
}
