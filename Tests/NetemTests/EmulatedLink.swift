import LinkModel
import LinuxSystem
import Netlink
import NetworkPrimitives
import Testbed
import Topology

/// A client and a router with one or more emulated links between them, and a socket at either end of
/// the first. Gone when it is released, whatever happened.
final class EmulatedLink {
    let client: NetworkNamespace
    let links: NetworkNamespace
    let router: NetworkNamespace
    let planned: [PlannedLink]
    let clientControl: RouteController
    let linksControl: RouteController
    let routerControl: RouteController
    let clientSocket: DatagramSocket
    let routerSocket: DatagramSocket
    private let names: [String]
    private let clock: EventPoll

    /// IPv4 and UDP in Ethernet, so that sizes can be said in frames.
    static let headers = 42

    static let isPossible = Capabilities.effective().canBuildNetworks

    convenience init(_ profile: LinkProfile) throws {
        try self.init([(profile, profile)])
    }

    init(_ profiles: [(up: LinkProfile, down: LinkProfile)]) throws {
        let suffix = RandomBytes.suffix()
        names = ["c", "l", "r"].map { ProcessIdentity.ownedName("ne-\($0)-\(suffix)") }
        planned = profiles.enumerated().map { index, profile in
            PlannedLink(
                path: Path(
                    name: "path\(index)", interface: "path\(index)",
                    clientAddress: .v4(0x0a07_0001 + UInt32(index) << 8),
                    routerAddress: .v4(0x0a07_0002 + UInt32(index) << 8), prefixLength: 24,
                    up: profile.up, down: profile.down))
        }
        clock = try EventPoll()
        do {
            client = try Self.quietNamespace(names[0])
            links = try Self.quietNamespace(names[1])
            router = try Self.quietNamespace(names[2])
            clientControl = try RouteController(in: client)
            linksControl = try RouteController(in: links)
            routerControl = try RouteController(in: router)
            for link in planned { try Self.connect(link, clientControl, linksControl, client) }
            for link in planned { try Self.connect(link, routerControl, linksControl, router) }
            let path = planned[0].path
            clientSocket = try DatagramSocket(
                in: client, path.clientAddress, peer: path.routerAddress)
            routerSocket = try DatagramSocket(
                in: router, path.routerAddress, peer: path.clientAddress)
        } catch {
            for name in names { try? NetworkNamespace.delete(named: name) }
            throw error
        }
    }

    deinit { for name in names { try? NetworkNamespace.delete(named: name) } }

    func emulate() throws -> NetemLinkEmulator { try NetemLinkEmulator(planned, linksControl) }

    /// Sends a frame of so many octets from the client.
    @discardableResult
    func sendUp(_ number: Int, frame: Int) throws -> Instant {
        try clientSocket.send(number, bytes: frame - Self.headers)
    }

    /// Sends a frame of so many octets from the router.
    @discardableResult
    func sendDown(_ number: Int, frame: Int) throws -> Instant {
        try routerSocket.send(number, bytes: frame - Self.headers)
    }

    /// Waits; nothing else could tell that a time has come.
    func wait(until instant: Instant) throws { _ = try clock.wait(until: instant) }

    func wait(_ duration: Duration) throws { try wait(until: MonotonicClock.now() + duration) }

    /// Without IPv6, so that the kernel says nothing of its own accord.
    private static func quietNamespace(_ name: String) throws -> NetworkNamespace {
        let namespace = try NetworkNamespace.create(named: name)
        try NamespaceThread.run(in: namespace) {
            for scope in ["all", "default"] {
                try SysctlFile("net.ipv6.conf.\(scope).disable_ipv6").write("1")
            }
        }
        return namespace
    }

    private static func connect(
        _ link: PlannedLink, _ end: RouteController, _ middle: RouteController,
        _ namespace: NetworkNamespace
    ) throws {
        let path = link.path
        let isClient = namespace.name.contains("-ne-c-")
        let address = isClient ? path.clientAddress : path.routerAddress
        let peer = isClient ? path.routerAddress : path.clientAddress
        let own: [UInt8] = [2, 0, 0, 0, 0, isClient ? 1 : 2]
        let other: [UInt8] = [2, 0, 0, 0, 0, isClient ? 2 : 1]
        let name = isClient ? link.clientEnd : link.routerEnd
        try middle.createVeth(
            name, peer: path.interface, peerNamespace: namespace, peerHardwareAddress: own)
        try end.addAddress(address, prefixLength: 24, to: path.interface)
        try middle.setUp(name)
        try end.setUp(path.interface)
        try end.addNeighbour(peer, hardwareAddress: other, on: path.interface)
    }
}
