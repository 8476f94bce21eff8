internal import HostStack
internal import KernelEndpoint
internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
package import Scenario
internal import StackRuntime

/// One end of a benchmark in a process of its own: no events but when it listens, when its idle
/// connections are open, and what it measured.
package struct BenchmarkEndpoint {
    /// The names of the events.
    static let listening = "listening"
    static let idle = "idle"
    static let result = "bench-result"

    private let order: BenchmarkOrder
    private let emit: (EventRecord) -> Void
    /// Readable when the server is to end.
    private let control: Int32
    private let commands: () -> [EndpointCommand]

    /// An end that reports through `emit`; `commands` is called when `control` is readable.
    package init(
        _ order: BenchmarkOrder, control: Int32, commands: @escaping () -> [EndpointCommand],
        emit: @escaping (EventRecord) -> Void
    ) {
        self.order = order
        self.control = control
        self.commands = commands
        self.emit = emit
    }

    /// Does what the order says.
    package func run() throws {
        try ProcessResources.raiseDescriptorLimit()
        switch order.stack {
        case .swift: try runStack()
        case .kernel: try runKernel()
        }
    }

    /// After that idle connections have given back what they do not need, which is work, too.
    private static let settling = Duration.milliseconds(1_500)

    private var patience: Duration { order.duration + .seconds(60) }

    private func report(_ name: String, _ fields: [JSONValue.Member] = []) {
        emit(
            EventRecord(
                time: MonotonicClock.now(), source: order.role.rawValue, name: name,
                fields: fields))
    }

    private var series: ConnectionSeries {
        ConnectionSeries(
            order.count, from: order.local, to: order.remotes,
            workload: order.kind == .memory ? BenchmarkOrder.idleWorkload : order.workload,
            limit: order.kind == .memory ? .connecting(order.parallel) : .open(order.parallel))
    }

    // MARK: Our stack

    private func runStack() throws {
        var configuration = StackDriver.Configuration(seed: RandomBytes.next())
        switch order.role {
        case .server:
            configuration.listeningPorts = order.remotes.map(\.port)
            configuration.stack.connection.policy = .acceptOnly
        case .client:
            configuration.opensConnections = true
            configuration.stack.connection.policy = order.policy
        }
        let driver = try StackDriver(configuration)
        defer { driver.close() }
        let runner = StackWorkloadRunner(driver)
        guard order.role == .client else {
            runner.listen()
            report(Self.listening)
            let outcomes = try runner.run(control: control, commands: commands)
            return reportServer(outcomes.map(\.summary))
        }
        let before = Usage(packets: driver.packetCount)
        try runner.connectInSeries(series)
        guard order.kind == .memory else {
            let outcomes = try runner.run(timeout: patience)
            var end = Usage()
            // Behind it our stack only waits for what a peer may still ask.
            if let last = runner.lastEnd { end.time = last }
            return reportClient(outcomes.map(\.summary), shape(outcomes), end, since: before)
        }
        let idle = order.count
        _ = try runner.run(timeout: patience) { $0.establishedCount >= idle }
        reportIdle(runner.establishedCount, since: before)
        var active = order
        active.duration += Self.settling
        try runner.connect(from: order.local, to: order.remotes[0], workload: active.workload)
        let settled = MonotonicClock.now() + Self.settling
        _ = try runner.run(timeout: patience) { _ in MonotonicClock.now() >= settled }
        let start = Usage(packets: driver.packetCount)
        let outcomes = try runner.run(timeout: patience) { $0.openCount <= idle }
        reportClient(
            outcomes.map(\.summary), shape(outcomes), Usage(packets: driver.packetCount),
            since: start)
    }

    private func shape(_ outcomes: [StackWorkloadOutcome]) -> Shape {
        Shape(
            isMPTCP: outcomes.allSatisfy(\.isMPTCP),
            subflows: outcomes.map { 1 + ($0.information?.counters.joinsOpened ?? 0) }.max())
    }

    // MARK: The kernel's stack

    private func runKernel() throws {
        var options = KernelSocketOptions()
        options.congestionControl = "cubic"
        options.usesMPTCP = order.usesMPTCP
        let runner = try KernelWorkloadRunner()
        guard order.role == .client else {
            for remote in order.remotes {
                try runner.listen(on: Endpoint(.v4(0), remote.port), options: options)
            }
            report(Self.listening)
            let outcomes = try runner.run(
                until: control, commands: commands)
            return reportServer(outcomes.map(\.summary))
        }
        let before = Usage()
        try runner.connectInSeries(series, options: options)
        guard order.kind == .memory else {
            let outcomes = try runner.run(timeout: patience)
            let shape = Shape(
                isMPTCP: outcomes.allSatisfy(\.isMPTCP),
                subflows: outcomes.compactMap(\.information).map {
                    max($0.totalSubflows, $0.extraSubflows + 1)
                }.max())
            return reportClient(outcomes.map(\.summary), shape, Usage(), since: before)
        }
        let idle = order.count
        _ = try runner.run(timeout: patience) { $0.establishedCount >= idle }
        reportIdle(runner.establishedCount, since: before)
        // What its packets cost is spread over the kernel: nothing to measure in this process.
        reportClient(
            [], Shape(isMPTCP: runner.isEveryConnectionMPTCP, subflows: nil), Usage(),
            since: before)
    }

    // MARK: Results

    /// What the process had used at a moment.
    private struct Usage {
        var time = MonotonicClock.now()
        var processorTime = ProcessResources.processorTime()
        var residentBytes = ProcessResources.residentBytes() ?? 0
        var packets = 0
    }

    /// What the connections were, so that nobody takes TCP for MPTCP.
    private struct Shape {
        var isMPTCP: Bool
        /// Of the connection that had most, those included that came and went.
        var subflows: Int?
    }

    private func reportIdle(_ count: Int, since before: Usage) {
        report(
            Self.idle,
            [
                .init("connections", .integer(Int64(count))),
                .init(
                    "bytes",
                    .integer(Int64((ProcessResources.residentBytes() ?? 0) - before.residentBytes))),
            ])
    }

    private func reportServer(_ summaries: [WorkloadSummary]) {
        let largest = summaries.max { $0.bytesReceived < $1.bytesReceived }
        var seconds = 0.0
        if let first = largest?.firstArrival, let last = largest?.lastArrival {
            seconds = (last - first).milliseconds / 1_000
        }
        report(
            Self.result,
            [
                .init("connections", .integer(Int64(summaries.count))),
                .init("intact", .bool(summaries.allSatisfy(\.isIntact))),
                .init("bytes", .integer(Int64(largest?.bytesReceived ?? 0))),
                .init("seconds", JSONValue(rounding: seconds)),
            ])
    }

    private func reportClient(
        _ summaries: [WorkloadSummary], _ shape: Shape, _ end: Usage, since start: Usage
    ) {
        let latencies = summaries.flatMap { $0.latencies.map(\.latency.milliseconds) }.sorted()
        let failure = summaries.lazy.compactMap(\.failure).first
        report(
            Self.result,
            [
                .init("connections", .integer(Int64(summaries.count { $0.isComplete }))),
                .init("failure", failure.map { .string($0.description) } ?? .null),
                .init("is_mptcp", .bool(shape.isMPTCP)),
                .init("subflows", shape.subflows.map { .integer(Int64($0)) } ?? .null),
                .init("seconds", JSONValue(rounding: (end.time - start.time).milliseconds / 1_000)),
                .init(
                    "cpu_seconds",
                    JSONValue(
                        rounding: (end.processorTime - start.processorTime).milliseconds / 1_000)),
                .init("packets", .integer(Int64(end.packets - start.packets))),
                .init(
                    "latency_ms", JSONValue(rounding: Statistics.quantile(0.5, of: latencies))),
            ])
    }
}
