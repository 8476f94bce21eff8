internal import HostStack
internal import LinkModel
internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
internal import NetworkSimulation
internal import Scenario
internal import Topology

/// A soak in virtual time: the same breaks, the same links, in one process. Both ends share its
/// memory, so what is sampled is that of the process, once a virtual second.
final class SimulatedSoak {
    private let plan: SoakPlan
    private let simulation = Simulation()
    private let client: Int
    private let server: Int
    private var applications: [StackApplication]
    private var wakeAt: [Instant?] = [nil, nil]
    private var isClosed = [false, false]
    private var interfaces: [StackInterface] = []
    private var result: SoakResult
    private let address: Endpoint

    private static let sampleInterval = Duration.seconds(1)
    private static let patience = Duration.seconds(70)

    init(_ plan: SoakPlan, _ topology: Topology) {
        self.plan = plan
        result = SoakResult(plan, backend: .simulation)
        var generator = SeededGenerator(seed: plan.seed)
        var configuration = StackConfiguration()
        configuration.connection.policy = .full
        client = simulation.addHost(
            HostStack(configuration: configuration, seed: generator.next()))
        configuration.connection.policy = .acceptOnly
        server = simulation.addHost(
            HostStack(configuration: configuration, seed: generator.next()))
        applications = [
            StackApplication(WorkloadEndpoint(client: plan.workload)), StackApplication(.server()),
        ]
        address = Endpoint(topology.server.address, EndpointProfile.serverPort)
        let eth = SimulatedPort(host: server, interface: InterfaceID(1))
        simulation.addresses[eth] = [topology.server.address]
        for (index, path) in topology.paths.prefix(2).enumerated() {
            let port = SimulatedPort(host: client, interface: InterfaceID(Int32(index + 1)))
            _ = simulation.addLink(
                port, eth,
                forward: LinkDirection(profile: path.up, generator: generator.split()),
                backward: LinkDirection(profile: path.down, generator: generator.split()))
            simulation.addresses[port] = [path.clientAddress]
            interfaces.append(
                StackInterface(
                    id: port.interface, name: path.interface, addresses: [path.clientAddress],
                    mtu: path.mtu, isUp: true))
        }
        simulation.onEvent = { [unowned self] _, host, event in handle(event, host) }
        start(topology)
    }

    private func start(_ topology: Topology) {
        simulation.perform(server) { stack in
            stack.setInterface(
                StackInterface(
                    id: InterfaceID(1), name: topology.server.interface,
                    addresses: [topology.server.address], mtu: topology.server.mtu, isUp: true),
                now: simulation.now)
            do { try stack.listen(port: address.port) } catch {
                result.failure = "the server cannot listen: \(error)"
            }
        }
        simulation.perform(client) { stack in
            for interface in interfaces { stack.setInterface(interface, now: simulation.now) }
            do {
                _ = try stack.connect(
                    to: address, from: interfaces[0].addresses[0], now: simulation.now)
            } catch {
                result.failure = "the client cannot connect: \(error)"
            }
        }
    }

    /// Plays the plan to its end.
    func run(progress: (String) -> Void) -> SoakResult {
        for (time, action) in plan.schedule {
            simulation.at(.zero + time) { [unowned self] _ in perform(action) }
        }
        simulation.at(.zero + plan.duration) { [unowned self] simulation in
            simulation.perform(client) { _ in
                self.applications[self.client].stop(now: simulation.now)
                self.service(self.client)
            }
        }
        var second = Duration.zero
        let isDone = { [unowned self] in isClosed == [true, true] || result.failure != nil }
        while second < plan.duration, !isDone() {
            second += Self.sampleInterval
            simulation.run(until: .zero + second, isDone: isDone)
            guard let memory = ProcessResources.residentBytes() else {
                continue
            }
            result.memory.append(MemorySample(time: second, client: memory, server: memory))
            if result.memory.count % 30 == 0 {
                progress("\(second) of \(plan.duration): \(result.breaks) breaks")
            }
        }
        let limit = simulation.now + Self.patience
        if result.failure == nil, !simulation.run(until: limit, isDone: isDone) {
            result.failure = "the connection did not end within \(Self.patience)"
        }
        result.client = applications[client].endpoint.summary
        result.server = applications[server].endpoint.summary
        return result
    }

    private func perform(_ action: SoakPlan.Action) {
        switch action {
        case .takeDown(let path):
            result.breaks += 1
            setLink(path, isUp: false)
            setInterface(path, isUp: false)
        case .cut(let path):
            result.breaks += 1
            setLink(path, isUp: false)
        case .restore(let path):
            setLink(path, isUp: true)
            if !interfaces[path].isUp { setInterface(path, isUp: true) }
        }
    }

    private func setLink(_ path: Int, isUp: Bool) {
        simulation.links[path].forward.setUp(isUp)
        simulation.links[path].backward.setUp(isUp)
    }

    private func setInterface(_ path: Int, isUp: Bool) {
        interfaces[path].isUp = isUp
        let interface = interfaces[path]
        simulation.perform(client) { $0.setInterface(interface, now: simulation.now) }
    }

    private func handle(_ event: StackEvent, _ host: Int) {
        let now = simulation.now
        switch event {
        case .established(let handle), .accepted(let handle):
            applications[host].start(on: handle, now: now)
        case .readable, .writable, .atEnd: break
        case .closed(_, let reason):
            service(host)
            if reason != .finished { applications[host].end(reason.rawValue) }
            isClosed[host] = true
            return
        case .log(_, let event):
            if event.name == "join_sent" { result.joins += 1 }
            if event.name == "reinjection" {
                for case ("length", .number(let length)) in event.fields {
                    result.reinjectedBytes += length
                }
            }
            return
        }
        service(host)
    }

    private func service(_ host: Int) {
        applications[host].service(simulation.hosts[host], now: simulation.now)
        guard let deadline = applications[host].endpoint.nextDeadline else { return }
        if let planned = wakeAt[host], planned <= deadline { return }
        wakeAt[host] = deadline
        simulation.at(deadline) { [unowned self] simulation in
            guard wakeAt[host] == deadline else { return }
            wakeAt[host] = nil
            simulation.perform(host) { _ in self.service(host) }
        }
    }
}
