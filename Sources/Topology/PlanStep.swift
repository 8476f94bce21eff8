package import NetworkPrimitives

/// The four namespaces of a testbed.
package enum TestbedHost: String, CaseIterable, Hashable, Sendable {
    case client
    /// Where the links are emulated: for each path one interface towards the client and one towards
    /// the router.
    case links
    case router
    case server
}

/// Who delays and loses packets.
package enum EmulationKind: String, CaseIterable, Hashable, Sendable {
    /// The kernel's netem.
    case netem
    /// A process of our own.
    case relay
}

/// An interface of one of the hosts.
package struct PlannedInterface: Hashable, Sendable {
    package var host: TestbedHost
    package var name: String
    /// Six octets, the same in every testbed of this topology.
    package var hardwareAddress: [UInt8]

    package init(host: TestbedHost, name: String, hardwareAddress: [UInt8]) {
        self.host = host
        self.name = name
        self.hardwareAddress = hardwareAddress
    }
}

/// A route to everywhere.
package struct PlannedRoute: Hashable, Sendable {
    /// The next router and the interface that leads there; `nil`: unreachable.
    package var hop: Hop?
    package var isV6: Bool
    package var table: UInt32
    package var metric: UInt32

    package struct Hop: Hashable, Sendable {
        package var gateway: IPAddress
        package var interface: String

        package init(gateway: IPAddress, interface: String) {
            self.gateway = gateway
            self.interface = interface
        }
    }

    package init(hop: Hop?, isV6: Bool, table: UInt32, metric: UInt32) {
        self.hop = hop
        self.isV6 = isV6
        self.table = table
        self.metric = metric
    }
}

/// One step on the way to a testbed. Each has an inverse or vanishes with what an earlier one made.
package enum PlanStep: Hashable, Sendable {
    case createNamespace(TestbedHost)
    /// A kernel parameter of the host's namespace.
    case setParameter(TestbedHost, name: String, value: String)
    case createVeth(PlannedInterface, peer: PlannedInterface)
    case setMTU(TestbedHost, interface: String, Int)
    /// So that every packet travels on its own and with a checksum that can break.
    case disableOffloads(TestbedHost, interface: String)
    case addAddress(TestbedHost, interface: String, IPAddress, prefixLength: Int)
    case setUp(TestbedHost, interface: String)
    /// A neighbour that need not be asked for.
    case addNeighbour(TestbedHost, interface: String, IPAddress, hardwareAddress: [UInt8])
    case addRoute(TestbedHost, PlannedRoute)
    /// Packets from this address follow a table of their own.
    case addRule(TestbedHost, from: IPAddress, table: UInt32, priority: UInt32)
    /// Emulates all links.
    case startLinks(EmulationKind, [PlannedLink])
}

/// A link to be emulated.
package struct PlannedLink: Hashable, Sendable {
    package var path: Path
    /// The interface of the links' namespace that leads to the client.
    package var clientEnd: String
    /// The interface of the links' namespace that leads to the router.
    package var routerEnd: String

    package init(path: Path) {
        self.path = path
        clientEnd = "\(path.interface)-c"
        routerEnd = "\(path.interface)-r"
    }
}

/// What takes a step back.
package enum UndoStep: Hashable, Sendable {
    case deleteNamespace(TestbedHost)
    case deleteLink(TestbedHost, interface: String)
    case removeAddress(TestbedHost, interface: String, IPAddress, prefixLength: Int)
    case removeNeighbour(TestbedHost, interface: String, IPAddress)
    case removeRoute(TestbedHost, PlannedRoute)
    case removeRule(TestbedHost, from: IPAddress, table: UInt32, priority: UInt32)
    case stopLinks
}

extension PlanStep {
    /// What takes the step back; `nil` for what ends with the namespace or the interface.
    package var undo: UndoStep? {
        switch self {
        case .createNamespace(let host): .deleteNamespace(host)
        case .createVeth(let interface, _):
            .deleteLink(interface.host, interface: interface.name)
        case .addAddress(let host, let interface, let address, let length):
            .removeAddress(host, interface: interface, address, prefixLength: length)
        case .addNeighbour(let host, let interface, let address, _):
            .removeNeighbour(host, interface: interface, address)
        case .addRoute(let host, let route): .removeRoute(host, route)
        case .addRule(let host, let source, let table, let priority):
            .removeRule(host, from: source, table: table, priority: priority)
        case .startLinks: .stopLinks
        case .setParameter, .setMTU, .disableOffloads, .setUp: nil
        }
    }
}
