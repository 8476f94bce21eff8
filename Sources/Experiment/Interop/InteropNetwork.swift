internal import KernelEndpoint
internal import LinuxSystem
internal import Netlink
internal import NetworkPrimitives
internal import Scenario

/// Client with three interfaces, router, server: three namespaces without emulated delay, in which
/// one conversation after the other takes place. Gone when it is released.
final class InteropNetwork {
    let addresses: InteropAddresses
    let client: NetworkNamespace
    let router: NetworkNamespace
    let server: NetworkNamespace
    private var losesPackets = false

    /// Of each path, both ways: slow enough that a transfer can be interfered with.
    private static let bucket = TokenBucket(
        rate: BitRate(bitsPerSecond: 30_000_000), burst: 20_000, limit: 200_000)
    /// A subflow that died with its connection is not to keep the kernel's sockets for a minute.
    private static let closeTimeout = "5"

    init(family: InteropCell.Family) throws {
        addresses = InteropAddresses(family: family)
        let prefix = ProcessIdentity.ownedName(RandomBytes.suffix())
        let made = try NetworkNamespace.create(
            named: ["client", "router", "server"].map { "\(prefix)-\($0)" })
        (client, router, server) = (made[0], made[1], made[2])
        try setParameters()
        let routes = try RouteController(in: router)
        for path in InteropAddresses.paths.indices { try addPath(path, routes) }
        try addServerLink(routes)
        try disableOffloads()
    }

    deinit {
        for namespace in [client, router, server] {
            try? NetworkNamespace.delete(named: namespace.name)
        }
    }

    private func setParameters() throws {
        for namespace in [client, router, server] {
            try RouteController(in: namespace).setUp("lo")
            for scope in ["all", "default"] {
                try set("net.ipv6.conf.\(scope).accept_dad", "0", namespace)
                try set("net.ipv4.conf.\(scope).rp_filter", "0", namespace)
            }
        }
        for host in [client, server] {
            // A conversation must not learn from the one before.
            try set("net.ipv4.tcp_no_metrics_save", "1", host)
            try set("net.mptcp.close_timeout", Self.closeTimeout, host)
            try set("net.mptcp.blackhole_timeout", "0", host)
        }
        try set("net.ipv4.ip_forward", "1", router)
        try set("net.ipv6.conf.all.forwarding", "1", router)
    }

    private func set(
        _ name: String, _ value: String, _ namespace: NetworkNamespace
    ) throws {
        try SysctlFile(name).write(value, in: namespace)
    }

    private func addPath(_ path: Int, _ routes: RouteController) throws {
        let name = InteropAddresses.paths[path]
        let length = addresses.prefixLength
        let here = try RouteController(in: client)
        try here.createVeth(name, peer: name, peerNamespace: router)
        try here.addAddress(addresses.client(path), prefixLength: length, to: name)
        try routes.addAddress(addresses.router(path), prefixLength: length, to: name)
        try routes.setUp(name)
        try here.setUp(name)
        let table = UInt32(101 + path)
        try here.addRule(from: .host(addresses.client(path)), table: table)
        try here.addRoute(
            to: addresses.anywhere, via: addresses.router(path), on: name, table: table)
        try here.addRoute(
            to: addresses.anywhere, via: addresses.router(path), on: name,
            metric: UInt32(101 + path))
        for end in [here, routes] {
            try end.setRootQueue(.tokenBucket(Self.bucket), on: name)
        }
    }

    private func addServerLink(_ routes: RouteController) throws {
        let (near, far) = (InteropAddresses.serverInterface, InteropAddresses.routerInterface)
        let length = addresses.prefixLength
        let here = try RouteController(in: server)
        try here.createVeth(near, peer: far, peerNamespace: router)
        for address in [addresses.server, addresses.secondServer] {
            try here.addAddress(address, prefixLength: length, to: near)
        }
        try routes.addAddress(addresses.serverRouter, prefixLength: length, to: far)
        try routes.setUp(far)
        try here.setUp(near)
        try here.addRoute(to: addresses.anywhere, via: addresses.serverRouter, on: near)
    }

    /// Packets are as a real link carries them.
    private func disableOffloads() throws {
        let ends = [
            (client, InteropAddresses.paths),
            (router, InteropAddresses.paths + [InteropAddresses.routerInterface]),
            (server, [InteropAddresses.serverInterface]),
        ]
        for (namespace, names) in ends {
            try NamespaceThread.run(in: namespace) {
                for name in names { try InterfaceOffloads.set([], on: name) }
            }
        }
    }

    // MARK: Between conversations

    /// Has the router lose TCP packets, each with the same chance, or not any more.
    ///
    /// Only the data that repeat MP_CAPABLE get through: where they are lost beside the third ACK, the
    /// next segment tells the listener of a peer without MPTCP, and it falls back as RFC 8684, 3.1,
    /// wants. No cell is about that.
    func setLoss(_ loss: InteropCell.Loss) throws {
        let wanted = loss != .none
        guard wanted != losesPackets else { return }
        let script =
            wanted
            ? """
            table inet loss {
              chain forward {
                type filter hook forward priority 0; policy accept;
                meta length > 200 tcp option mptcp subtype 0 accept
                meta l4proto tcp numgen random mod 100 < 1 drop
              }
            }

            """ : "delete table inet loss\n"
        let outcome = try ChildProcess.run("nft", ["-f", "-"], input: script, in: router)
        guard outcome.exit.isSuccess else {
            throw SystemError("nft: \(outcome.error)", code: 22)
        }
        losesPackets = wanted
    }

    /// What the queues of the paths have dropped so far.
    func droppedByQueues() throws -> UInt64 {
        var sum: UInt64 = 0
        for namespace in [client, router] {
            for queue in try RouteController(in: namespace).queues() where queue.isRoot {
                sum += queue.drops
            }
        }
        return sum
    }

    /// Does something in the namespace of the kernel's end.
    func atKernel<Value>(_ cell: InteropCell, _ body: () throws -> Value) throws -> Value {
        try NamespaceThread.run(in: cell.role == .server ? client : server, body)
    }
}
