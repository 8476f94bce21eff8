internal import KernelEndpoint
internal import LinuxSystem
internal import NetworkPrimitives
internal import Scenario
internal import Testbed
internal import Topology

/// A soak in real namespaces, in real time: two endpoint processes whose paths come and go.
final class NamespaceSoak {
    private let plan: SoakPlan
    private let topology: Topology
    private let testbed: TestbedController
    private let interruption: Interruption
    private let poll: EventPoll
    private var client: EndpointProcess?
    private var server: EndpointProcess?
    private var result: SoakResult
    private var nextSample: Instant?
    private var start = Instant.zero

    private static let startLimit = Duration.seconds(10)
    private static let sampleInterval = Duration.seconds(1)

    private enum Token: UInt64 {
        case client = 1
        case server
        case signals
    }

    private struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    init(
        _ plan: SoakPlan, _ topology: Topology, emulation: LinkEmulation
    ) throws(ExperimentError) {
        self.plan = plan
        self.topology = topology
        result = SoakResult(plan, topology, backend: .namespaces)
        interruption = try Interruption()
        do {
            poll = try EventPoll()
            try poll.add(interruption.descriptor, token: Token.signals.rawValue)
            testbed = try TestbedController.build(
                topology, emulation: emulation == .netem ? .netem : .relay, seed: plan.seed)
        } catch {
            throw .environment("cannot build the testbed: \(error)")
        }
    }

    func tearDown() { testbed.tearDown() }

    func run(progress: (String) -> Void) throws(ExperimentError) -> SoakResult {
        defer { for process in [client, server] { process?.terminate() } }
        do {
            try prepareNetwork()
            try startEndpoints()
            try play(progress)
            client?.command(.stop)
            let limit = MonotonicClock.now() + HandoverScenario.patience
            try wait("the client to end", until: limit) { client?.isAtEnd ?? true }
            try wait("the server to end", until: limit) { server?.isAtEnd ?? true }
            for process in [client, server].compactMap({ $0 }) where !process.wait().isSuccess {
                throw Failure(description: process.story)
            }
        } catch let error as ExperimentError {
            throw error
        } catch {
            result.failure = "\(error)"
        }
        result.client = client?.summary
        result.server = server?.summary
        for process in [client, server].compactMap({ $0 }) {
            result.joins += process.events.count { $0.name == "join_sent" }
            let known = process.event("connection-information")
            result.reinjectedBytes += Int(known?["reinjected_bytes"]?.asInteger ?? 0)
        }
        for event in client?.events ?? [] where event.name == "subflow_established" {
            if let tuple = event["tuple"]?.asString { result.noteSubflow(tuple: tuple) }
        }
        return result
    }

    private func prepareNetwork() throws {
        // It goes between the first two paths: what else there is stays out of it.
        for index in topology.paths.indices.dropFirst(2) { try testbed.prepareDown(index) }
        for (kind, host) in [(plan.client, TestbedHost.client), (plan.server, .server)]
        where kind == .kernel {
            try NamespaceThread.run(in: testbed.namespace(host)) {
                let manager = try KernelPathManager()
                try manager.prepare()
                switch host {
                case .client:
                    let address = topology.paths[1].clientAddress
                    try manager.add(KernelPathEndpoint(address, [.subflow]))
                default:
                    for address in topology.announcedAddresses {
                        try manager.add(KernelPathEndpoint(address, .signal))
                    }
                }
            }
        }
    }

    private func startEndpoints() throws {
        var scenario = plan.scenario
        scenario.duration = .zero
        let arguments = EndpointArguments(
            scenario, topology, port: EndpointProfile.serverPort)
        let server = try EndpointProcess(
            "server", arguments: arguments.server(seed: plan.seed &+ 1),
            in: testbed.namespace(.server))
        self.server = server
        try poll.add(server.descriptor, token: Token.server.rawValue)
        let limit = MonotonicClock.now() + Self.startLimit
        try wait("the server to listen", until: limit) { server.event("listening") != nil }
        let client = try EndpointProcess(
            "client", arguments: arguments.client(seed: plan.seed),
            in: testbed.namespace(.client))
        self.client = client
        try poll.add(client.descriptor, token: Token.client.rawValue)
        try wait("the client to connect", until: limit) {
            client.event(WorkloadEndpoint.startedEventName) != nil
        }
    }

    private func play(_ progress: (String) -> Void) throws {
        start = MonotonicClock.now()
        nextSample = start
        for (time, action) in plan.schedule {
            try wait(until: start + time)
            switch action {
            case .takeDown(let path): try testbed.setLinkDown(path)
            case .cut(let path): try testbed.cut(path)
            case .restore(let path): try testbed.restore(path)
            }
            if case .restore = action { continue }
            result.breaks += 1
            if result.breaks % 15 == 0 {
                progress("\(time) of \(plan.duration): \(result.breaks) breaks")
            }
        }
        try wait(until: start + plan.duration)
    }

    // MARK: Waiting

    private func wait(until instant: Instant) throws {
        while MonotonicClock.now() < instant {
            try checkEnds()
            try turn(until: instant)
        }
    }

    private func wait(
        _ what: String, until limit: Instant, for condition: () -> Bool
    ) throws {
        while !condition() {
            try checkEnds()
            guard MonotonicClock.now() < limit else {
                throw Failure(description: "waited in vain for \(what)")
            }
            try turn(until: limit)
        }
    }

    private func checkEnds() throws {
        for process in [client, server].compactMap({ $0 })
        where process.isAtEnd && process.summary == nil {
            _ = process.wait()
            throw Failure(description: process.story)
        }
    }

    private func turn(until deadline: Instant) throws {
        let until = nextSample.map { min($0, deadline) } ?? deadline
        for ready in try poll.wait(until: until) {
            switch Token(rawValue: ready.token) {
            case .signals: try interruption.check()
            case .client: try take(client)
            case .server: try take(server)
            case nil: break
            }
        }
        try sample()
    }

    private func sample() throws {
        let now = MonotonicClock.now()
        guard let due = nextSample, due <= now else { return }
        nextSample = due + Self.sampleInterval
        if plan.client == .kernel {
            // The kernel logs nothing: its sockets tell where its subflows are.
            let addresses = try NamespaceThread.run(in: testbed.namespace(.client)) {
                try KernelSockets.localAddresses(connectedTo: EndpointProfile.serverPort)
            }
            for address in addresses { result.noteSubflow(from: address) }
        }
        guard let client, let server,
            let here = ProcessResources.residentBytes(of: client.processID),
            let there = ProcessResources.residentBytes(of: server.processID),
            // Of a process that has ended nothing is resident.
            here > 0, there > 0
        else { return }
        result.memory.append(MemorySample(time: now - start, client: here, server: there))
    }

    private func take(_ process: EndpointProcess?) throws {
        guard let process else { return }
        _ = try process.readEvents()
        if process.isAtEnd { poll.remove(process.descriptor) }
    }
}
