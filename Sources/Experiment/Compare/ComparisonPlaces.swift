internal import Scenario
internal import Topology

/// Where each cell of a comparison runs: in the simulation, or on one of the testbeds, which cells on
/// the same topology share. They stand until all is done, because the cells take turns.
///
/// Call order: `init`, then `world` from one thread, then `tearDown`.
final class ComparisonPlaces {
    /// In the order of the cells.
    let backends: [ExperimentBackend]

    private let plan: ComparisonPlan
    private var worlds: [(key: WorldKey, world: NamespaceWorld)] = []

    /// What cells must have in common to share a testbed: nothing that one of them leaves in a
    /// kernel may meet another.
    private struct WorldKey: Hashable {
        var topology: Topology
        var emulation: LinkEmulation
        var client: EndpointKind
        var server: EndpointKind
    }

    /// What a backend follows from.
    private struct Wish: Hashable {
        var backend: Backend
        var emulation: LinkEmulation
        var hasKernel: Bool
        var hasMiddleboxes: Bool
    }

    /// Finds out what this machine allows.
    init(_ plan: ComparisonPlan) throws(ExperimentError) {
        self.plan = plan
        var found: [Wish: ExperimentBackend] = [:]
        var backends: [ExperimentBackend] = []
        for cell in plan.cells {
            let scenario = cell.scenario
            let wish = Wish(
                backend: scenario.backend, emulation: scenario.linkEmulation,
                hasKernel: scenario.client == .kernel || scenario.server == .kernel,
                hasMiddleboxes: cell.topology.hasMiddleboxes)
            let backend: ExperimentBackend
            if let known = found[wish] {
                backend = known
            } else {
                backend = try ExperimentBackend.resolve(scenario, cell.topology)
                found[wish] = backend
            }
            backends.append(backend)
        }
        self.backends = backends
    }

    /// The testbed of a cell, built if it does not stand yet.
    func world(
        of index: Int, _ emulation: LinkEmulation, _ interruption: Interruption,
        building: (String) -> Void
    ) throws(ExperimentError) -> NamespaceWorld {
        let cell = plan.cells[index]
        let key = WorldKey(
            topology: cell.topology, emulation: emulation, client: cell.scenario.client,
            server: cell.scenario.server)
        if let standing = worlds.first(where: { $0.key == key }) { return standing.world }
        building("building the testbed '\(cell.topology.name)' for \(cell.label)")
        let world = try NamespaceWorld(
            topology: cell.topology, emulation: emulation, interruption: interruption)
        worlds.append((key, world))
        try world.check(cell.scenario)
        return world
    }

    /// Takes every testbed down.
    func tearDown() {
        for entry in worlds { entry.world.tearDown() }
        worlds = []
    }
}

extension ExperimentBackend {
    /// What delays and loses packets there.
    var linkEmulation: LinkEmulation {
        switch self {
        case .namespaces(let emulation): emulation
        case .simulation: .model
        }
    }
}
