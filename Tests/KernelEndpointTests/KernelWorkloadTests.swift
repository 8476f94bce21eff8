import Glibc
import KernelEndpoint
import LinuxSystem
import NetworkPrimitives
import Scenario
import Testing

@Suite(
    "Workloads on the kernel's MPTCP",
    .enabled("needs root and a kernel with MPTCP") { KernelNamespace.isPossible })
struct KernelWorkloadTests {
    private static let server = Endpoint(IPAddress.v4(0x7f00_0001), 5_000)

    private struct Both {
        var client: KernelWorkloadOutcome
        var server: KernelWorkloadOutcome
        var events: [EventRecord]
    }

    /// Server and client in one loop and one namespace.
    private func run(
        _ workload: Workload, options: KernelSocketOptions = KernelSocketOptions(),
        server: Endpoint = server, timeout: Duration = .seconds(20)
    ) throws -> Both {
        let namespace = try KernelNamespace()
        return try namespace.run {
            var events: [EventRecord] = []
            let runner = try KernelWorkloadRunner { events.append($0) }
            try runner.listen(on: server, options: options)
            try runner.connect(
                from: server.address, to: server, workload: workload, options: options)
            let outcomes = try runner.run(connections: 2, timeout: timeout)
            return Both(
                client: try #require(outcomes.first { $0.role == .client }),
                server: try #require(outcomes.first { $0.role == .server }), events: events)
        }
    }

    @Test(arguments: WorkloadKind.allCases, Direction.allCases)
    func everyWorkloadArrivesIntact(_ kind: WorkloadKind, _ direction: Direction) throws {
        let both = try run(
            Workload(kind, direction, duration: .milliseconds(400), seed: 99))
        for outcome in [both.client, both.server] {
            #expect(outcome.isMPTCP)
            #expect(outcome.summary.failure == nil)
            #expect(outcome.summary.isComplete && outcome.summary.isIntact)
            #expect(outcome.information?.isFallback == false)
        }
        #expect(both.client.summary.bytesSent == both.server.summary.bytesReceived)
        #expect(both.server.summary.bytesSent == both.client.summary.bytesReceived)
        let sender = direction == .upload ? both.client.summary : both.server.summary
        #expect(sender.bytesSent > 0)
        var result = RunResult(index: 1, seed: 1)
        result.judge(
            sender: sender,
            receiver: direction == .upload ? both.server.summary : both.client.summary)
        #expect(result.outcome == .completed)
    }

    /// What waits at a listener that accepts none any more is not to keep the loop busy.
    @Test func aLoopThatStopsSleeps() throws {
        let namespace = try KernelNamespace()
        try namespace.run {
            func processorTime() -> Double {
                var time = timespec()
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
            }
            let runner = try KernelWorkloadRunner()
            runner.patience = .milliseconds(600)
            try runner.listen(on: Self.server)
            let first = try KernelMPTCPSocket.connecting(
                from: nil, to: Self.server, options: KernelSocketOptions())
            _ = try runner.run(timeout: .seconds(5)) { $0.establishedCount == 1 }
            let second = try KernelMPTCPSocket.connecting(
                from: nil, to: Self.server, options: KernelSocketOptions())
            let stop = try Pipe()
            try stop.writeEnd.write([1])
            let before = processorTime()
            let outcomes = try runner.run(until: stop.readEnd.rawValue)
            #expect(outcomes.count >= 1 && outcomes.allSatisfy { !$0.summary.isComplete })
            #expect(processorTime() - before < 0.3)
            withExtendedLifetime((first, second)) {}
        }
    }

    /// Connections come and go in any order, and each has its own deadline.
    @Test func manyConnectionsAtOnceEachEndByThemselves() throws {
        let namespace = try KernelNamespace()
        try namespace.run {
            let runner = try KernelWorkloadRunner()
            try runner.listen(on: Self.server)
            for number in 0..<40 {
                try runner.connect(
                    from: nil, to: Self.server,
                    workload: Workload(
                        .stream, size: 100, interval: .milliseconds(10),
                        duration: .milliseconds(50 + 37 * (number % 7))))
            }
            let outcomes = try runner.run(connections: 80, timeout: .seconds(20))
            #expect(outcomes.count == 80)
            #expect(outcomes.allSatisfy { $0.summary.isComplete && $0.isMPTCP })
        }
    }

    @Test func streamKeepsItsCadence() throws {
        let both = try run(Workload(.stream, .upload, duration: .milliseconds(500)))
        // 0, 20, ... 480 ms: the number does not depend on how late a record was made.
        #expect(both.server.summary.recordsReceived == 25)
        #expect(both.server.summary.latencies.allSatisfy { $0.latency >= .zero })
    }

    @Test(arguments: Direction.allCases)
    func largeTransferFillsBuffersAndArrives(_ direction: Direction) throws {
        let size = 30_000_001
        let both = try run(Workload(.bulk, direction, size: size))
        let receiver = direction == .upload ? both.server.summary : both.client.summary
        #expect(receiver.bytesReceived == size && receiver.isIntact)
    }

    @Test func ipv6() throws {
        let both = try run(
            Workload(.requestResponse, .download, duration: .milliseconds(100)),
            server: Endpoint(IPAddress.v6(0, 1), 5_000))
        #expect(both.client.isMPTCP && both.client.summary.isComplete)
        #expect(both.client.summary.recordsReceived > 0)
    }

    @Test func plainTCPIsTheControl() throws {
        var options = KernelSocketOptions()
        options.usesMPTCP = false
        let both = try run(Workload(.bulk, .upload, size: 100_000), options: options)
        #expect(!both.client.isMPTCP && !both.server.isMPTCP)
        #expect(both.client.information == nil)
        #expect(both.server.summary.bytesReceived == 100_000)
    }

    @Test(arguments: ["cubic", "reno"])
    func congestionControlIsSet(_ name: String) throws {
        var options = KernelSocketOptions()
        options.congestionControl = name
        let both = try run(Workload(.bulk, .upload, size: 10_000), options: options)
        let connected = try #require(both.events.first { $0.name == "connected" })
        #expect(connected["congestion_control"]?.asString == name)
    }

    @Test func unknownCongestionControlIsAnError() throws {
        var options = KernelSocketOptions()
        options.congestionControl = "nonesuch"
        let namespace = try KernelNamespace()
        #expect(throws: SystemError.self) {
            try namespace.run {
                try KernelWorkloadRunner().listen(on: Self.server, options: options)
            }
        }
    }

