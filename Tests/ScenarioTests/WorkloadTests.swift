import NetworkPrimitives
import Scenario
import Testing

@Suite("Workloads over a byte stream")
struct WorkloadTests {
    @Test(arguments: WorkloadKind.allCases, Direction.allCases)
    func everyWorkloadDeliversEverythingIntact(_ kind: WorkloadKind, _ direction: Direction) {
        for chunk in [1, 7, 64, 1_399] where !(kind == .bulk && chunk < 64) {
            let pair = StreamPair(
                Workload(kind, direction, duration: .milliseconds(500), seed: 7), chunk: chunk)
            #expect(pair.run())
            let client = pair.client.summary
            let server = pair.server.summary
            #expect(client.isIntact && server.isIntact)
            #expect(client.failure == nil && server.failure == nil)
            #expect(client.bytesSent == server.bytesReceived)
            #expect(server.bytesSent == client.bytesReceived)
            let way = direction == .upload ? client.bytesSent : server.bytesSent
            #expect(way > 0)
            #expect(pair.server.workload == pair.client.workload)
        }
    }

    @Test func streamKeepsItsCadence() {
        let pair = StreamPair(Workload(.stream, .upload, duration: .seconds(1)))
        #expect(pair.run())
        let server = pair.server.summary
        // Records at 0, 20, ... 980 ms.
        #expect(server.recordsReceived == 50)
        #expect(server.bytesReceived == 10_000)
        #expect(server.latencies.map(\.latency) == Array(repeating: .milliseconds(10), count: 50))
        #expect(server.longestSilence?.duration == .milliseconds(20))
        #expect(pair.client.recordPhase == pair.server.recordPhase)
    }

    @Test func downloadedStreamIsLockedToTheClientsClock() {
        // The preamble arrives at 13 ms: the first record is due at 20 ms.
        let pair = StreamPair(
            Workload(.stream, .download, duration: .seconds(1)), delay: .milliseconds(13))
        #expect(pair.run())
        let client = pair.client.summary
        #expect(client.latencies.first?.scheduled == Instant(nanoseconds: 20_000_000))
        #expect(Set(client.latencies.map(\.latency)) == [.milliseconds(13)])
        #expect(pair.client.recordPhase?.interval == .milliseconds(20))
    }

    @Test func recordsOfAStallComeLateAndAreNotLost() {
        let pair = StreamPair(Workload(.stream, .upload, duration: .seconds(1)))
        pair.stall = 300_000_000..<500_000_000
        #expect(pair.run())
        let server = pair.server.summary
        #expect(server.recordsReceived == 50)
        #expect(server.worstLatency == .milliseconds(200))
        #expect(server.longestSilence?.duration == .milliseconds(210))
        #expect(server.longestSilence?.start == Instant(nanoseconds: 290_000_000))
    }

    @Test func requestsFollowTheirReplies() {
        let pair = StreamPair(
            Workload(.requestResponse, .download, interval: .milliseconds(5), duration: .seconds(1))
        )
        #expect(pair.run())
        // A cycle is 20 ms of travel and 5 ms of pause.
        let client = pair.client.summary
        #expect(client.recordsReceived == 40)
        #expect(client.bytesSent == 40 * 200)
        #expect(client.bytesReceived == 40 * 1_000)
        #expect(client.latencies.allSatisfy { $0.latency == .milliseconds(20) })
        #expect(pair.client.recordPhase?.interval == .milliseconds(25))
    }

    @Test func largerMessageGoesTheNamedWay() {
        let upload = Workload(.requestResponse, .upload, size: 4_000)
        #expect(upload.requestSize == 4_000 && upload.replySize == 200)
        let download = Workload(.requestResponse, .download, size: 100)
        #expect(download.requestSize == 100 && download.replySize == 100)
    }

    @Test(arguments: Direction.allCases)
    func bulkOfASizeIgnoresTheDuration(_ direction: Direction) {
        let pair = StreamPair(
            Workload(.bulk, direction, size: 1_000_003, duration: .milliseconds(1)))
        #expect(pair.run())
        let receiver = direction == .upload ? pair.server.summary : pair.client.summary
        #expect(receiver.bytesReceived == 1_000_003)
        #expect(receiver.isIntact && receiver.failure == nil)
    }

    @Test(arguments: WorkloadKind.allCases, Direction.allCases)
    func stopEndsAnUnboundedWorkload(_ kind: WorkloadKind, _ direction: Direction) {
        let pair = StreamPair(Workload(kind, direction))
        #expect(pair.run(stopAt: .milliseconds(333)))
        #expect(pair.client.summary.bytesSent == pair.server.summary.bytesReceived)
        #expect(pair.server.summary.bytesSent == pair.client.summary.bytesReceived)
        #expect(pair.client.failure == nil && pair.server.failure == nil)
        #expect(pair.now < Instant(nanoseconds: 500_000_000))
    }

