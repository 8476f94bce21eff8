import Experiment
import LinuxSystem
import Reporting
import Scenario
import Testing
import Topology

/// Radios of a simulated handover: how long one takes to wake, and what all of them take.
@Suite struct RadioTests {
    private func run(
        _ scenario: HandoverScenario, testbed: String = "wifi-lte", promotion: String? = nil
    ) throws -> RunResult {
        var scenario = scenario
        scenario.backend = .simulation
        scenario.workloadKind = .stream
        scenario.runs = 1
        scenario.seed = 3
        try scenario.validate()
        var text = try #require(BuiltInTestbeds.text(named: testbed))
        if let promotion {
            text = text.replacing(
                "    rtt: 60 ms\n", with: "    rtt: 60 ms\n    promotion: \(promotion)\n")
        }
        let directory = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        defer { try? Directory.remove(directory) }
        let runner = ExperimentRunner(
            scenario: scenario, topology: try Topology(parsing: text, file: testbed),
            version: "test", output: .directory(directory), progress: { _ in })
        let result = try runner.run { result in
            .init(results: JSONRenderer.text(result), report: TextRenderer.report(result))
        }
        return result.runs[0]
    }

    /// The SYN of the join waits until the radio is awake, and so does nothing behind it; the limit
    /// knows.
    @Test(arguments: Direction.allCases)
    func promotionDelaysTheJoin(direction: Direction) throws {
        var scenario = HandoverScenario()
        scenario.direction = direction
        scenario.duration = .milliseconds(2_500)
        let plain = try run(scenario)
        let slow = try run(scenario, promotion: "{ delay: 260 ms, tail: 10 s }")
        #expect(slow.outcome == .completed, "\(slow.reason ?? "")")
        func handshake(_ run: RunResult) throws -> Double {
            try #require(run.timeline[.joinSYNACK]) - #require(run.timeline[.joinSYN])
        }
        #expect(abs(try handshake(slow) - handshake(plain) - 260) < 0.001)
        let resume = try #require(slow[.resume])
        let limit = try #require(slow[.limit])
        #expect(resume >= limit && resume < limit + 5, "resume \(resume) ms, limit \(limit) ms")
        #expect(abs(limit - (try #require(plain[.limit])) - 260) < 20.001)
        #expect(try #require(slow[.floor]) >= 260)
    }

    /// A backup subflow that was joined a while ago: the radio sleeps again at the break.
    @Test func theRadioFallsAsleepBetween() throws {
        var scenario = HandoverScenario()
        scenario.mode = .makeBeforeBreak
        scenario.duration = .milliseconds(2_500)
        let awake = try run(scenario, promotion: "{ delay: 260 ms, tail: 10 s }")
        let asleep = try run(scenario, promotion: "{ delay: 260 ms, tail: 200 ms }")
        let difference = try #require(asleep[.resume]) - #require(awake[.resume])
        #expect(abs(difference - 260) < 20.001, "\(difference) ms")
    }

    /// The tail is most of what LTE costs; WiFi ends with its interface.
    @Test func energy() throws {
        var scenario = HandoverScenario()
        scenario.duration = .milliseconds(2_500)
        let result = try run(scenario)
        let joules = try result.energy.map { try #require($0.value.value) }
        let on = try result.radioOn.map { try #require($0.value.value) }
        #expect(result.energy.map(\.path) == ["wifi", "lte"])
        // WiFi from the SYN to the break, about 1.5 s at 0.12 W.
        #expect(on[0] > 1_450 && on[0] < 1_600, "\(on)")
        #expect(joules[0] > 0.17 && joules[0] < 0.2, "\(joules)")
        // LTE from the join, about 0.8 s before the end, and its tail of 11.6 s.
        #expect(on[1] > 12_000 && on[1] < 13_500, "\(on)")
        #expect(joules[1] > 12.8 && joules[1] < 15, "\(joules)")
        #expect(result[.energy] == joules[0] + joules[1])
    }

    /// LTE is gone for most of the time in which it would have had a tail, and sleeps when it is back.
    @Test func aRadioThatGoesAndComesIsBilledForWhatItIsThere() throws {
        var scenario = HandoverScenario()
        scenario.mode = .makeBeforeBreak
        scenario.requestedPolicy = .backup
        scenario.isNull = true
        scenario.duration = .seconds(40)
        scenario.linkChanges = [
            LinkChange(at: .seconds(2), path: "lte", kind: .down),
            LinkChange(at: .seconds(30), path: "lte", kind: .up),
        ]
        let result = try run(scenario)
        #expect(result.outcome == .completed, "\(result.reason ?? "")")
        let up = try #require(result.radioTime[1].value.value)
        #expect(up == 12_000)
        let on = try #require(result.radioOn[1].value.value)
        // Up to 2 s; from the second join to the end at 40 s, and the tail of 11.6 s behind it.
        #expect(on > 23_500 && on < 23_700, "\(on)")
        let joules = try #require(result.energy[1].value.value)
        #expect(joules > 24.5 && joules < 26.5, "\(joules)")
    }

    @Test func withoutModelNothingIsKnown() throws {
        var scenario = HandoverScenario()
        scenario.size = 40
        scenario.interval = .seconds(2)
        scenario.breakAt = .seconds(20)
        scenario.duration = .seconds(40)
        let result = try run(scenario, testbed: "satellite")
        #expect(result[.energy] == nil)
        #expect(result.reason(.energy)?.hasPrefix("no radio model for interface ") == true)
        #expect(result.energy.allSatisfy { $0.value.reason != nil })
        #expect(result.radioOn.count == 4)
    }
}
