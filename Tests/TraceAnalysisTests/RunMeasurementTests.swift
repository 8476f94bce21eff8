import NetworkPrimitives
import Scenario
import Testing
import TraceAnalysis
import WireFormat

/// From a report to the numbers of a run, and the endpoints' word against it.
@Suite struct RunMeasurementTests {
    static let lte = PathProfile(
        up: .init(delay: .milliseconds(30), rate: BitRate(bitsPerSecond: 20_000_000)),
        down: .init(delay: .milliseconds(30), rate: BitRate(bitsPerSecond: 20_000_000)))
    static let paths = MeasuredPaths(
        all: [
            .init("wifi", clientAddresses: [TraceScript.wifi.address]),
            .init("lte", clientAddresses: [TraceScript.lte.address]),
        ], old: 0, new: 1, newPath: lte, oldPath: lte)

    static func scenario(_ mode: HandoverMode) -> HandoverScenario {
        var scenario = HandoverScenario()
        scenario.mode = mode
        scenario.workloadKind = .stream
        return scenario
    }

    static func moments(make: Int64? = nil) -> RunMoments {
        RunMoments(
            start: 50_000_000, end: 1_000_000_000, breakTime: 250_000_000, makeTime: make)
    }

    static func breakBeforeMake() -> TraceScript {
        var script = HandoverMeasurementTests.streaming(isBackupJoined: false)
        script.join(at: 451)
        script.data(path: 1, sent: 571.2, arrived: 601.2, position: 1, offset: 600, length: 100)
        script.data(path: 1, sent: 571.3, arrived: 601.3, position: 101, offset: 700, length: 1_000)
        return script
    }

    @Test func everyNumberOfARunIsFilled() throws {
        var run = RunResult(index: 1, seed: 1)
        let measurement = run.measure(
            Self.breakBeforeMake().report(), Self.scenario(.breakBeforeMake), paths: Self.paths,
            moments: Self.moments(make: 450_000_000))
        #expect(measurement != nil)
        #expect(run.timeline[.breakOldPath] == 0)
        #expect(run.timeline[.make] == 200)
        #expect(run.timeline[.ready] == 200)
        #expect(run.timeline[.detected] == 201)
        #expect(run.timeline[.joinSYN] == 201)
        #expect(run.timeline[.joinSYNACK] == 261)
        #expect(run.timeline[.joinACK] == 261)
        #expect(run.timeline[.joinFourthACK] == 321)
        #expect(run.timeline[.firstReinjection] == 321.2)
        #expect(run.timeline[.firstDataOnNewPath] == 321.2)
        #expect(run.timeline[.firstLackingByteArrived] == 351.3)
        #expect(run.timeline.reason(.firstDataACKOnNewPath) == "no DATA_ACK on the new path")
        #expect(run[.detection] == 201)
        #expect(run[.joinLatency] == 120)
        #expect(run[.joinLatencyRTTs] == 2)
        #expect(run[.resume] == 151.3)
        #expect(run[.handover] == 351.3)
        #expect(run[.steadyGap] == 20)
        #expect(run[.firstReinjectionDelay] == 321.2)
        #expect(run[.usefulReinjectedBytes] == 100)
        #expect(run[.redundantReinjectedBytes] == 100)
        // 2.5 RTT and a record of 200 octets at 20 Mbit/s.
        #expect(abs(try #require(run[.limit]) - 150.1176) < 1e-9)
        #expect(run.reason(.resumeGoodput)?.hasPrefix("only a bulk transfer") == true)
        #expect(run.pathShare == [PathNumber("wifi", .value(800)), PathNumber("lte", .value(900))])
        // wifi: 50 to 250; lte: 450 to 1000.
        #expect(run.radioTime == [PathNumber("wifi", .value(200)), PathNumber("lte", .value(550))])
    }

    @Test func withoutTheConnectionEverythingIsUnknown() {
        var run = RunResult(index: 1, seed: 1)
        let report = TraceAnalyzer(points: TraceScript.points).finish()
        let measurement = run.measure(
            report, Self.scenario(.breakBeforeMake), paths: Self.paths, moments: Self.moments())
        #expect(measurement == nil)
        for metric in Metric.allCases {
            #expect(run.reason(metric) == "the captures hold no connection of the two paths")
        }
    }

