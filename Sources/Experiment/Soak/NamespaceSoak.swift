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
    private let pair: EndpointPair
    private var result: SoakResult
    private var start = Instant.zero

    private static let startLimit = Duration.seconds(10)
    private static let sampleInterval = Duration.seconds(1)

    init(
        _ plan: SoakPlan, _ topology: Topology, emulation: LinkEmulation
    ) throws(ExperimentError) {
        self.plan = plan
        self.topology = topology
        result = SoakResult(plan, topology, backend: .namespaces)
        let interruption = try Interruption()
        do {
            pair = try EndpointPair(interruption)
            testbed = try TestbedController.build(
                topology, emulation: emulation == .netem ? .netem : .relay, seed: plan.seed)
        } catch {
            throw .environment("cannot build the testbed: \(error)")
        }
    }

    func tearDown() { testbed.tearDown() }

    func run(progress: (String) -> Void) throws(ExperimentError) -> SoakResult {
        defer { pair.terminate() }
        do {
            try prepareNetwork()
            try startEndpoints()
            try play(progress)
            pair.client?.command(.stop)
            try pair.awaitSuccess(until: MonotonicClock.now() + HandoverScenario.patience)
        } catch let error as ExperimentError {
            throw error
        } catch {
            result.failure = "\(error)"
        }
        result.client = pair.client?.summary
        result.server = pair.server?.summary
        for process in pair.processes {
            result.joins += process.events.count { $0.name == "join_sent" }
            let known = process.event("connection-information")
            result.reinjectedBytes += Int(known?["reinjected_bytes"]?.asInteger ?? 0)
        }
        for event in pair.client?.events ?? [] where event.name == "subflow_established" {
            if let tuple = event["tuple"]?.asString { result.noteSubflow(tuple: tuple) }
        }
        return result
    }

    private func prepareNetwork() throws {
        // It goes between the first two paths: what else there is stays out of it.
        for index in topology.paths.indices.dropFirst(2) { try testbed.prepareDown(index) }
        try testbed.prepareKernelEnds(client: plan.client, server: plan.server)
        guard plan.client == .kernel else { return }
        try NamespaceThread.run(in: testbed.namespace(.client)) {
            let address = topology.paths[1].clientAddress
            try KernelPathManager().add(KernelPathEndpoint(address, [.subflow]))
        }
    }

    private func startEndpoints() throws {
        var scenario = plan.scenario
        scenario.duration = .zero
        let arguments = EndpointArguments(
            scenario, topology, port: EndpointProfile.serverPort)
        try pair.connect(
            server: .init(
                arguments: arguments.server(seed: plan.seed &+ 1),
                namespace: testbed.namespace(.server)),
            client: .init(
                arguments: arguments.client(seed: plan.seed),
                namespace: testbed.namespace(.client)),
            within: Self.startLimit)
    }

    private func play(_ progress: (String) -> Void) throws {
        start = MonotonicClock.now()
        pair.every(Self.sampleInterval, from: start) { [unowned self] now in try sample(now) }
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

    /// An end that comes early is a failure.
    private func wait(until instant: Instant) throws {
        _ = try pair.wait(until: instant) {
            try pair.checkEnds()
            return false
        }
    }

    private func sample(_ now: Instant) throws {
        if plan.client == .kernel {
            // The kernel logs nothing: its sockets tell where its subflows are.
            let addresses = try NamespaceThread.run(in: testbed.namespace(.client)) {
                try KernelSockets.localAddresses(connectedTo: EndpointProfile.serverPort)
            }
            for address in addresses { result.noteSubflow(from: address) }
        }
        guard let client = pair.client, let server = pair.server,
            let here = ProcessResources.residentBytes(of: client.processID),
            let there = ProcessResources.residentBytes(of: server.processID),
            // Of a process that has ended nothing is resident.
            here > 0, there > 0
        else { return }
        result.memory.append(MemorySample(time: now - start, client: here, server: there))
    }
}
