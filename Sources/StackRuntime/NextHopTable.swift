internal import Netlink
internal import NetworkPrimitives
internal import WireFormat

/// Where packets go next: the kernel's routes and rules, and its neighbours.
///
/// Answers are kept for a while and forgotten at every event that may change them. The `while` is
/// for what comes without an event, such as rules.
struct NextHopTable {
    /// What decides about the way of a packet.
    struct Flow: Hashable {
        var source: IPAddress
        var destination: IPAddress
        /// The interface under the subflow.
        var interface: InterfaceID
    }

    /// Where a packet leaves and for whom.
    struct Hop {
        var interface: InterfaceID
        var hardwareAddress: MACAddress
        fileprivate var expiry: Instant
    }

    private struct NeighbourKey: Hashable {
        var interface: InterfaceID
        var address: IPAddress
    }

    private struct KnownNeighbour {
        var hardwareAddress: MACAddress
        var isPermanent: Bool
    }

    private let routes: RouteController
    private var neighbours: [NeighbourKey: KnownNeighbour] = [:]
    private var cache: [Flow: Hop] = [:]
    /// The last answer: most packets go the way of the one before.
    private var latest: (flow: Flow, hop: Hop)?
    /// Source addresses by destination, and how long they are good.
    private var sources: [IPAddress: (address: IPAddress, expiry: Instant)] = [:]

    private static let lifetime = Duration.seconds(1)

    init(_ routes: RouteController) { self.routes = routes }

    // MARK: Events

    /// Reads the kernel's neighbours anew.
    mutating func readNeighbours() throws(NetlinkError) {
        neighbours = [:]
        for neighbour in try routes.neighbours() { update(neighbour) }
    }

    mutating func update(_ neighbour: Neighbour) {
        let key = NeighbourKey(interface: neighbour.interface, address: neighbour.address)
        if neighbour.isValid, let bytes = neighbour.hardwareAddress,
            let address = MACAddress(bytes: bytes)
        {
            neighbours[key] = KnownNeighbour(
                hardwareAddress: address, isPermanent: neighbour.isPermanent)
        } else {
            neighbours[key] = nil
        }
        forget()
    }

    mutating func remove(_ neighbour: Neighbour) {
        neighbours[NeighbourKey(interface: neighbour.interface, address: neighbour.address)] = nil
        forget()
    }

    /// Routes, addresses or links changed.
    mutating func forget() {
        cache.removeAll(keepingCapacity: true)
        sources.removeAll(keepingCapacity: true)
        latest = nil
    }

    // MARK: Queries

    /// The next hop of a packet; `nil` when there is no route yet, or no neighbour: then the kernel
    /// is asked to find it, and an event tells.
    mutating func hop(
        for flow: Flow, among interfaces: AttachedInterfaces, now: Instant
    ) -> Hop? {
        if let latest, latest.flow == flow, latest.hop.expiry > now { return latest.hop }
        if let known = cache[flow], known.expiry > now {
            latest = (flow, known)
            return known
        }
        guard let (interface, neighbour) = route(of: flow, among: interfaces) else { return nil }
        guard let address = hardwareAddress(of: neighbour, on: interface) else { return nil }
        let hop = Hop(
            interface: interface.id, hardwareAddress: address, expiry: now + Self.lifetime)
        cache[flow] = hop
        latest = (flow, hop)
        return hop
    }

    /// The source address that the kernel would choose.
    mutating func source(
        for destination: IPAddress, now: Instant
    ) throws(NetlinkError) -> IPAddress? {
        if let known = sources[destination], known.expiry > now { return known.address }
        guard let source = try routes.nextHop(for: destination)?.source else { return nil }
        sources[destination] = (source, now + Self.lifetime)
        return source
    }

    /// The interface and the neighbour on it. A packet of a subflow leaves on the subflow's
    /// interface, by whatever route leads there, as a kernel socket bound to its device does.
    private func route(
        of flow: Flow, among interfaces: AttachedInterfaces
    ) -> (AttachedInterface, IPAddress)? {
        let byRules = nextHop(flow, on: nil)
        if let byRules, byRules.interface == flow.interface,
            let interface = interfaces.device(flow.interface)
        {
            return (interface, byRules.gateway ?? flow.destination)
        }
        let own = interfaces[flow.interface]
        if let own, own.device != nil, own.has(flow.source) {
            // Without a route on the interface the kernel takes the destination for a neighbour.
            guard let bound = nextHop(flow, on: flow.interface),
                bound.gateway != nil || own.reaches(flow.destination)
            else { return nil }
            return (own, bound.gateway ?? flow.destination)
        }
        // An address of the host's, on the loopback interface say: any way out is right.
        guard let byRules, let interface = interfaces.device(byRules.interface) else { return nil }
        return (interface, byRules.gateway ?? flow.destination)
    }

    private func nextHop(_ flow: Flow, on interface: InterfaceID?) -> NextHop? {
        // An error is no route: an address that is not there any more, say.
        (try? routes.nextHop(for: flow.destination, from: flow.source, on: interface)) ?? nil
    }

    private func hardwareAddress(
        of address: IPAddress, on interface: AttachedInterface
    ) -> MACAddress? {
        if interface.isLoopback { return MACAddress(rawValue: 0) }
        let known = neighbours[NeighbourKey(interface: interface.id, address: address)]
        // The kernel does not see what is sent here: it is told that the neighbour is in use, so
        // that it asks for it, or checks that a stale one is still there. An error means that the
        // link has just gone: the event follows.
        if known?.isPermanent != true {
            try? routes.resolveNeighbour(address, on: interface.id)
        }
        return known?.hardwareAddress
    }
}
