internal import KernelEndpoint
internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
package import Scenario
internal import Topology

/// Measures the same things on our own stack and on the kernel's, in turn: A B A B ..., so that what
/// else the machine does falls on both.
package final class BenchmarkRunner {
    /// What to measure and how long.
    package struct Plan: Hashable, Sendable {
        package var kinds: [BenchmarkKind]
        package var rounds = 5
        /// Of each transfer.
        package var duration = Duration.seconds(2)
        /// Connections of `connections`.
        package var connections = 2_000
        /// Connections of `memory`.
        package var idle = 10_000
        /// Whether goodput is also measured over emulated links.
        package var isShaped = true

        package init(_ kinds: [BenchmarkKind]) { self.kinds = kinds }
    }

    private let plan: Plan
    private let progress: (String) -> Void
    private let interruption: Interruption
    private var result: BenchmarkResult
    private var port: UInt16 = 5_001

    /// A runner; `progress` is told what it is about.
    package init(
        _ plan: Plan, version: String, progress: @escaping (String) -> Void
    ) throws(ExperimentError) {
        do {
            try Privileges.acquire()
        } catch {
            throw .environment("cannot build networks here: \(error); run as root")
        }
        guard KernelSetting.isMPTCPAvailable else {
            throw .environment("the kernel has no MPTCP to measure against (net.mptcp.enabled)")
        }
        self.plan = plan
        self.progress = progress
        interruption = try Interruption()
        result = BenchmarkResult(
            rounds: plan.rounds,
            environment: RunEnvironment(
                kernel: Machine.kernelRelease, version: version,
                details: [.init("cpus", String(Machine.processorCount))]))
    }

    /// A measurement that went wrong.
    private struct Failure: Error {
        var reason: String
    }

    /// Runs everything.
    package func run() throws(ExperimentError) -> BenchmarkResult {
        do {
            for kind in plan.kinds {
                switch kind {
                case .goodput: try measureGoodput()
                case .recovery: try measureRecovery()
                case .connections: try measureConnections()
                case .latency: try measureLatency()
                case .memory: try measureMemory()
                }
            }
            return result
        } catch let error as ExperimentError {
            throw error
        } catch let failure as Failure {
            result.failure = failure.reason
            return result
        } catch {
            throw .environment("\(error)")
        }
    }

    /// Measures a line in turn on both stacks.
    private func measure(
        _ line: BenchmarkLine, _ body: (EndpointKind) throws -> Double
    ) throws {
        try measure(line) { stack, _ in try body(stack) }
    }

    /// The same for what differs from round to round, but not between the two of a round.
    private func measure(
        _ line: BenchmarkLine, _ body: (EndpointKind, _ round: Int) throws -> Double
    ) throws {
        var line = line
        // What was measured before a round failed is kept.
        defer { if !line.swift.isEmpty { result.lines.append(line) } }
        for round in 1...plan.rounds {
            for stack in EndpointKind.allCases {
                progress("\(line.name): round \(round)/\(plan.rounds), \(stack.rawValue)")
                do {
                    line.add(try body(stack, round), stack)
                } catch let failure as Failure {
                    throw Failure(
                        reason: "\(line.name), round \(round), \(stack.rawValue): "
                            + failure.reason)
                }
            }
        }
    }
}

// MARK: - The benchmarks

extension BenchmarkRunner {
    private func measureGoodput() throws {
        let links = [
            (true, "one-subflow", "unshaped veth"),
            (false, "one-subflow-offloads-off", "veth, tso and gso off"),
        ]
        for (segmentation, variant, name) in links {
            let network = try VethNetwork(segmentation: segmentation)
            try measure(
                BenchmarkLine(.goodput, variant, name, unit: "Mbit/s", better: .higher)
            ) { stack in
                try goodput(order(stack, .goodput, network), network)
            }
        }
        guard plan.isShaped else { return }
        let network = try ShapedNetwork()
        let ways: [(variant: String, name: String, path: Int, policy: SwitchPolicy)] = [
            ("first-path-alone", "50 Mbit/s alone", 0, .singlePath),
            ("second-path-alone", "20 Mbit/s alone", 1, .singlePath),
            ("two-subflows", "50 + 20 Mbit/s, two subflows", 0, .full),
        ]
        for way in ways {
            try measure(
                BenchmarkLine(.goodput, way.variant, way.name, unit: "Mbit/s", better: .higher)
            ) { stack in
                if stack == .kernel { try network.prepareKernel(joins: way.policy == .full) }
                var order = order(stack, .goodput, network)
                order.local = network.topology.paths[way.path].clientAddress
                order.policy = way.policy
                order.duration = plan.duration * 2
                return try goodput(order, network)
            }
        }
    }

