package import LinkModel
package import NetworkPrimitives

/// The shape of a testbed: a client with one access link per path, a router, a server. What happens
/// in it (workload, breaks) is not its business.
///
///     client wifi0 --- link --- wifi0 router server0 --- eth0 server
///            lte0  --- link --- lte0
package struct Topology: Hashable, Sendable {
    package var name: String
    package var description: String
    /// In the order of the file: a handover leaves the first for the second.
    package var paths: [Path]
    package var server: ServerLink

    package init(name: String, description: String = "", paths: [Path], server: ServerLink) {
        self.name = name
        self.description = description
        self.paths = paths
        self.server = server
    }

    /// Whether some path has boxes on it.
    package var hasMiddleboxes: Bool { paths.contains { !$0.middleboxes.isEmpty } }

    /// Whether some path has what netem cannot be told of: boxes, or a radio that sleeps.
    package var needsRelay: Bool { hasMiddleboxes || paths.contains { $0.promotion != nil } }

    /// The position of the path of this name.
    package func path(named name: String) -> Int? { paths.firstIndex { $0.name == name } }

    /// The server's address of the family of a path: there packets of that path go.
    package func serverAddress(path: Int) -> IPAddress {
        server.address(isV6: paths[path].clientAddress.isV6) ?? server.address
    }

    /// What a client that begins on the first path has to be told, because it needs it on another
    /// one: the server's address of the other family.
    package var announcedAddresses: [IPAddress] {
        let others = paths.indices.map { serverAddress(path: $0) }
        return server.subnets.map(\.address).filter {
            others.contains($0) && $0 != serverAddress(path: 0)
        }
    }

    /// Whether anything in it has an IPv6 address.
    package var usesV6: Bool { server.subnets.contains(where: \.isV6) }
}

/// Where a host and its router meet.
package struct Subnet: Hashable, Sendable {
    /// The host's address.
    package var address: IPAddress
    /// The router's address.
    package var routerAddress: IPAddress
    /// Bits of the network that both addresses lie in.
    package var prefixLength: Int

    package init(address: IPAddress, routerAddress: IPAddress, prefixLength: Int) {
        self.address = address
        self.routerAddress = routerAddress
        self.prefixLength = prefixLength
    }

    package var isV6: Bool { address.isV6 }
}

/// One access link: from an interface of the client to one of the router.
package struct Path: Hashable, Sendable {
    package var name: String
    /// The interface's name at the client and at the router.
    package var interface: String
    package var clientAddress: IPAddress
    package var routerAddress: IPAddress
    /// Bits of the network that both addresses lie in.
    package var prefixLength: Int
    package var mtu: Int
    /// From the client to the router.
    package var up: LinkProfile
    /// From the router to the client.
    package var down: LinkProfile
    /// The radio that both directions go through, if it ever sleeps.
    package var promotion: RadioPromotion?
    /// What sits at the router's end and touches packets, the box next to the client first.
    package var middleboxes: [PlannedMiddlebox]

    package init(
        name: String, interface: String, clientAddress: IPAddress, routerAddress: IPAddress,
        prefixLength: Int, mtu: Int = 1500, up: LinkProfile, down: LinkProfile,
        promotion: RadioPromotion? = nil, middleboxes: [PlannedMiddlebox] = []
    ) {
        self.name = name
        self.interface = interface
        self.clientAddress = clientAddress
        self.routerAddress = routerAddress
        self.prefixLength = prefixLength
        self.mtu = mtu
        self.up = up
        self.down = down
        self.promotion = promotion
        self.middleboxes = middleboxes
    }

    /// Propagation there and back, without serialisation and queues.
    package var roundTripTime: Duration { up.oneWayDelay + down.oneWayDelay }
}

/// The link between router and server: ideal, nothing is emulated on it.
package struct ServerLink: Hashable, Sendable {
    /// The server's interface.
    package var interface: String
    /// The router's interface.
    package var routerInterface: String
    /// The server's address.
    package var address: IPAddress
    package var routerAddress: IPAddress
    package var prefixLength: Int
    /// Addresses of the other family, if the server has both.
    package var second: Subnet?
    package var mtu: Int

    package init(
        interface: String = "eth0", routerInterface: String = "server0", address: IPAddress,
        routerAddress: IPAddress, prefixLength: Int, second: Subnet? = nil, mtu: Int = 1500
    ) {
        self.interface = interface
        self.routerInterface = routerInterface
        self.address = address
        self.routerAddress = routerAddress
        self.prefixLength = prefixLength
        self.second = second
        self.mtu = mtu
    }

    /// One for each family that the server has.
    package var subnets: [Subnet] {
        let first = Subnet(
            address: address, routerAddress: routerAddress, prefixLength: prefixLength)
        return [first] + (second.map { [$0] } ?? [])
    }

    /// The server's address of a family.
    package func address(isV6: Bool) -> IPAddress? {
        subnets.first { $0.isV6 == isV6 }?.address
    }
}