    @Test func refusedConnectionIsReported() throws {
        let namespace = try KernelNamespace()
        let outcomes = try namespace.run {
            let runner = try KernelWorkloadRunner()
            try runner.connect(from: nil, to: Self.server, workload: Workload(.bulk))
            return try runner.run(timeout: .seconds(10))
        }
        #expect(outcomes.count == 1)
        #expect(outcomes[0].summary.failure == .connection("connect: Connection refused"))
    }

    @Test func stopEndsInOrder() throws {
        let namespace = try KernelNamespace()
        let stop = try WakeDescriptor()
        let descriptor = stop.rawValue
        let loop = Background(in: namespace) {
            let runner = try KernelWorkloadRunner()
            try runner.listen(on: Self.server)
            for kind in WorkloadKind.allCases {
                for direction in Direction.allCases {
                    try runner.connect(
                        from: nil, to: Self.server, workload: Workload(kind, direction))
                }
            }
            return try runner.run(until: descriptor, timeout: .seconds(30))
        }
        try pause(.milliseconds(400))
        stop.wake()
        let outcomes = try loop.value()
        #expect(outcomes.count == 4 * WorkloadKind.allCases.count)
        for outcome in outcomes {
            #expect(outcome.summary.failure == nil)
            #expect(outcome.summary.isComplete && outcome.summary.isIntact)
        }
        for role in [WorkloadEndpoint.Role.client, .server] {
            let sent = outcomes.filter { $0.role == role }.map(\.summary.bytesSent)
            let received = outcomes.filter { $0.role != role }.map(\.summary.bytesReceived)
            #expect(sent.sorted() == received.sorted())
        }
    }

    @Test func timeoutAborts() throws {
        let both = try run(Workload(.stream, .upload), timeout: .milliseconds(200))
        #expect(both.client.summary.failure == .connection("timed out"))
    }

    @Test func eventsTellTheStory() throws {
        let both = try run(Workload(.stream, .download, duration: .milliseconds(100)))
        let names = both.events.map(\.name)
        for name in ["listening", "connecting", "accepted", "connected", "kernel-counters"] {
            #expect(names.contains(name))
        }
        #expect(names.filter { $0 == "workload-started" }.count == 2)
        let summaries = both.events.filter { $0.name == WorkloadSummary.eventName }
        #expect(summaries.count == 2)
        for event in both.events { #expect(EventRecord(line: event.line) == event) }
        // Both ends agree where the records lie, on one clock.
        let phases = both.events.compactMap { RecordPhase(event: $0) }
        #expect(phases.count == 2 && phases[0] == phases[1])
        #expect(phases[0].interval == .milliseconds(20))
        let counters = try #require(both.events.first { $0.name == "kernel-counters" })
        #expect(counters["MPCapableSYNTX"] == 1)
        #expect(counters["MPCapableSYNRX"] == 1)
    }
}
