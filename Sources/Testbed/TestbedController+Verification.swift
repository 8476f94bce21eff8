internal import LinuxSystem
internal import Netlink
internal import NetworkPrimitives
internal import Topology

extension TestbedController {
    /// Compares what the kernel has with the plan, without sending a packet.
    ///
    /// - Returns: What differs; empty when all is well.
    package func verify() throws(TestbedError) -> [String] {
        var problems: [String] = []
        do {
            for step in plan.steps { problems += try problem(step) }
            problems += try routeProblems()
        } catch {
            throw TestbedError("check the testbed", error)
        }
        return problems
    }

    private func problem(_ step: PlanStep) throws -> [String] {
        switch step {
        case .setUp(let host, let interface):
            let link = try executor.controller(host).link(named: interface)
            return link.isUp ? [] : ["\(host.rawValue): \(interface) is down"]
        case .setMTU(let host, let interface, let mtu):
            let link = try executor.controller(host).link(named: interface)
            return link.mtu == mtu
                ? [] : ["\(host.rawValue): MTU of \(interface) is \(link.mtu), not \(mtu)"]
        case .disableOffloads(let host, let interface):
            let offloads = try NamespaceThread.run(in: namespace(host)) {
                try InterfaceOffloads.of(interface)
            }
            let harmful: InterfaceOffloads = [
                .transmitChecksum, .tcpSegmentation, .genericSegmentation,
            ]
            return offloads.isDisjoint(with: harmful)
                ? [] : ["\(host.rawValue): \(interface) has offloads"]
        case .addAddress(let host, let interface, let address, let length):
            let controller = try executor.controller(host)
            let id = try controller.interface(named: interface)
            let isThere = try controller.addresses().contains {
                $0.interface == id && $0.address == address && $0.prefixLength == length
            }
            return isThere ? [] : ["\(host.rawValue): \(interface) lacks \(address)"]
        case .addNeighbour(let host, let interface, let address, let hardwareAddress):
            let controller = try executor.controller(host)
            let id = try controller.interface(named: interface)
            let isThere = try controller.neighbours().contains {
                $0.interface == id && $0.address == address && $0.isPermanent
                    && $0.hardwareAddress == hardwareAddress
            }
            return isThere ? [] : ["\(host.rawValue): \(interface) does not know \(address)"]
        case .setParameter(let host, let name, let value):
            let found = try SysctlFile(name).read(in: namespace(host))
            return found == value ? [] : ["\(host.rawValue): \(name) is \(found), not \(value)"]
        case .createNamespace, .createVeth, .addRoute, .addRule, .startLinks: return []
        }
    }

    /// Asks each host where it would send.
    private func routeProblems() throws -> [String] {
        var problems: [String] = []
        func check(
            _ host: TestbedHost, to destination: IPAddress, from source: IPAddress?,
            on interface: String
        ) throws {
            let controller = try executor.controller(host)
            let expected = try controller.interface(named: interface)
            let hop = try controller.nextHop(for: destination, from: source)
            if hop?.interface != expected {
                problems.append("\(host.rawValue): no way to \(destination) over \(interface)")
            }
        }
        let server = topology.server
        for (index, path) in topology.paths.enumerated() {
            let address = topology.serverAddress(path: index)
            try check(.client, to: address, from: path.clientAddress, on: path.interface)
            try check(.router, to: path.clientAddress, from: nil, on: path.interface)
            try check(.server, to: path.clientAddress, from: address, on: server.interface)
        }
        for subnet in server.subnets {
            try check(.router, to: subnet.address, from: nil, on: server.routerInterface)
        }
        return problems
    }
}
