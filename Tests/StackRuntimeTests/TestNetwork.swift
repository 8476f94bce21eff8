import KernelEndpoint
import LinuxSystem
import NetworkPrimitives

/// Client with wifi0 (10.0.1.2, fd00:1::2) and lte0 (10.0.2.2, fd00:2::2), router, server with eth0
/// (10.0.9.1, fd00:9::1; for announcements also 10.0.9.2), each in a namespace of its own. Gone when
/// it is released.
final class TestNetwork {
    static let isPossible =
        Capabilities.effective().canBuildNetworks && (try? Executable.find("nft")) != nil
    static let canAskKernel = isPossible && KernelSetting.isMPTCPAvailable

    static let wifi = IPAddress.v4(0x0a00_0102)
    static let lte = IPAddress.v4(0x0a00_0202)
    static let serverAddress = IPAddress.v4(0x0a00_0901)
    static let secondServerAddress = IPAddress.v4(0x0a00_0902)
    static let server = Endpoint(serverAddress, 5_001)
    static let wifiV6 = IPAddress.v6(0xfd00_0001 << 32, 2)
    static let lteV6 = IPAddress.v6(0xfd00_0002 << 32, 2)
    static let serverV6 = Endpoint(IPAddress.v6(0xfd00_0009 << 32, 1), 5_001)

    let client: NetworkNamespace
    let router: NetworkNamespace
    let host: NetworkNamespace

    enum Path: Int, CaseIterable {
        case wifi = 1
        case lte = 2

        var interface: String { self == .wifi ? "wifi0" : "lte0" }
        var address: IPAddress { self == .wifi ? TestNetwork.wifi : TestNetwork.lte }
    }

    /// - Parameters:
    ///   - up: Paths that are up from the beginning.
    ///   - rates: Mbit/s of each path, both ways; `nil` for as fast as it goes.
    ///   - completesChecksums: No offloads: packets are as a real link carries them.
    init(
        up: [Path] = Path.allCases, rates: (wifi: Int, lte: Int)? = nil,
        completesChecksums: Bool = true
    ) throws {
        let prefix = ProcessIdentity.ownedName(RandomBytes.suffix())
        client = try NetworkNamespace.create(named: "\(prefix)-client")
        router = try NetworkNamespace.create(named: "\(prefix)-router")
        host = try NetworkNamespace.create(named: "\(prefix)-server")
        for namespace in [client, router, host] {
            try SysctlFile("net.ipv4.tcp_no_metrics_save").write("1", in: namespace)
            // The kernel asks for neighbours from a link-local address, once that is no duplicate.
            for scope in ["all", "default"] {
                try SysctlFile("net.ipv6.conf.\(scope).accept_dad").write("0", in: namespace)
            }
        }
        try SysctlFile("net.ipv4.ip_forward").write("1", in: router)
        try SysctlFile("net.ipv6.conf.all.forwarding").write("1", in: router)
        var clientCommands = ["link set lo up"]
        var routerCommands = ["link set lo up"]
        for path in Path.allCases {
            let (name, number) = (path.interface, path.rawValue)
            clientCommands += [
                "link add \(name) \(Self.index(number)) type veth peer name \(name) "
                    + "netns \(router.name)",
                "address add 10.0.\(number).2/24 dev \(name)",
                "address add fd00:\(number)::2/64 dev \(name) nodad",
                "rule add from 10.0.\(number).2 table 10\(number)",
                "-6 rule add from fd00:\(number)::2 table 10\(number)",
            ]
            routerCommands += [
                "address add 10.0.\(number).1/24 dev \(name)",
                "address add fd00:\(number)::1/64 dev \(name) nodad",
                "link set \(name) up",
            ]
        }
        routerCommands += [
            "address add 10.0.9.254/24 dev server0",
            "address add fd00:9::254/64 dev server0 nodad",
            "link set server0 up",
        ]
        try ip(client, clientCommands)
        try ip(
            host,
            [
                "link set lo up",
                "link add eth0 \(Self.index(9)) type veth peer name server0 netns \(router.name)",
                "address add 10.0.9.1/24 dev eth0",
                "address add fd00:9::1/64 dev eth0 nodad",
                "address add 10.0.9.2/24 dev eth0",
            ])
        try ip(router, routerCommands)
        try ip(
            host,
            [
                "link set eth0 up",
                "route add default via 10.0.9.254",
                "-6 route add default via fd00:9::254",
            ])
        if completesChecksums { try switchOffloadsOff() }
        if let rates {
            for (path, rate) in [(Path.wifi, rates.wifi), (.lte, rates.lte)] {
                for namespace in [client, router] {
                    try run(
                        "tc",
                        "-n \(namespace.name) qdisc add dev \(path.interface) root tbf "
                            + "rate \(rate)mbit burst 20kb limit 150kb")
                }
            }
        }
        for path in up { try bringUp(path) }
    }