    /// The same packets of both stacks get lost, counted from the start of the transfer: the relay's
    /// chances follow from the round.
    private func measureRecovery() throws {
        for percent in [1, 5] {
            let network = try ShapedNetwork(loss: Double(percent) / 100)
            try measure(
                BenchmarkLine(
                    .recovery, "loss-\(percent)", "\(percent) % loss, 50 Mbit/s, 20 ms",
                    unit: "Mbit/s", better: .higher)
            ) { stack, round in
                try network.begin(seed: UInt64(round))
                var order = order(stack, .recovery, network)
                order.local = network.topology.paths[0].clientAddress
                order.duration = plan.duration * 2
                return try goodput(order, network)
            }
        }
    }

    private func goodput(
        _ order: BenchmarkOrder, _ network: any BenchmarkNetwork
    ) throws -> Double {
        let end = try play(order, network)
        let wanted = order.policy == .full ? 2 : 1
        if order.usesMPTCP, end.client["subflows"]?.asInteger != Int64(wanted) {
            let number = end.client["subflows"]?.compact ?? "null"
            throw Failure(reason: "the connection had \(number) subflows, should have \(wanted)")
        }
        guard let bytes = end.server["bytes"]?.asDouble,
            let seconds = end.server["seconds"]?.asDouble, seconds > 0
        else { throw Failure(reason: "the server measured nothing") }
        return bytes * 8 / seconds / 1e6
    }

    private func measureConnections() throws {
        let network = try VethNetwork(segmentation: true)
        for (parallel, variant, name) in [
            (1, "sequential", "one after the other"), (64, "parallel-64", "64 at once"),
        ] {
            try measure(
                BenchmarkLine(.connections, variant, name, unit: "connections/s", better: .higher)
            ) { stack in
                var order = order(stack, .connections, network)
                order.count = plan.connections
                order.parallel = parallel
                // Ports of ours in TIME-WAIT are few for each port of the server's.
                if stack == .swift { order.ports = 1 + plan.connections / 250 }
                let end = try play(order, network)
                guard let seconds = end.client["seconds"]?.asDouble, seconds > 0,
                    end.client["connections"]?.asInteger == Int64(order.count)
                else { throw Failure(reason: "not every connection did its work") }
                return Double(order.count) / seconds
            }
        }
    }

    private func measureLatency() throws {
        let network = try VethNetwork(segmentation: true)
        try measure(
            BenchmarkLine(
                .latency, "request-reply", "request and reply on an idle veth, p50", unit: "us",
                better: .lower)
        ) { stack in
            let end = try play(order(stack, .latency, network), network)
            guard let latency = end.client["latency_ms"]?.asDouble else {
                throw Failure(reason: "no reply came")
            }
            return latency * 1_000
        }
    }

    private func measureMemory() throws {
        let network = try VethNetwork(segmentation: true)
        var few = BenchmarkLine(
            .memory, "packet-among-10", "processor time of a packet among 10", unit: "us",
            better: .lower)
        var many = BenchmarkLine(
            .memory, "packet-among-many", "processor time of a packet among \(plan.idle)",
            unit: "us", better: .lower)
        // What was measured before a round failed is kept; last, as in the table.
        defer { result.lines += [few, many].filter { !$0.swift.isEmpty } }
        try measure(
            BenchmarkLine(
                .memory, "idle-connection", "an idle connection", unit: "octets", better: .lower)
        ) { stack in
            var order = order(stack, .memory, network)
            order.parallel = 32
            if stack == .swift {
                order.count = 10
                few.add(try packetCost(try play(order, network)), stack)
            }
            order.count = plan.idle
            if stack == .swift { order.ports = 1 + plan.idle / 250 }
            let end = try play(order, network)
            guard end.idle == plan.idle else {
                throw Failure(reason: "\(end.idle) of \(plan.idle) connections could be opened")
            }
            if stack == .swift { many.add(try packetCost(end), stack) }
            return Double(stack == .swift ? end.processBytes : end.kernelBytes / 2)
                / Double(plan.idle)
        }
    }