    @Test func damagedOctetIsNamed() {
        let pair = StreamPair(Workload(.bulk, .upload, size: 100_000))
        pair.damaged = WorkloadPreamble.encodedLength + 77_777
        #expect(pair.run())
        #expect(pair.server.summary.firstMismatch == 77_777)
        var result = RunResult(index: 1, seed: 1)
        result.judge(sender: pair.client.summary, receiver: pair.server.summary)
        #expect(result.outcome == .failed)
        #expect(result.bytes.isIntact == false)
        #expect(result.reason?.contains("77777") == true)
    }

    @Test func damagedPreambleIsRefused() {
        for octet in [0, 4, 5, 6] {
            let pair = StreamPair(Workload(.bulk, .upload, size: 1_000))
            pair.damaged = octet
            #expect(!pair.run())
            #expect(pair.server.mustAbort)
        }
    }

    @Test func preambleSurvivesAndEveryPrefixIsRefused() throws {
        let preamble = WorkloadPreamble(
            workload: Workload(
                .stream, .download, size: 777, interval: .milliseconds(3), duration: .seconds(9),
                seed: .max), epoch: Instant(nanoseconds: 123_456_789_012))
        let bytes = preamble.bytes
        #expect(try WorkloadPreamble(parsing: bytes) == preamble)
        for length in 0..<bytes.count {
            #expect(throws: WorkloadFailure.self) {
                try WorkloadPreamble(parsing: Array(bytes[..<length]))
            }
        }
    }

    @Test func connectionThatEndsEarlyIsAFailure() {
        var client = WorkloadEndpoint(client: Workload(.bulk, .download, size: 1_000))
        client.started(now: .zero)
        client.peerFinished(now: .zero)
        #expect(client.failure == .short(received: 0, expected: 1_000))
        var server = WorkloadEndpoint.server()
        server.started(now: .zero)
        server.peerFinished(now: .zero)
        #expect(server.failure == .notAWorkload)
        var lost = WorkloadEndpoint(client: Workload(.stream))
        lost.started(now: .zero)
        lost.connectionLost("reset")
        #expect(lost.mustAbort && lost.failure == .connection("reset"))
    }

    @Test func summaryTravelsAsAnEvent() throws {
        let pair = StreamPair(Workload(.echo, .upload, duration: .milliseconds(200)))
        #expect(pair.run())
        let summary = pair.client.summary
        let event = EventRecord(
            time: pair.now, wallNanoseconds: 5, source: "client",
            name: WorkloadSummary.eventName, fields: summary.fields)
        let read = try #require(EventRecord(line: event.line))
        #expect(read == event)
        var again = try #require(WorkloadSummary(event: read))
        again.latencies = summary.latencies
        #expect(again == summary)
    }
}

@Suite("The byte pattern")
struct BytePatternTests {
    @Test func fillAndVerifyAgreeAtEveryAlignment() {
        let pattern = BytePattern(seed: 3, direction: .upload)
        for offset in 0..<20 {
            for count in 0..<40 {
                var bytes = [UInt8](repeating: 0, count: count)
                bytes.withUnsafeMutableBytes { pattern.fill($0, from: offset) }
                #expect(bytes == (0..<count).map { pattern.byte(at: offset + $0) })
                #expect(
                    bytes.withUnsafeBytes { pattern.firstMismatch(in: $0, from: offset) } == nil)
                for index in bytes.indices {
                    bytes[index] ^= 1
                    let found = bytes.withUnsafeBytes {
                        pattern.firstMismatch(in: $0, from: offset)
                    }
                    #expect(found == index)
                    bytes[index] ^= 1
                }
            }
        }
    }

    @Test func displacedOctetsAreFound() {
        let pattern = BytePattern(seed: 1, direction: .download)
        var bytes = [UInt8](repeating: 0, count: 1_400)
        bytes.withUnsafeMutableBytes { pattern.fill($0, from: 0) }
        for shift in [1, 8, 1_400, 1_420, 65_536, 1 << 20, 1 << 32] {
            let found = bytes.withUnsafeBytes { pattern.firstMismatch(in: $0, from: shift) }
            #expect((found ?? 1_400) < 16)
        }
        let other = BytePattern(seed: 1, direction: .upload)
        #expect((bytes.withUnsafeBytes { other.firstMismatch(in: $0, from: 0) } ?? 99) < 16)
    }
}

@Suite("Where the records lie")
struct RecordPhaseTests {
    /// Half-way between a departure and an arrival, where the most time is.
    @Test(arguments: [
        (0, 10), (1, 10.5), (5, 12.5), (10, 5), (15, 7.5), (20, 10), (25, 12.5), (30, 5),
    ])
    func breakIsFarFromDeparturesAndArrivals(delay: Int, offset: Double) {
        let phase = RecordPhase(
            reference: Instant(nanoseconds: 1_003_000_000), interval: .milliseconds(20))
        for earliest in stride(from: Int64(900_000_000), to: 1_100_000_000, by: 1_000_000) {
            let time = phase.breakTime(
                notBefore: Instant(nanoseconds: earliest), delay: .milliseconds(delay))
            #expect(time.nanoseconds >= earliest && time.nanoseconds < earliest + 20_000_000)
            let place = (time.nanoseconds - 1_003_000_000) % 20_000_000
            #expect((place + 20_000_000) % 20_000_000 == Int64(offset * 1e6))
        }
    }
}
