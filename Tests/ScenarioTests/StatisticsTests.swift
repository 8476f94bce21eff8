import NetworkPrimitives
import Scenario
import Testing

@Suite("Statistics")
struct StatisticsTests {
    @Test func quantilesAreThoseOfNumpy() throws {
        let found = try #require(Statistics([5, 1, 4, 2, 3], seed: 1))
        #expect(found.median == 3 && found.minimum == 1 && found.maximum == 5)
        #expect(abs(found.p95 - 4.8) < 1e-12)
        let even = try #require(Statistics([10, 20, 30, 40], seed: 1))
        #expect(even.median == 25)
        #expect(abs(even.p95 - 38.5) < 1e-12)
    }

    @Test func oneValueIsItsOwnInterval() throws {
        let found = try #require(Statistics([7.5], seed: 1))
        #expect(found.median == 7.5 && found.p95 == 7.5 && found.interval == 7.5...7.5)
        #expect(Statistics([], seed: 1) == nil)
        #expect(Statistics([.nan], seed: 1) == nil)
    }

    @Test func intervalFollowsFromTheSeedAndHoldsTheMedian() throws {
        var generator = SeededGenerator(seed: 5)
        let values = (0..<30).map { _ in generator.unitInterval() }
        let found = try #require(Statistics(values, seed: 3))
        #expect(found == Statistics(values.reversed(), seed: 3))
        #expect(found.interval.contains(found.median))
        #expect(found.interval.lowerBound >= found.minimum)
        #expect(found.interval.upperBound <= found.maximum)
        #expect(found.interval.lowerBound < found.interval.upperBound)
    }

    /// Of many samples with a known median about 95 in 100 intervals hold it.
    @Test func intervalCoversTheTrueMedian() {
        var generator = SeededGenerator(seed: 11)
        var hits = 0
        let rounds = 100
        for round in 0..<rounds {
            let values = (0..<15).map { _ in generator.unitInterval() }
            if let found = Statistics(values, seed: UInt64(round)), found.interval.contains(0.5) {
                hits += 1
            }
        }
        #expect((86...100).contains(hits))
    }
}

@Suite("Assertions")
struct AssertionTests {
    @Test func readsEveryForm() throws {
        let assertion = try Assertion(parsing: " outage_ms.p95 <= 150.5 ")
        #expect(assertion.subject == .metric(.outage, .p95))
        #expect(assertion.comparison == .lessOrEqual && assertion.number == 150.5)
        #expect(try Assertion(parsing: "failed==0").subject == .count(.failed))
        let nested = try Assertion(parsing: "reinjection_delay_ms.first.max<1e3")
        #expect(nested.subject == .metric(.firstReinjectionDelay, .max))
        #expect(nested.number == 1_000)
        for comparison in Assertion.Comparison.allCases {
            let text = "resume_ms.min\(comparison.rawValue)-1"
            #expect(try Assertion(parsing: text).comparison == comparison)
        }
    }

    @Test(arguments: [
        ("outage.p95<150", "outage_ms.p95"), ("outage_ms.p59<150", "outage_ms.p95"),
        ("outage_ms<150", "outage_ms.median"), ("faild==0", "failed"),
        ("resume_ms.mediun<1", "resume_ms.median"), ("resume_m.max<1", "resume_ms.max"),
        ("failed=0", "=="), ("reinjected_bytes.usefull.max<1", "reinjected_bytes.useful.max"),
    ])
    func suggestsWhatWasMeant(_ text: String, _ suggestion: String) {
        let error = #expect(throws: AssertionError.self) { try Assertion(parsing: text) }
        #expect(error?.suggestion == suggestion)
        #expect(error?.description.contains("did you mean '\(suggestion)'?") == true)
    }

    @Test(arguments: [
        "", "outage_ms.p95", "outage_ms.p95<", "<5", "outage_ms.p95<fast", "outage_ms.p95<=>5",
        "outage_ms.p95<inf", "xyzzy.max<1",
    ])
    func refusesTheRest(_ text: String) {
        #expect(throws: AssertionError.self) { try Assertion(parsing: text) }
    }

    @Test func evaluatesOverCompletedRuns() throws {
        var runs = [30.0, 40, 50].enumerated().map { index, value in
            var run = RunResult(index: index + 1, seed: 1)
            run[.resume] = value
            return run
        }
        runs[2].fail("lost")
        let summary = Summary(runs, seed: 1)
        func holds(_ text: String) throws -> Bool {
            try Assertion(parsing: text).evaluate(summary).holds
        }
        #expect(try holds("resume_ms.median==35"))
        #expect(try holds("resume_ms.max<=40"))
        #expect(try !holds("resume_ms.max<40"))
        #expect(try holds("failed==1"))
        #expect(try holds("completed>1"))
        #expect(try holds("runs==3"))
        // What is not known does not hold, whichever way it is asked.
        #expect(try !holds("outage_ms.max<1000"))
        #expect(try !holds("outage_ms.max>=0"))
    }
}

@Suite("Results of runs")
struct RunResultTests {
    @Test func judgeFindsWhatIsMissing() {
        var sender = WorkloadSummary()
        var receiver = WorkloadSummary()
        (sender.bytesSent, receiver.bytesReceived) = (100, 100)
        (sender.isComplete, receiver.isComplete) = (true, true)
        func judged(_ sender: WorkloadSummary?, _ receiver: WorkloadSummary?) -> RunResult {
            var run = RunResult(index: 1, seed: 1)
            run.judge(sender: sender, receiver: receiver)
            return run
        }
        let good = judged(sender, receiver)
        #expect(good.outcome == .completed && good.bytes.isIntact == true)
        receiver.bytesReceived = 99
        #expect(judged(sender, receiver).reason == "99 of 100 octets were delivered")
        receiver.bytesReceived = 100
        receiver.bytesSent = 7
        #expect(judged(sender, receiver).reason == "0 of 7 octets came back")
        receiver.bytesSent = 0
        receiver.isComplete = false
        #expect(judged(sender, receiver).outcome == .failed)
        #expect(judged(sender, nil).reason == "no summary from the receiver")
        #expect(judged(sender, nil).bytes.isIntact == nil)
        receiver.isComplete = true
        receiver.failure = .connection("reset")
        #expect(judged(sender, receiver).reason == "the connection broke: reset")
    }

    @Test func whatIsNotKnownHasAReason() {
        var run = RunResult(index: 1, seed: 1)
        #expect(run[.resume] == nil && run.reason(.resume) == RunResult.notMeasured)
        run.setUnknown(.resume, because: "nothing was lacking")
        #expect(run.reason(.resume) == "nothing was lacking")
        run[.resume] = 0
        #expect(run[.resume] == 0 && run.reason(.resume) == nil)
        run.timeline[.ready] = 2
        run.timeline[.breakOldPath] = 0
        run.timeline[.make] = 2
        #expect(run.timeline.inOrder.map(\.milestone) == [.breakOldPath, .make, .ready])
    }
}
