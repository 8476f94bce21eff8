internal import NetworkPrimitives

/// All steps that make a testbed out of nothing, in order.
package struct TestbedPlan: Hashable, Sendable {
    package let topology: Topology
    package let emulation: EmulationKind
    package let steps: [PlanStep]

    package init(_ topology: Topology, emulation: EmulationKind) {
        self.topology = topology
        self.emulation = emulation
        var builder = PlanBuilder(topology)
        builder.addHosts()
        for index in topology.paths.indices { builder.addPath(index) }
        builder.addServerLink()
        builder.addClientRoutes()
        builder.steps.append(
            .startLinks(emulation, topology.paths.map { PlannedLink(path: $0) }))
        steps = builder.steps
    }

    /// The links in the order of the paths.
    package var links: [PlannedLink] { topology.paths.map { PlannedLink(path: $0) } }

    /// The neighbours that the kernel forgets when an end of a path goes down. They can be put back
    /// while the interface is still down.
    package func neighbourSteps(path: Int) -> [PlanStep] {
        let interface = topology.paths[path].interface
        return steps.filter { step in
            guard case .addNeighbour(let host, interface, _, _) = step else { return false }
            return host == .client || host == .router
        }
    }

    /// The client's routes through a path, which the kernel forgets when its interface goes down.
    package func clientRoutes(path: Int) -> [PlannedRoute] {
        let interface = topology.paths[path].interface
        return steps.compactMap {
            guard case .addRoute(.client, let route) = $0, route.hop?.interface == interface else {
                return nil
            }
            return route
        }
    }

    /// The routing table of a path.
    package static func table(path: Int) -> UInt32 { 101 + UInt32(path) }
}

private struct PlanBuilder {
    let topology: Topology
    var steps: [PlanStep] = []

    init(_ topology: Topology) { self.topology = topology }

    mutating func addHosts() {
        for host in TestbedHost.allCases { steps.append(.createNamespace(host)) }
        for host in TestbedHost.allCases {
            let hasV6 = topology.usesV6 && host != .links
            // Before any interface is made, so that `default` counts for it.
            for scope in ["all", "default"] {
                set(host, "net.ipv6.conf.\(scope).disable_ipv6", hasV6 ? "0" : "1")
                if hasV6 { quieten(host, "net.ipv6.conf.\(scope)") }
                if host != .links { set(host, "net.ipv4.conf.\(scope).rp_filter", "0") }
            }
            // An IPv4 address stays when its interface goes down; so shall an IPv6 address.
            if hasV6, host == .client { set(host, "net.ipv6.conf.all.keep_addr_on_down", "1") }
            switch host {
            case .client, .server:
                // A run must not learn from the one before.
                set(host, "net.ipv4.tcp_no_metrics_save", "1")
            case .router:
                set(host, "net.ipv4.ip_forward", "1")
                if hasV6 { set(host, "net.ipv6.conf.all.forwarding", "1") }
            case .links: break
            }
            steps.append(.setUp(host, interface: "lo"))
        }
    }

    /// Addresses and routes are ours alone, and there from the start.
    private mutating func quieten(_ host: TestbedHost, _ scope: String) {
        set(host, "\(scope).accept_ra", "0")
        set(host, "\(scope).accept_dad", "0")
        // No link-local addresses, hence no router solicitations.
        set(host, "\(scope).addr_gen_mode", "1")
    }

    private mutating func set(_ host: TestbedHost, _ name: String, _ value: String) {
        steps.append(.setParameter(host, name: name, value: value))
    }

