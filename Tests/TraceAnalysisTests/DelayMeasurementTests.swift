import NetworkPrimitives
import Testing
import TraceAnalysis

/// Delay, lateness and stalls of records on traces made by hand.
@Suite struct DelayMeasurementTests {
    /// Records of 100 octets every 20 ms from 100 ms on.
    private static func records(_ count: Int) -> Known<[DueRecord]> {
        .value(
            (0..<count).map { index in
                DueRecord(end: 100 * (index + 1), due: Int64(100 + 20 * index) * 1_000_000)
            })
    }

    private static func question(
        breakAt: Double? = 250, end: Double = 1_000, records count: Int = 100
    ) -> HandoverQuestion {
        var question = HandoverMeasurementTests.question(breakAt: breakAt, end: end)
        question.records = records(count)
        return question
    }

    /// Seven records come in 10 ms; that of 240 ms comes at 700 ms on the other path, and what was due
    /// meanwhile right behind it.
    private static func interrupted() -> TraceScript {
        var script = HandoverMeasurementTests.streaming(isBackupJoined: true)
        script.data(path: 1, sent: 670, arrived: 700, position: 1, offset: 700, length: 100)
        for index in 8..<31 {
            script.data(
                path: 1, sent: 671, arrived: 701, position: 101 + 100 * (index - 8),
                offset: 100 * index, length: 100)
        }
        return script
    }

    @Test func delayCountsFromWhenARecordWasDue() throws {
        let result = try HandoverMeasurementTests.measure(
            Self.interrupted(), Self.question(end: 701, records: 31))
        let delays = try #require(result.recordDelays.value)
        let expected =
            Array(repeating: 10.0, count: 7)
            + (8..<31).reversed().map { 701 - Double(100 + 20 * $0) } + [460]
        #expect(delays.arrived.map { Double($0) / 1e6 } == expected.sorted())
        #expect(delays.lost == 0)
    }

    @Test func aStallCountsBeyondTheWorkloadsOwnPause() throws {
        // Due at 240, there at 700 ms: 460 ms, less the 10 ms that each record takes.
        let broken = try HandoverMeasurementTests.measure(
            Self.interrupted(), Self.question(end: 701, records: 31))
        #expect(milliseconds(broken.stall.value) == 450)
        let whole = try HandoverMeasurementTests.measure(
            Self.interrupted(), Self.question(breakAt: nil, end: 701, records: 31))
        #expect(milliseconds(whole.stall.value) == 460)
    }

    @Test func aPauseInWhichNothingIsDueIsNoStall() throws {
        var question = Self.question(breakAt: nil, end: 701)
        let late = (0..<31).map { index in
            DueRecord(
                end: 100 * (index + 1),
                due: Int64(index < 7 ? 100 + 20 * index : 690) * 1_000_000)
        }
        question.records = .value(late)
        let result = try HandoverMeasurementTests.measure(Self.interrupted(), question)
        #expect(result.stall == .value(0))
    }

    @Test func whatNeverComesIsLostAndAStall() throws {
        let script = HandoverMeasurementTests.streaming(isBackupJoined: true)
        let result = try HandoverMeasurementTests.measure(script, Self.question(end: 500))
        let delays = try #require(result.recordDelays.value)
        // That of 240 ms was sent; what came after it was not.
        #expect(delays.arrived.count == 7 && delays.lost == 1)
        #expect(milliseconds(result.stall.value) == 250)
    }

    @Test func bothPathsAreInUse() throws {
        var script = Self.interrupted()
        #expect(
            try HandoverMeasurementTests.measure(script, Self.question()).handoverDuration
                == .value(0))
        script.acknowledge(
            path: 0, fromClient: true, sent: 800, arrived: 810, position: 1, offset: 0)
        let both = try HandoverMeasurementTests.measure(script, Self.question())
        #expect(milliseconds(both.handoverDuration.value) == 140)
        let short = try HandoverMeasurementTests.measure(script, Self.question(end: 720))
        #expect(milliseconds(short.handoverDuration.value) == 50)
        let none = try HandoverMeasurementTests.measure(
            HandoverMeasurementTests.streaming(isBackupJoined: true), Self.question())
        #expect(none.handoverDuration == .unknown("no data on the new path"))
    }

    @Test func whatIsNotKnownIsSaid() throws {
        var question = Self.question(breakAt: nil)
        question.records = .unknown("reasons")
        let result = try HandoverMeasurementTests.measure(Self.interrupted(), question)
        #expect(result.recordDelays == .unknown("reasons"))
        #expect(result.stall.reason?.hasPrefix("when something is due") == true)
        question.isDataAlwaysDue = true
        let bulk = try HandoverMeasurementTests.measure(Self.interrupted(), question)
        // From 230 to 700 ms, and to the end.
        #expect(milliseconds(bulk.stall.value) == 769)
        // The client's side alone does not tell when something arrived.
        let points = TraceScript.points.prefix(2).map { TracePoint($0.name) }
        let report = Self.interrupted().report(points: points, only: [0, 1])
        let half = try #require(HandoverMeasurement(report, Self.question()))
        #expect(half.recordDelays.reason == "arrival at the receiver was not captured")
        #expect(half.stall.reason == "arrival at the receiver was not captured")
    }
}
