internal import LinuxSystem
internal import Netlink
internal import NetworkPrimitives
internal import Topology

/// Carries out plans over netlink.
final class KernelPlanExecutor: PlanExecutor {
    private let name: TestbedName
    private let seed: UInt64
    private let program: String?
    private var namespaces: [TestbedHost: NetworkNamespace] = [:]
    private var controllers: [TestbedHost: RouteController] = [:]
    private(set) var emulator: (any LinkEmulator)?

    init(name: TestbedName, seed: UInt64, program: String?) {
        self.name = name
        self.seed = seed
        self.program = program
    }

    func namespace(_ host: TestbedHost) throws(TestbedError) -> NetworkNamespace {
        guard let namespace = namespaces[host] else {
            throw TestbedError(name.namespace(host), "the testbed is down")
        }
        return namespace
    }

    /// Route netlink of a host.
    func controller(_ host: TestbedHost) throws(TestbedError) -> RouteController {
        guard let controller = controllers[host] else {
            throw TestbedError(name.namespace(host), "the testbed is down")
        }
        return controller
    }

    /// Opens namespaces that are there already.
    func attach() throws(TestbedError) {
        for host in TestbedHost.allCases {
            do {
                let namespace = try NetworkNamespace(named: name.namespace(host))
                namespaces[host] = namespace
                controllers[host] = try RouteController(in: namespace)
            } catch {
                throw TestbedError("open \(name.namespace(host))", error)
            }
        }
    }

    func perform(_ step: PlanStep) throws {
        switch step {
        case .createNamespace(let host):
            let namespace = try NetworkNamespace.create(named: name.namespace(host))
            namespaces[host] = namespace
            do {
                controllers[host] = try RouteController(in: namespace)
            } catch {
                // A step that failed has no inverse.
                try undo(.deleteNamespace(host))
                throw error
            }
        case .setParameter(let host, let parameter, let value):
            try SysctlFile(parameter).write(value, in: namespace(host))
        case .createVeth(let interface, let peer):
            try controller(interface.host).createVeth(
                interface.name, peer: peer.name, peerNamespace: namespace(peer.host),
                hardwareAddress: interface.hardwareAddress,
                peerHardwareAddress: peer.hardwareAddress)
        case .setMTU(let host, let interface, let mtu):
            try controller(host).setMTU(interface, mtu)
        case .disableOffloads(let host, let interface):
            try NamespaceThread.run(in: namespace(host)) {
                try InterfaceOffloads.set([], on: interface)
            }
        case .addAddress(let host, let interface, let address, let length):
            try controller(host).addAddress(address, prefixLength: length, to: interface)
        case .setUp(let host, let interface): try controller(host).setUp(interface)
        case .addNeighbour(let host, let interface, let address, let hardwareAddress):
            try controller(host).addNeighbour(
                address, hardwareAddress: hardwareAddress, on: interface)
        case .addRoute(let host, let route):
            let controller = try controller(host)
            try controller.addRoute(Self.route(route, controller))
        case .addRule(let host, let source, let table, let priority):
            try controller(host).addRule(from: .host(source), table: table, priority: priority)
        case .startLinks(let kind, let links): try startLinks(kind, links)
        }
    }

    private func startLinks(_ kind: EmulationKind, _ links: [PlannedLink]) throws {
        switch kind {
        case .relay:
            emulator = try RelayLinkEmulator(
                links, in: namespace(.links), seed: seed, program: program)
        case .netem: emulator = try NetemLinkEmulator(links, controller(.links))
        }
    }

    /// A planned route in the kernel's terms.
    static func route(
        _ route: PlannedRoute, _ controller: RouteController
    ) throws(NetlinkError) -> Route {
        let interface = try route.hop.map { hop throws(NetlinkError) in
            try controller.interface(named: hop.interface)
        }
        return Route(
            to: route.isV6 ? .anyV6 : .anyV4, kind: route.hop == nil ? .unreachable : .unicast,
            via: route.hop?.gateway, interface: interface, table: route.table,
            metric: route.metric == 0 ? nil : route.metric)
    }

    func undo(_ step: UndoStep) throws {
        do {
            try carryOut(step)
        } catch let error as NetlinkError where error.reason == .notFound {
            // Gone already: with its interface, its namespace, or by somebody else's hand.
        }
    }

    private func carryOut(_ step: UndoStep) throws {
        switch step {
        case .deleteNamespace(let host):
            controllers[host] = nil
            namespaces[host] = nil
            try NetworkNamespace.delete(named: name.namespace(host))
        case .deleteLink(let host, let interface):
            try controllers[host]?.deleteLink(interface)
        case .removeAddress(let host, let interface, let address, let length):
            try controllers[host]?.removeAddress(
                address, prefixLength: length, from: interface)
        case .removeNeighbour(let host, let interface, let address):
            try controllers[host]?.removeNeighbour(address, on: interface)
        case .removeRoute(let host, let route):
            guard let controller = controllers[host] else { return }
            try controller.removeRoute(Self.route(route, controller))
        case .removeRule(let host, let source, let table, let priority):
            try controllers[host]?.removeRule(
                from: .host(source), table: table, priority: priority)
        case .stopLinks:
            emulator?.stop()
            emulator = nil
        }
    }
}
