internal import CongestionControl
internal import HostStack
internal import LinkModel
internal import MPTCP
internal import NetworkPrimitives
internal import NetworkSimulation
internal import Scenario
internal import Topology
internal import TraceAnalysis
internal import WireFormat

/// A run in virtual time: the same stacks, link models, workloads and events as in namespaces, in
/// one process and bit-identical from its seed.
struct SimulatedWorld {
    let scenario: HandoverScenario
    let topology: Topology

    /// Runs once.
    func run(seed: UInt64) -> RunRecord {
        let run = SimulatedRun(scenario, topology, seed: seed)
        run.play()
        return run.record
    }
}

/// The state of one run.
private final class SimulatedRun {
    private let scenario: HandoverScenario
    private let topology: Topology
    private let simulation = Simulation()
    private let client: Int
    private let server: Int
    private var applications: [StackApplication]
    private var wakeAt: [Instant?] = [nil, nil]
    private var isClosed = [false, false]
    private var interfaces: [StackInterface] = []
    private var identifications: [UInt16] = []
    private(set) var record = RunRecord()

    /// Until the peer's last segments have been answered.
    private static let afterwards = Duration.seconds(1)
    /// The longest that a run may go on after its workload: the time that a connection may be
    /// without a path, and some more to end.
    private static let patience = Duration.seconds(70)

