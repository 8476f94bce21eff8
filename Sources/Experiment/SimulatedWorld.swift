internal import HostStack
internal import MPTCP
internal import NetworkPrimitives
internal import NetworkSimulation
internal import Scenario
internal import Topology
internal import TraceAnalysis

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
    private let network: SimulatedNetwork
    private var simulation: Simulation { network.simulation }
    private(set) var record = RunRecord()

    /// Until the peer's last segments have been answered.
    private static let afterwards = Duration.seconds(1)

    init(_ scenario: HandoverScenario, _ topology: Topology, seed: UInt64) {
        self.scenario = scenario
        self.topology = topology
        let profile = EndpointProfile(scenario, topology)
        network = SimulatedNetwork(
            topology, client: profile.client, server: profile.server,
            workload: scenario.workload(seed: seed), seed: seed)
        network.onStart = { [unowned self] in workloadStarted() }
        network.onLog = { [unowned self] event, host in note(event, host) }
        simulation.onPacket = { [unowned self] sighting in capture(sighting) }
    }

    // MARK: The time line

    func play() {
        record.harness = .ofSimulation
        for event in scenario.events where event.time == .beforeStart {
            setNewPath(isUp: event.action == .newPathUp)
        }
        record.failure = network.start()
        let limit = simulation.now + scenario.duration + HandoverScenario.patience
        if !simulation.run(until: limit, isDone: { network.isOver }) {
            record.failure = record.failure ?? whoIsLeft(limit)
        }
        simulation.run(until: simulation.now + Self.afterwards)
        record.clientSummary = network.endpoint(network.client).summary
        record.serverSummary = network.endpoint(network.server).summary
        noteServerStart()
        for (host, name) in [(network.client, "client"), (network.server, "server")] {
            record.events.append(
                EventRecord(
                    time: simulation.now, source: name, name: WorkloadSummary.eventName,
                    fields: network.endpoint(host).summary.fields))
        }
    }

    /// Which end has not ended at the `limit`, and what became of the other one.
    private func whoIsLeft(_ limit: Instant) -> String {
        let seconds = "\(limit.nanoseconds / 1_000_000_000) s"
        let ends = [(network.client, "client"), (network.server, "server")]
        let left = ends.filter { !network.isClosed[$0.0] }
        guard left.count == 1 else { return "the connection did not end within \(seconds)" }
        let other = ends.first { network.isClosed[$0.0] }
        let why = other.flatMap { host, name in
            network.endpoint(host).failure.map { "; of the \(name), \($0)" }
        }
        return "the \(left[0].1) did not end within \(seconds)" + (why ?? "")
    }

    /// The workload has begun: from here the time line counts.
    private func workloadStarted() {
        let endpoint = network.endpoint(network.client)
        record.start = simulation.now
        for event in scenario.events {
            guard case .afterStart = event.time, event.action == .breakOldPath else { continue }
            let instant = scenario.breakTime(
                start: simulation.now, phase: endpoint.recordPhase,
                delay: scenario.oldPathDelay(on: topology))
            simulation.at(instant) { [unowned self] _ in breakOldPath() }
        }
        for step in LinkTimetable(scenario, topology).steps {
            simulation.at(simulation.now + step.at) { [unowned self] _ in perform(step) }
        }
        record.events.append(
            EventRecord(
                time: simulation.now, source: "client", name: WorkloadEndpoint.startedEventName,
                fields: endpoint.startedFields ?? []))
    }

    /// The server's word on the workload, at the time when it had heard of it.
    private func noteServerStart() {
        let endpoint = network.endpoint(network.server)
        guard let fields = endpoint.startedFields, let time = endpoint.summary.firstArrival else {
            return
        }
        let place = record.events.firstIndex { $0.time > time } ?? record.events.endIndex
        record.events.insert(
            EventRecord(
                time: time, source: "server", name: WorkloadEndpoint.startedEventName,
                fields: fields), at: place)
    }

    private func note(_ event: LogEvent, _ host: Int) {
        record.events.append(
            EventRecord(
                time: event.time, source: host == network.client ? "client" : "server",
                name: event.name, fields: event.fields.map { JSONValue.Member($0) }))
    }

    private func breakOldPath() {
        record.breakTime = simulation.now
        record.note(
            "break", at: simulation.now, [.init("kind", .string(scenario.breakKind.rawValue))])
        let address = topology.paths[0].clientAddress
        switch scenario.breakKind {
        case .linkDown: network.setInterface(0, isUp: false)
        case .silent: network.setLink(0, isUp: false)
        case .addressRemoved:
            simulation.perform(network.client) { $0.giveUpAddress(address, now: simulation.now) }
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
        network.setInterface(1, isUp: isUp)
    }

    private func perform(_ step: LinkStep) {
        record.note(step, of: scenario, at: simulation.now)
        switch step.action {
        case .setInterface(let isUp): network.setInterface(step.path, isUp: isUp)
        case .setLink(let isUp): network.setLink(step.path, isUp: isUp)
        case .setProfile(let up, let down): network.setProfile(step.path, up: up, down: down)
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
        case .number(let number): self.init(field.name, .integer(Int64(number)))
        case let value: self.init(field.name, .string(value.description))
        }
    }
}
