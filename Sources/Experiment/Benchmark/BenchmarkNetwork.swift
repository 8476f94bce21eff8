internal import KernelEndpoint
internal import LinkModel
internal import LinuxSystem
internal import Netlink
internal import NetworkPrimitives
internal import Testbed
internal import Topology

/// Where a benchmark's client and server live.
protocol BenchmarkNetwork: AnyObject {
    var client: NetworkNamespace { get }
    var server: NetworkNamespace { get }
    var serverAddress: IPAddress { get }
}

/// Two namespaces and one veth between them: `client` with eth0 10.0.1.2, `server` with eth0 10.0.1.1.
/// Gone when it is released.
final class VethNetwork: BenchmarkNetwork {
    let client: NetworkNamespace
    let server: NetworkNamespace
    let serverAddress = IPAddress.v4(0x0a00_0101)
    private static let clientAddress = IPAddress.v4(0x0a00_0102)

    /// Without `segmentation` the ends of the veth have neither TSO nor GSO: whoever sends large
    /// frames has the kernel cut them.
    init(segmentation: Bool) throws {
        let prefix = ProcessIdentity.ownedName(RandomBytes.suffix())
        let made = try NetworkNamespace.create(named: ["\(prefix)-client", "\(prefix)-server"])
        (client, server) = (made[0], made[1])
        let ends = [(client, Self.clientAddress), (server, serverAddress)]
        try NamespaceThread.run(in: client) {
            try RouteController().createVeth("eth0", peer: "eth0", peerNamespace: server)
        }
        for (namespace, address) in ends {
            // What one transfer teaches the kernel about the path must not help the next.
            try SysctlFile("net.ipv4.tcp_no_metrics_save").write("1", in: namespace)
            // Ports of the kernel's connections in TIME-WAIT, which are thousands, are not those that
            // our stack reserves.
            try SysctlFile("net.ipv4.ip_local_port_range").write("10000 39999", in: namespace)
            try NamespaceThread.run(in: namespace) {
                let controller = try RouteController()
                try controller.setUp("lo")
                try controller.addAddress(address, prefixLength: 24, to: "eth0")
                if !segmentation {
                    let offloads = try InterfaceOffloads.of("eth0")
                    try InterfaceOffloads.set(
                        offloads.subtracting([.tcpSegmentation, .genericSegmentation]),
                        on: "eth0")
                }
                try controller.setUp("eth0")
            }
        }
    }

    deinit {
        for namespace in [client, server] { try? NetworkNamespace.delete(named: namespace.name) }
    }
}

/// Two emulated paths to the server: the testbed `wifi-lte` as it was when the program was built, whatever
/// file of this name lies about, so that the lines of a benchmark mean what they say.
final class ShapedNetwork: BenchmarkNetwork {
    private let testbed: TestbedController
    let topology: Topology

    /// With `loss` each packet of either direction gets lost with this probability.
    init(loss: Double = 0) throws {
        let name = "wifi-lte"
        var topology = try Topology(parsing: BuiltInTestbeds.text(named: name) ?? "", file: name)
        if loss > 0 {
            for path in topology.paths.indices {
                topology.paths[path].up.loss = .bernoulli(loss)
                topology.paths[path].down.loss = .bernoulli(loss)
            }
        }
        self.topology = topology
        testbed = try TestbedController.build(topology, emulation: .relay)
        for host in [TestbedHost.client, .server] {
            try SysctlFile("net.ipv4.tcp_no_metrics_save").write("1", in: testbed.namespace(host))
        }
    }

    var client: NetworkNamespace { testbed.namespace(.client) }
    var server: NetworkNamespace { testbed.namespace(.server) }
    var serverAddress: IPAddress { topology.server.address }

    /// From here on what the links do by chance follows from the seed.
    func begin(seed: UInt64) throws { try testbed.restore(seed: seed) }

    /// Has the kernel join from the second path as soon as the first stands, or not.
    func prepareKernel(joins: Bool) throws {
        for namespace in [client, server] {
            try NamespaceThread.run(in: namespace) { try KernelPathManager().prepare() }
        }
        guard joins else { return }
        let endpoint = KernelPathEndpoint(topology.paths[1].clientAddress, [.subflow])
        try NamespaceThread.run(in: client) { try KernelPathManager().add(endpoint) }
    }

    deinit { testbed.tearDown() }
}