    /// When both ends have the same number the kernel takes a veth for a device of its own, and its
    /// link watch takes up to a second to see the carrier. IPv6 waits for that.
    private static func index(_ number: Int) -> String { "index \(90 + number)" }

    deinit {
        for namespace in [client, router, host] {
            try? NetworkNamespace.delete(named: namespace.name)
        }
    }

    /// Brings a path up, then its routes, as a network manager does.
    func bringUp(_ path: Path) throws {
        let (name, number) = (path.interface, path.rawValue)
        try ip(
            client,
            [
                "link set \(name) up",
                "route add default via 10.0.\(number).1 dev \(name) table 10\(number)",
                "route add default via 10.0.\(number).1 dev \(name) metric 10\(number)",
                "-6 route add default via fd00:\(number)::1 dev \(name) table 10\(number)",
                "-6 route add default via fd00:\(number)::1 dev \(name) metric 10\(number)",
            ])
    }

    func takeDown(_ path: Path) throws { try ip(client, "link set \(path.interface) down") }

    /// `ip -n NAMESPACE ARGUMENTS`
    func ip(_ namespace: NetworkNamespace, _ arguments: String) throws {
        try run("ip", "-n \(namespace.name) \(arguments)")
    }

    /// Several of them, in their order, those that need `-6` behind the others: one process for each
    /// family, and a network takes thirty.
    private func ip(_ namespace: NetworkNamespace, _ commands: [String]) throws {
        let v6 = commands.filter { $0.hasPrefix("-6 ") }.map { String($0.dropFirst(3)) }
        let others = commands.filter { !$0.hasPrefix("-6 ") }
        for (options, batch) in [([], others), (["-6"], v6)] where !batch.isEmpty {
            let outcome = try ChildProcess.run(
                "ip", options + ["-n", namespace.name, "-batch", "-"],
                input: batch.joined(separator: "\n") + "\n")
            guard outcome.exit.isSuccess else {
                throw SystemError("ip: \(outcome.error)\n\(batch)", code: 22)
            }
        }
    }

    /// A rule set of the router's.
    func nft(_ script: String) throws {
        let outcome = try ChildProcess.run("nft", ["-f", "-"], input: script, in: router)
        guard outcome.exit.isSuccess else {
            throw SystemError("nft: \(outcome.error)", code: 22)
        }
    }

    private func run(_ program: String, _ arguments: String) throws {
        let outcome = try ChildProcess.run(
            program, arguments.split(separator: " ").map(String.init))
        guard outcome.exit.isSuccess else {
            throw SystemError("\(program) \(arguments): \(outcome.error)", code: 22)
        }
    }

    private func switchOffloadsOff() throws {
        let interfaces = [
            (client, ["wifi0", "lte0"]), (router, ["wifi0", "lte0", "server0"]), (host, ["eth0"]),
        ]
        for (namespace, names) in interfaces {
            try NamespaceThread.run(in: namespace) {
                for name in names { try InterfaceOffloads.set([], on: name) }
            }
        }
    }

    /// The kernel's MPTCP counters of a namespace.
    func counters(_ namespace: NetworkNamespace) throws -> KernelCounters {
        try NamespaceThread.run(in: namespace) { try KernelCounters.current() }
    }
}