    @Test func theNoiseFloorHasNoBreak() {
        var scenario = Self.scenario(.makeBeforeBreak)
        scenario.isNull = true
        var run = RunResult(index: 1, seed: 1)
        run.measure(
            HandoverMeasurementTests.streaming(isBackupJoined: true).report(), scenario,
            paths: Self.paths,
            moments: RunMoments(start: 0, end: 260_000_000, breakTime: nil, makeTime: nil))
        #expect(run[.steadyGap] == 20)
        #expect(run.reason(.resume) == "no break (--null)")
        #expect(run.reason(.limit) == "no break (--null)")
        #expect(run.timeline.reason(.ready) == "no break (--null)")
        #expect(run.radioTime.map(\.value) == [.value(260), .value(260)])
    }

    // MARK: The second witness

    private func event(
        _ name: String, _ source: String, at milliseconds: Double,
        _ fields: [JSONValue.Member] = []
    ) -> EventRecord {
        EventRecord(
            time: Instant(nanoseconds: Int64(milliseconds * 1e6)), source: source, name: name,
            fields: fields)
    }

    private func truth() -> [EventRecord] {
        var summary = WorkloadSummary()
        summary.bytesReceived = 1_652
        summary.isComplete = true
        return [
            event("connection_established", "client", at: 20, [.init("mptcp", .integer(1))]),
            event("join_sent", "client", at: 450.9), event("join_received", "server", at: 481),
            event("reinjection", "client", at: 571.1),
            event(WorkloadSummary.eventName, "server", at: 1_000, summary.fields),
        ]
    }

    private func disagreements(_ events: [EventRecord]) throws -> [String] {
        var run = RunResult(index: 1, seed: 1)
        let report = Self.breakBeforeMake().report()
        let scenario = Self.scenario(.breakBeforeMake)
        let measured = run.measure(
            report, scenario, paths: Self.paths, moments: Self.moments(make: 450_000_000))
        let measurement = try #require(measured)
        return CrossCheck.disagreements(report, measurement, events: events, scenario: scenario)
    }

    @Test func twoWitnessesAgree() throws {
        #expect(try disagreements(truth()) == [])
        #expect(try disagreements([]) == [])
    }

    @Test func eachContradictionIsNamed() throws {
        var events = truth()
        events[0] = event(
            "connection_established", "client", at: 20, [.init("mptcp", .integer(0))])
        #expect(
            try disagreements(events) == [
                "the client says that the connection is TCP, the captures that it is MPTCP"
            ])
        events = truth()
        // A busy host may be late, but not that late.
        events[1] = event("join_sent", "client", at: 449)
        #expect(try disagreements(events) == [])
        events[1] = event("join_sent", "client", at: 420)
        #expect(
            try disagreements(events) == [
                "SYN+MP_JOIN left 31.0 ms after the client's log says it was sent"
            ])
        events = truth()
        events.remove(at: 1)
        #expect(
            try disagreements(events).first
                == "the captures show 1 joins of the client, its log 0")
        events = truth()
        events.remove(at: 2)
        #expect(
            try disagreements(events) == ["1 joins reached the server, its log has 0"])
        events = truth()
        events.remove(at: 3)
        #expect(
            try disagreements(events) == [
                "the captures show a reinjection of the client, its log none"
            ])
        events = truth()
        events[3] = event("reinjection", "client", at: 573)
        #expect(
            try disagreements(events) == [
                "the first reinjection of the client left 1.8 ms before its log says that it was "
                    + "decided"
            ])
        events = truth()
        var summary = WorkloadSummary()
        summary.bytesReceived = 1_701
        events[4] = event(WorkloadSummary.eventName, "server", at: 1_000, summary.fields)
        #expect(
            try disagreements(events) == [
                "the captures show 1700 octets from the client at the server, which counts 1701"
            ])
    }
}