    mutating func addPath(_ index: Int) {
        let path = topology.paths[index]
        let link = PlannedLink(path: path)
        func interface(_ host: TestbedHost, _ name: String, _ end: UInt8) -> PlannedInterface {
            PlannedInterface(
                host: host, name: name, hardwareAddress: Self.address(UInt8(index), end))
        }
        let client = interface(.client, path.interface, 1)
        let router = interface(.router, path.interface, 2)
        addVeth(client, interface(.links, link.clientEnd, 3), mtu: path.mtu)
        addVeth(router, interface(.links, link.routerEnd, 4), mtu: path.mtu)
        addAddress(client, path.clientAddress, path.prefixLength)
        addAddress(router, path.routerAddress, path.prefixLength)
        for (host, name) in [
            (TestbedHost.links, link.clientEnd), (.links, link.routerEnd),
            (.router, path.interface), (.client, path.interface),
        ] {
            steps.append(.setUp(host, interface: name))
        }
        addNeighbours(client, path.clientAddress, router, path.routerAddress)
    }

    mutating func addServerLink() {
        let link = topology.server
        let router = PlannedInterface(
            host: .router, name: link.routerInterface, hardwareAddress: Self.address(0xff, 2))
        let server = PlannedInterface(
            host: .server, name: link.interface, hardwareAddress: Self.address(0xff, 1))
        addVeth(router, server, mtu: link.mtu)
        for subnet in link.subnets {
            addAddress(router, subnet.routerAddress, subnet.prefixLength)
            addAddress(server, subnet.address, subnet.prefixLength)
        }
        steps.append(.setUp(.router, interface: router.name))
        steps.append(.setUp(.server, interface: server.name))
        for subnet in link.subnets {
            addNeighbours(router, subnet.routerAddress, server, subnet.address)
            addDefault(.server, via: subnet.routerAddress, on: server.name)
        }
    }

    mutating func addClientRoutes() {
        for (index, path) in topology.paths.enumerated() {
            let table = TestbedPlan.table(path: index)
            addDefault(.client, via: path.routerAddress, on: path.interface, table: table)
            // Last in its table: what belongs on this path does not sneak out on another.
            steps.append(
                .addRoute(
                    .client,
                    PlannedRoute(
                        hop: nil, isV6: path.clientAddress.isV6, table: table, metric: 9_999)))
            steps.append(
                .addRule(
                    .client, from: path.clientAddress, table: table,
                    priority: 1_001 + UInt32(index)))
            // For sockets that choose no address.
            addDefault(
                .client, via: path.routerAddress, on: path.interface,
                metric: 101 + UInt32(index))
        }
    }

    private mutating func addVeth(
        _ interface: PlannedInterface, _ peer: PlannedInterface, mtu: Int
    ) {
        steps.append(.createVeth(interface, peer: peer))
        for end in [interface, peer] {
            if mtu != 1500 { steps.append(.setMTU(end.host, interface: end.name, mtu)) }
            steps.append(.disableOffloads(end.host, interface: end.name))
        }
    }

    private mutating func addAddress(
        _ interface: PlannedInterface, _ address: IPAddress, _ length: Int
    ) {
        steps.append(
            .addAddress(
                interface.host, interface: interface.name, address, prefixLength: length))
    }

    private mutating func addNeighbours(
        _ first: PlannedInterface, _ firstAddress: IPAddress, _ second: PlannedInterface,
        _ secondAddress: IPAddress
    ) {
        for (here, there, address) in [
            (first, second, secondAddress), (second, first, firstAddress),
        ] {
            steps.append(
                .addNeighbour(
                    here.host, interface: here.name, address,
                    hardwareAddress: there.hardwareAddress))
        }
    }

    private mutating func addDefault(
        _ host: TestbedHost, via gateway: IPAddress, on interface: String, table: UInt32 = 254,
        metric: UInt32 = 0
    ) {
        steps.append(
            .addRoute(
                host,
                PlannedRoute(
                    hop: PlannedRoute.Hop(gateway: gateway, interface: interface),
                    isV6: gateway.isV6, table: table, metric: metric)))
    }

    /// Locally administered; unique within a testbed.
    private static func address(_ link: UInt8, _ end: UInt8) -> [UInt8] {
        [0x02, 0x4d, 0x50, 0x00, link, end]
    }
}