    init(_ scenario: HandoverScenario, _ topology: Topology, seed: UInt64) {
        self.scenario = scenario
        self.topology = topology
        var generator = SeededGenerator(seed: seed)
        let profile = EndpointProfile(scenario, topology)
        client = simulation.addHost(
            HostStack(configuration: profile.client, seed: generator.next()))
        server = simulation.addHost(
            HostStack(configuration: profile.server, seed: generator.next()))
        applications = [
            StackApplication(WorkloadEndpoint(client: scenario.workload(seed: seed))),
            StackApplication(.server()),
        ]
        let eth = SimulatedPort(host: server, interface: InterfaceID(1))
        simulation.addresses[eth] = topology.server.subnets.map(\.address)
        for (index, path) in topology.paths.enumerated() {
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
        simulation.onPacket = { [unowned self] sighting in capture(sighting) }
    }

    // MARK: The time line

    func play() {
        for event in scenario.events where event.time == .beforeStart {
            setNewPath(isUp: event.action == .newPathUp)
        }
        // A handover is from the first path to the second: what else there is stays out of it.
        for index in topology.paths.indices.dropFirst(2) { setInterface(index, isUp: false) }
        let serverEndpoint = Endpoint(
            topology.serverAddress(path: 0), EndpointProfile.serverPort)
        simulation.perform(server) { stack in
            stack.setInterface(
                StackInterface(
                    id: InterfaceID(1), name: topology.server.interface,
                    addresses: topology.server.subnets.map(\.address), mtu: topology.server.mtu,
                    isUp: true),
                now: simulation.now)
            do { try stack.listen(port: serverEndpoint.port) } catch {
                record.failure = "the server cannot listen: \(error)"
            }
        }
        simulation.perform(client) { stack in
            for interface in interfaces { stack.setInterface(interface, now: simulation.now) }
            do {
                _ = try stack.connect(
                    to: serverEndpoint, from: topology.paths[0].clientAddress,
                    now: simulation.now)
            } catch {
                record.failure = "the client cannot connect: \(error)"
            }
        }
        let limit = simulation.now + scenario.duration + Self.patience
        if !simulation.run(until: limit, isDone: { isClosed == [true, true] }) {
            record.failure =
                "the connection did not end within \(Int(limit.nanoseconds / 1_000_000_000)) s"
        }
        simulation.run(until: simulation.now + Self.afterwards)
        record.clientSummary = applications[client].endpoint.summary
        record.serverSummary = applications[server].endpoint.summary
        for (host, name) in [(client, "client"), (server, "server")] {
            record.events.append(
                EventRecord(
                    time: simulation.now, source: name, name: WorkloadSummary.eventName,
                    fields: applications[host].endpoint.summary.fields))
        }
    }

    /// The workload has begun: from here the time line counts.
    private func workloadStarted() {
        record.start = simulation.now
        let phase = applications[client].endpoint.recordPhase
        for event in scenario.events {
            guard case .afterStart = event.time, event.action == .breakOldPath else { continue }
            let instant = scenario.breakTime(start: simulation.now, phase: phase)
            simulation.at(instant) { [unowned self] _ in breakOldPath() }
        }
    }

    private func breakOldPath() {
        record.breakTime = simulation.now
        record.note("break", at: simulation.now)
        let address = topology.paths[0].clientAddress
        switch scenario.breakKind {
        case .linkDown: setInterface(0, isUp: false)
        case .silent: setLink(0, isUp: false)
        case .addressRemoved:
            simulation.perform(client) { $0.giveUpAddress(address, now: simulation.now) }
        }
        for event in scenario.events {
            guard case .afterBreak(let delay) = event.time, event.action == .newPathUp else {
                continue
            }
            simulation.at(simulation.now + delay) { [unowned self] _ in setNewPath(isUp: true) }
        }
    }

    private func setNewPath(isUp: Bool) {
        guard topology.paths.count > 1 else { return }
        if isUp, record.breakTime != nil {
            record.makeTime = simulation.now
            record.note("make", at: simulation.now)
        }
        setInterface(1, isUp: isUp)
    }

    private func setInterface(_ index: Int, isUp: Bool) {
        setLink(index, isUp: isUp)
        interfaces[index].isUp = isUp
        guard record.start != nil else { return }
        let interface = interfaces[index]
        simulation.perform(client) { $0.setInterface(interface, now: simulation.now) }
    }

    private func setLink(_ index: Int, isUp: Bool) {
        simulation.links[index].forward.setUp(isUp)
        simulation.links[index].backward.setUp(isUp)
    }

    // MARK: Applications

    private func handle(_ event: StackEvent, _ host: Int) {
        let now = simulation.now
        switch event {
        case .established(let handle):
            applications[host].start(on: handle, now: now)
            workloadStarted()
            record.events.append(
                EventRecord(
                    time: now, source: "client", name: WorkloadEndpoint.startedEventName,
                    fields: applications[host].endpoint.startedFields ?? []))
        case .accepted(let handle): applications[host].start(on: handle, now: now)
        case .readable, .writable, .atEnd: break
        case .closed(_, let reason):
            service(host)
            if reason != .finished { applications[host].end(reason.rawValue) }
            isClosed[host] = true
            return
        case .log(_, let event):
            record.events.append(
                EventRecord(
                    time: event.time, source: host == client ? "client" : "server",
                    name: event.name, fields: event.fields.map { JSONValue.Member($0) }))
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

    // MARK: Captures

    /// The same points as in namespaces: at the client's interfaces packets are seen as they leave
    /// the client and as they are delivered to it, at the server's as they arrive and as they leave.
    private func capture(_ sighting: PacketSighting) {
        let isAtClient = sighting.isForward == sighting.isEntering
        let point = isAtClient ? sighting.link : topology.paths.count
        let kept =
            scenario.snapLength == 0
            ? sighting.packet.count
            : min(scenario.snapLength - Simulation.frameOverhead, sighting.packet.count)
        record.packets.append(
            TracePacket(
                time: sighting.time.nanoseconds, point: point,
                bytes: Array(sighting.packet[..<kept]), wireLength: sighting.packet.count))
    }
}

extension JSONValue.Member {
    /// A field of a stack's log event.
    init(_ field: (name: String, value: LogValue)) {
        switch field.value {
        case .text(let text): self.init(field.name, .string(text))
        case .number(let number): self.init(field.name, .integer(Int64(number)))
        }
    }
}
