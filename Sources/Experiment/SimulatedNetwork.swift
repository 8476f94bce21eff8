internal import HostStack
internal import LinkModel
internal import MPTCP
internal import Middlebox
internal import NetworkPrimitives
internal import NetworkSimulation
internal import Scenario
internal import Topology

/// The network of a topology in virtual time, with our stack and its application at both ends: what
/// the file says, middleboxes and second addresses included. What happens in it is its owner's
/// business.
///
/// Call order: set the hooks, `start`, then run `simulation`.
final class SimulatedNetwork {
    let simulation = Simulation()
    let client: Int
    let server: Int
    private(set) var applications: [StackApplication]
    private(set) var isClosed = [false, false]
    /// The client's connection is there: its workload begins.
    var onStart: (() -> Void)?
    /// Each event of a stack's log, with its host.
    var onLog: ((LogEvent, _ host: Int) -> Void)?

    private let topology: Topology
    private var interfaces: [StackInterface] = []
    private var wakeAt: [Instant?] = [nil, nil]
    private var hasStarted = false

    init(
        _ topology: Topology, client clientConfiguration: StackConfiguration,
        server serverConfiguration: StackConfiguration, workload: Workload, seed: UInt64
    ) {
        self.topology = topology
        var generator = SeededGenerator(seed: seed)
        client = simulation.addHost(
            HostStack(configuration: clientConfiguration, seed: generator.next()))
        server = simulation.addHost(
            HostStack(configuration: serverConfiguration, seed: generator.next()))
        applications = [
            StackApplication(WorkloadEndpoint(client: workload)), StackApplication(.server()),
        ]
        let eth = SimulatedPort(host: server, interface: InterfaceID(1))
        simulation.addresses[eth] = topology.server.subnets.map(\.address)
        for (index, path) in topology.paths.enumerated() {
            let port = SimulatedPort(host: client, interface: InterfaceID(Int32(index + 1)))
            let link = simulation.addLink(
                port, eth,
                forward: LinkDirection(profile: path.up, generator: generator.split()),
                backward: LinkDirection(profile: path.down, generator: generator.split()))
            simulation.links[link].radio = path.promotion.map { RadioState($0) }
            simulation.links[link].middleboxes = MiddleboxChain(path.middleboxes, &generator)
            simulation.addresses[port] = [path.clientAddress]
            interfaces.append(
                StackInterface(
                    id: port.interface, name: path.interface, addresses: [path.clientAddress],
                    mtu: path.mtu, isUp: true))
        }
        simulation.onEvent = { [unowned self] _, host, event in handle(event, host) }
        // A handover is from the first path to the second, and a soak between them: what else there
        // is stays out of it.
        for index in topology.paths.indices.dropFirst(2) { setInterface(index, isUp: false) }
    }

    /// The server listens, the client connects over the first path.
    ///
    /// - Returns: What went wrong, `nil` if nothing did.
    func start() -> String? {
        hasStarted = true
        var failure: String?
        let address = Endpoint(topology.serverAddress(path: 0), EndpointProfile.serverPort)
        simulation.perform(server) { stack in
            stack.setInterface(
                StackInterface(
                    id: InterfaceID(1), name: topology.server.interface,
                    addresses: topology.server.subnets.map(\.address), mtu: topology.server.mtu,
                    isUp: true),
                now: simulation.now)
            do { try stack.listen(port: address.port) } catch {
                failure = "the server cannot listen: \(error)"
            }
        }
        simulation.perform(client) { stack in
            for interface in interfaces { stack.setInterface(interface, now: simulation.now) }
            do {
                _ = try stack.connect(
                    to: address, from: topology.paths[0].clientAddress, now: simulation.now)
            } catch {
                failure = "the client cannot connect: \(error)"
            }
        }
        return failure
    }

    /// Both ends of the connection are over.
    var isOver: Bool { isClosed == [true, true] }

    func endpoint(_ host: Int) -> WorkloadEndpoint { applications[host].endpoint }

    /// The client makes no new data.
    func stopClient() {
        simulation.perform(client) { _ in
            applications[client].stop(now: simulation.now)
            service(client)
        }
    }

    // MARK: Paths

    /// The client's interface and its link go down or come up; once it has started, its stack is
    /// told.
    func setInterface(_ path: Int, isUp: Bool) {
        setCarriage(path, isUp: isUp)
        guard interfaces[path].isUp != isUp else { return }
        interfaces[path].isUp = isUp
        guard hasStarted else { return }
        let interface = interfaces[path]
        simulation.perform(client) { $0.setInterface(interface, now: simulation.now) }
    }

    /// What is on the path is dropped, and nobody is told; or not any more. A link without its
    /// interface works again when that comes up.
    func setLink(_ path: Int, isUp: Bool) {
        if interfaces[path].isUp { setCarriage(path, isUp: isUp) }
    }

    private func setCarriage(_ path: Int, isUp: Bool) {
        simulation.links[path].forward.setUp(isUp)
        simulation.links[path].backward.setUp(isUp)
        if !isUp { simulation.links[path].radio?.sleep() }
    }

    /// The link is like this from now on.
    func setProfile(_ path: Int, up: LinkProfile, down: LinkProfile) {
        simulation.links[path].forward.profile = up
        simulation.links[path].backward.profile = down
    }

    // MARK: Applications

    private func handle(_ event: StackEvent, _ host: Int) {
        switch event {
        case .established(let handle):
            applications[host].start(on: handle, now: simulation.now)
            onStart?()
        case .accepted(let handle): applications[host].start(on: handle, now: simulation.now)
        case .readable, .writable, .atEnd: break
        case .closed(_, let reason):
            service(host)
            if reason != .finished { applications[host].end(reason.rawValue) }
            isClosed[host] = true
            return
        case .log(_, let event):
            onLog?(event, host)
            return
        }
        service(host)
    }

    private func service(_ host: Int) {
        applications[host].service(simulation.hosts[host], now: simulation.now)
        guard let deadline = applications[host].endpoint.nextDeadline else { return }
        if let planned = wakeAt[host], planned <= deadline { return }
        wakeAt[host] = deadline
        simulation.at(deadline) { [unowned self] simulation in
            guard wakeAt[host] == deadline else { return }
            wakeAt[host] = nil
            simulation.perform(host) { _ in self.service(host) }
        }
    }
}