    private func packetCost(_ end: End) throws -> Double {
        guard let seconds = end.client["cpu_seconds"]?.asDouble,
            let packets = end.client["packets"]?.asDouble, packets > 0
        else { throw Failure(reason: "the active connection sent nothing") }
        return seconds / packets * 1e6
    }
}

// MARK: - One measurement

extension BenchmarkRunner {
    /// What both ends said.
    private struct End {
        var client = EventRecord(time: .zero, source: "client", name: "")
        var server = EventRecord(time: .zero, source: "server", name: "")
        /// Idle connections, and by how many octets the larger of the processes, and the kernel's
        /// objects, had grown when they were open.
        var idle = 0
        var processBytes = 0
        var kernelBytes = 0
    }

    private func order(
        _ stack: EndpointKind, _ kind: BenchmarkKind, _ network: any BenchmarkNetwork
    ) -> BenchmarkOrder {
        // A new port each time: nothing of the measurement before is in the way.
        port = port > 30_000 ? 5_001 : port + 100
        var order = BenchmarkOrder(
            .client, stack, kind, server: network.serverAddress, port: port)
        order.duration = plan.duration
        return order
    }

    private func play(
        _ order: BenchmarkOrder, _ network: any BenchmarkNetwork
    ) throws -> End {
        let pair = try EndpointPair(interruption)
        defer { pair.terminate() }
        let server = try pair.start(
            .server, .init(arguments: order.with(.server).arguments, namespace: network.server))
        let limit = MonotonicClock.now() + order.duration + .seconds(90)
        _ = try event(BenchmarkEndpoint.listening, of: server, in: pair, until: limit)
        let serverBytes = ProcessResources.residentBytes(of: server.processID) ?? 0
        let kernelBytes = ProcessResources.kernelObjectBytes() ?? 0
        let client = try pair.start(
            .client, .init(arguments: order.arguments, namespace: network.client))
        var end = End()
        if order.kind == .memory {
            let idle = try event(BenchmarkEndpoint.idle, of: client, in: pair, until: limit)
            let after = ProcessResources.residentBytes(of: server.processID) ?? 0
            end.idle = Int(idle["connections"]?.asInteger ?? 0)
            end.processBytes = max(Int(idle["bytes"]?.asInteger ?? 0), after - serverBytes)
            end.kernelBytes = (ProcessResources.kernelObjectBytes() ?? 0) - kernelBytes
        }
        end.client = try event(BenchmarkEndpoint.result, of: client, in: pair, until: limit)
        if let failure = end.client["failure"]?.asString { throw Failure(reason: failure) }
        guard end.client["is_mptcp"]?.asBool == order.usesMPTCP else {
            throw Failure(reason: "a connection was \(order.usesMPTCP ? "not MPTCP" : "MPTCP")")
        }
        // Idle connections would take their time to end in order.
        server.command(order.kind == .memory ? .abort : .stop)
        if order.kind != .memory {
            end.server = try event(BenchmarkEndpoint.result, of: server, in: pair, until: limit)
            guard end.server["intact"]?.asBool == true else {
                throw Failure(reason: "the server received octets that nobody sent")
            }
        }
        // They take back what they did to their namespaces, nft chains and reserved ports: that would
        // cost the measurements that follow. One that takes too long is killed.
        for process in [client, server] {
            _ = try pair.wait(until: MonotonicClock.now() + Self.endLimit) { process.isAtEnd }
        }
        return end
    }

    private static let endLimit = Duration.seconds(10)

    /// Waits for what a process has to say.
    private func event(
        _ name: String, of process: EndpointProcess, in pair: EndpointPair, until limit: Instant
    ) throws -> EventRecord {
        _ = try pair.wait(until: limit) { process.event(name) != nil || process.isAtEnd }
        if let event = process.event(name) { return event }
        throw Failure(
            reason: process.isAtEnd
                ? "the \(process.name) ended: \(process.errorText)"
                : "the \(process.name) took too long")
    }
}
