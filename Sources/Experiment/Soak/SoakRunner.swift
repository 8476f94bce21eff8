internal import LinkModel
package import Scenario
package import Topology

/// Runs a soak in one of the two worlds.
package enum SoakRunner {
    /// - Parameter progress: told now and then how far it is.
    package static func run(
        _ plan: SoakPlan, on topology: Topology, backend: Backend,
        progress: (String) -> Void
    ) throws(ExperimentError) -> SoakResult {
        guard topology.paths.count >= 2 else {
            throw .usage("testbed '\(topology.name)' has one path; a soak needs two")
        }
        var topology = topology
        for index in topology.paths.indices {
            topology.paths[index].up.loss = .bernoulli(plan.loss)
            topology.paths[index].down.loss = .bernoulli(plan.loss)
        }
        var scenario = plan.scenario
        scenario.backend = backend
        do {
            try scenario.validate()
        } catch {
            throw .usage("\(error)")
        }
        switch try ExperimentBackend.resolve(scenario, topology) {
        case .simulation:
            let world = SimulatedSoak(plan, topology)
            return world.run(progress: progress)
        case .namespaces(let emulation):
            let world = try NamespaceSoak(plan, topology, emulation: emulation)
            defer { world.tearDown() }
            return try world.run(progress: progress)
        }
    }
}
