internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
internal import NetworkSimulation
internal import Scenario
internal import Topology

/// A soak in virtual time: the same breaks, the same network, in one process. Both ends share its
/// memory, so what is sampled is that of the process, once a virtual second.
final class SimulatedSoak {
    private let plan: SoakPlan
    private let network: SimulatedNetwork
    private var simulation: Simulation { network.simulation }
    private var result: SoakResult

    private static let sampleInterval = Duration.seconds(1)

    init(_ plan: SoakPlan, _ topology: Topology) {
        self.plan = plan
        result = SoakResult(plan, topology, backend: .simulation)
        let profile = EndpointProfile(plan.scenario, topology)
        network = SimulatedNetwork(
            topology, client: profile.client, server: profile.server, workload: plan.workload,
            seed: plan.seed)
        network.onLog = { [unowned self] event, host in note(event, host) }
    }

    /// Plays the plan to its end.
    func run(progress: (String) -> Void) -> SoakResult {
        result.failure = network.start()
        for (time, action) in plan.schedule {
            simulation.at(.zero + time) { [unowned self] _ in perform(action) }
        }
        simulation.at(.zero + plan.duration) { [unowned self] _ in network.stopClient() }
        var second = Duration.zero
        let isDone = { [unowned self] in network.isOver || result.failure != nil }
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
        let limit = simulation.now + HandoverScenario.patience
        if result.failure == nil, !simulation.run(until: limit, isDone: isDone) {
            result.failure = "the connection did not end within \(HandoverScenario.patience)"
        }
        result.client = network.endpoint(network.client).summary
        result.server = network.endpoint(network.server).summary
        return result
    }

    private func perform(_ action: SoakPlan.Action) {
        switch action {
        case .takeDown(let path):
            result.breaks += 1
            network.setInterface(path, isUp: false)
        case .cut(let path):
            result.breaks += 1
            network.setLink(path, isUp: false)
        case .restore(let path): network.setInterface(path, isUp: true)
        }
    }

    private func note(_ event: LogEvent, _ host: Int) {
        if event.name == "join_sent" { result.joins += 1 }
        for (name, value) in event.fields {
            switch (event.name, name, value) {
            case ("reinjection", "length", .number(let length)): result.reinjectedBytes += length
            case ("subflow_established", "tuple", .tuple(let tuple)) where host == network.client:
                result.noteSubflow(from: tuple.local.address)
            default: break
            }
        }
    }
}
