import NetworkPrimitives
import Scenario
import Testing

/// Interactive and voice traffic: what is due when, and that both ends know.
@Suite struct RecordScheduleTests {
    private static func records(_ workload: Workload, _ count: Int) -> [RecordSchedule.Record] {
        guard var schedule = RecordSchedule(workload) else { return [] }
        return (0..<count).map { _ in schedule.record() }
    }

    @Test func burstsAreWholeAndTheirRecordsWithinBounds() {
        for seed in UInt64(1)...20 {
            let records = Self.records(Workload(.interactive, seed: seed), 400)
            var octets = 0
            var bursts = 0
            for record in records {
                #expect(RecordSchedule.recordSizes.contains(record.size))
                octets += record.size
                guard let burst = record.burst else { continue }
                #expect(burst == bursts && octets == 2_500)
                bursts += 1
                octets = 0
            }
            // 5 records at the least, 50 at the most.
            #expect((8...80).contains(bursts))
        }
    }

    @Test func nineBurstsAndAPause() {
        let ends = Self.records(Workload(.interactive, interval: .milliseconds(300)), 1_000)
            .filter { $0.burst != nil }
        let row = (0..<9).map { Double($0) * 300 }
        #expect(
            ends.prefix(20).map(\.due.milliseconds) == row + row.map { $0 + 7_400 } + [
                14_800, 15_100,
            ])
        for (index, end) in ends.enumerated() {
            #expect(
                RecordSchedule.burstDue(
                    index, of: Workload(.interactive, interval: .milliseconds(300))) == end.due)
        }
    }

    @Test func theBackgroundKeepsItsRateThroughPauses() {
        let workload = Workload(.interactive, background: 12_000)
        let records = Self.records(workload, 800).filter { $0.due < .seconds(6) }
        let background = records.filter { $0.size == 1_200 }
        #expect(background.map(\.due.milliseconds) == (0..<60).map { Double($0) * 100 })
        #expect(zip(records, records.dropFirst()).allSatisfy { $0.due <= $1.due })
        #expect(records.reduce(0) { $0 + $1.size } == 60 * 1_200 + 9 * 2_500)
    }

    @Test func theSeedDecides() {
        let first = Self.records(Workload(.interactive, seed: 1), 50)
        #expect(first == Self.records(Workload(.interactive, seed: 1), 50))
        #expect(first != Self.records(Workload(.interactive, seed: 2), 50))
    }

    @Test func whatHasNoCadenceHasNoSchedule() {
        #expect(RecordSchedule(Workload(.bulk)) == nil)
        #expect(RecordSchedule(Workload(.requestResponse)) == nil)
    }

    @Test(arguments: Direction.allCases)
    func everyBurstIsAnswered(direction: Direction) {
        let pair = StreamPair(
            Workload(.interactive, direction, duration: .seconds(20), background: 12_000))
        #expect(pair.run())
        let client = pair.client.summary
        let server = pair.server.summary
        let (sender, receiver) = direction == .upload ? (client, server) : (server, client)
        // Three rows of nine bursts: from 0, 7.67 and 15.33 s.
        #expect(sender.bytesReceived == 27 * 750 && sender.recordsReceived == 27)
        #expect(sender.bytesSent == 27 * 2_500 + 200 * 1_200)
        #expect(receiver.recordsReceived == sender.recordsSent)
        #expect(receiver.latencies.allSatisfy { $0.latency == .milliseconds(10) })
        #expect(sender.latencies.allSatisfy { $0.latency == .milliseconds(20) })
        #expect(client.failure == nil && server.failure == nil)
        #expect(pair.client.recordPhase == nil)
    }

    @Test func aCallGoesBothWaysAtOnce() {
        let pair = StreamPair(Workload(.voice, duration: .seconds(1)), delay: .milliseconds(13))
        #expect(pair.run())
        // The server begins with the first moment of the cadence after the preamble, and each end
        // speaks as long as it was told.
        for summary in [pair.client.summary, pair.server.summary] {
            #expect(summary.recordsReceived == 50 && summary.bytesReceived == 8_000)
            #expect(summary.latencies.allSatisfy { $0.latency == .milliseconds(13) })
        }
        #expect(pair.client.recordPhase == pair.server.recordPhase)
    }

    @Test func whatCannotBeIsRefused() {
        #expect(Workload(.interactive, size: 49).problem?.contains("size of a burst") == true)
        #expect(Workload(.interactive, interval: .microseconds(999)).problem != nil)
        #expect(Workload(.interactive, background: 12_500).problem?.contains("whole") == true)
        #expect(Workload(.interactive, background: 256_000).problem?.contains("255") == true)
        #expect(Workload(.interactive, background: -1_000).problem != nil)
        #expect(Workload(.stream, background: 1_000).problem?.contains("only an") == true)
        #expect(Workload(.interactive, background: 255_000).problem == nil)
        var scenario = HandoverScenario()
        scenario.background = 1_000
        #expect(scenario.problems.map(\.option) == ["--background"])
    }

    @Test func thePreambleCarriesTheBackground() throws {
        let workload = Workload(.interactive, .download, seed: 9, background: 12_000)
        let preamble = WorkloadPreamble(workload: workload, epoch: .zero)
        #expect(preamble.bytes[7] == 12)
        #expect(try WorkloadPreamble(parsing: preamble.bytes) == preamble)
    }
}
