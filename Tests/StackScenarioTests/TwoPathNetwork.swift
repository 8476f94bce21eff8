import CongestionControl
import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// A client with two interfaces and a server with one, in virtual time: the default testbed of the
/// stack's scenarios. Applications send a pattern both ways and check every byte; the invariants of
/// both stacks are checked as the run goes on.
final class TwoPathNetwork {
    struct Shape {
        var wifi = LinkProfile(
            rate: BitRate(bitsPerSecond: 50_000_000), oneWayDelay: .milliseconds(10))
        var lte = LinkProfile(
            rate: BitRate(bitsPerSecond: 20_000_000), oneWayDelay: .milliseconds(30))
        var client = StackConfiguration()
        var server = StackConfiguration()
        var isLTEUpAtStart = true
        var families = Families.v4

        init() {
            wifi.queue = .time(.milliseconds(100))
            lte.queue = .time(.milliseconds(100))
            server.connection.policy = .acceptOnly
        }

        /// LTE comes later: break-before-make.
        static var breakBeforeMake: Shape {
            var shape = Shape()
            shape.isLTEUpAtStart = false
            shape.client.connection.policy = .singlePath
            return shape
        }

        /// Both paths are used.
        static var full: Shape {
            var shape = Shape()
            shape.client.connection.policy = .full
            return shape
        }
    }

    typealias Sighting = (
        time: Instant, link: Int, isForward: Bool, isEntering: Bool, segment: Segment
    )

    /// Which IP the paths carry.
    enum Families: CaseIterable {
        case v4
        case v6
        /// IPv6 over WiFi, IPv4 over LTE; the server has both and announces the second.
        case wifiV6LTEV4

        var wifi: IPAddress {
            self == .v4 ? wifiAddress : .v6(0x2001_0db8_0001_0000, 2)
        }

        var lte: IPAddress {
            self == .v6 ? .v6(0x2001_0db8_0002_0000, 2) : lteAddress
        }

        /// The server's addresses, first the one to which the client connects.
        var server: [IPAddress] {
            let v6 = IPAddress.v6(0x2001_0db8_0009_0000, 1)
            return switch self {
            case .v4: [serverEndpoint.address]
            case .v6: [v6]
            case .wifiV6LTEV4: [v6, serverEndpoint.address]
            }
        }
    }

    let families: Families
    static let wifiAddress = IPAddress.v4(0x0a00_0102)
    static let lteAddress = IPAddress.v4(0x0a00_0202)
    static let serverEndpoint = Endpoint(IPAddress.v4(0x0a00_0901), 5_000)

    let simulation = Simulation()
    let client: Int
    let server: Int
    var clientApp: Application
    var serverApp: Application
    var log: [(host: Int, event: LogEvent)] = []
    var sightings: [Sighting] = []
    var recordsPackets = false
    /// A run ends after so many events: a livelock fails a test, it does not hang it.
    var stepLimit = 1_000_000
    /// Check the invariants after so many packets. A large transfer has thousands of them, and each check
    /// looks at all that is on its way.
    var invariantStride: Int
    private var packetsUntilCheck = 1
    private var violations: [String] = []
    /// Invariants that were broken so far.
    var violationsSoFar: [String] { violations }
    private var progress: [Int: Connection.Progress] = [:]
    private var interfaces: [StackInterface]
    private var buffer = [UInt8](repeating: 0, count: 16_384)
    /// Called after an application has read.
    var onRead: ((TwoPathNetwork, Int) -> Void)?

    init(_ shape: Shape = Shape(), upload: Int, download: Int, seed: UInt64 = 1) {
        families = shape.families
        invariantStride = upload + download > 1_000_000 ? 64 : 16
        var generator = SeededGenerator(seed: seed)
        client = simulation.addHost(HostStack(configuration: shape.client, seed: generator.next()))
        var serverConfiguration = shape.server
        serverConfiguration.connection.announcedAddresses += shape.families.server.dropFirst()
        server = simulation.addHost(
            HostStack(configuration: serverConfiguration, seed: generator.next()))
        let wifi = SimulatedPort(host: client, interface: InterfaceID(1))
        let lte = SimulatedPort(host: client, interface: InterfaceID(2))
        let eth = SimulatedPort(host: server, interface: InterfaceID(1))
        for (port, profile) in [(wifi, shape.wifi), (lte, shape.lte)] {
            _ = simulation.addLink(
                port, eth,
                forward: LinkDirection(profile: profile, generator: generator.split()),
                backward: LinkDirection(profile: profile, generator: generator.split()))
        }
        simulation.addresses = [
            wifi: [families.wifi], lte: [families.lte], eth: families.server,
        ]
        interfaces = [
            StackInterface(
                id: InterfaceID(1), name: "wifi0", addresses: [families.wifi], mtu: 1_500,
                isUp: true),
            StackInterface(
                id: InterfaceID(2), name: "lte0", addresses: [families.lte], mtu: 1_500,
                isUp: shape.isLTEUpAtStart),
        ]
        clientApp = Application(total: upload, salt: 0x55)
        serverApp = Application(total: download, salt: 0xaa)
        if !shape.isLTEUpAtStart { cut(1) }
        simulation.onEvent = { [unowned self] _, host, event in self.handle(event, host) }
        simulation.onPacket = { [unowned self] sighting in self.note(sighting) }
        simulation.perform(server) { stack in
            stack.setInterface(
                StackInterface(
                    id: InterfaceID(1), name: "eth0", addresses: self.families.server,
                    mtu: 1_500, isUp: true), now: .zero)
            #expect(throws: Never.self) { try stack.listen(port: Self.serverEndpoint.port) }
        }
    }

    /// Has the client connect from WiFi now, and write before the SYN leaves if it is to.
    func connect(writesEarly: Bool = false) {
        simulation.perform(client) { stack in
            let now = self.simulation.now
            for interface in self.interfaces { stack.setInterface(interface, now: now) }
            self.clientApp.handle = try? stack.connect(
                to: Endpoint(self.families.server[0], Self.serverEndpoint.port),
                from: self.families.wifi, now: now)
            if writesEarly { self.pump(self.client) }
        }
    }

    /// Has the client open another connection, for bytes of its own.
    func connectAgain(upload: Int, download: Int, writesEarly: Bool = false) {
        clientApp = Application(total: upload, salt: clientApp.salt)
        serverApp = Application(total: download, salt: serverApp.salt)
        progress = [:]
        connect(writesEarly: writesEarly)
    }

    /// Takes an interface of the client up or down, link and all.
    func setInterface(_ index: Int, isUp: Bool) {
        cut(index, !isUp)
        interfaces[index].isUp = isUp
        let interface = interfaces[index]
        simulation.perform(client) { $0.setInterface(interface, now: simulation.now) }
    }

    /// Cuts a path; nobody is told.
    func cut(_ index: Int, _ isCut: Bool = true) {
        simulation.links[index].forward.setUp(!isCut)
        simulation.links[index].backward.setUp(!isCut)
    }

    /// Has something done after so many milliseconds.
    func at(_ milliseconds: Int, _ action: @escaping (TwoPathNetwork) -> Void) {
        simulation.at(Instant(nanoseconds: Int64(milliseconds) * 1_000_000)) { [unowned self] _ in
            action(self)
        }
    }

    var isDone: Bool { clientApp.closed != nil && serverApp.closed != nil }

    /// Connects if nobody did, and runs until both ends are done or the time is over.
    @discardableResult
    func run(_ duration: Duration) -> Bool {
        if clientApp.handle == nil { connect() }
        let isDone = simulation.run(until: simulation.now + duration) {
            self.isDone || simulation.steps > stepLimit
        }
        checkInvariants()
        return isDone
    }

    private func handle(_ event: StackEvent, _ host: Int) {
        switch event {
        case .accepted(let handle):
            serverApp.handle = handle
            pump(host)
        case .established, .readable, .writable: pump(host)
        case .atEnd:
            pump(host)
            if host == client { clientApp.isAtEnd = true } else { serverApp.isAtEnd = true }
        case .closed(_, let reason):
            pump(host)
            if host == client { clientApp.closed = reason } else { serverApp.closed = reason }
        case .log(_, let event): log.append((host, event))
        }
    }

    /// Lets an application read and write.
    func pump(_ host: Int) {
        var app = host == client ? clientApp : serverApp
        let stack = simulation.hosts[host]
        let now = simulation.now
        app.read(
            from: stack, buffer: &buffer,
            peerSalt: host == client ? serverApp.salt : clientApp.salt, now: now)
        if host == client { clientApp = app } else { serverApp = app }
        onRead?(self, host)
        app = host == client ? clientApp : serverApp
        app.write(to: stack, buffer: &buffer, now: now)
        if host == client { clientApp = app } else { serverApp = app }
    }

    /// Lets an application send more, now.
    func release(_ host: Int, _ count: Int) {
        if host == client { clientApp.released += count } else { serverApp.released += count }
        simulation.perform(host) { _ in self.pump(host) }
    }

    // MARK: Observation

    private func note(_ sighting: PacketSighting) {
        packetsUntilCheck -= 1
        if packetsUntilCheck <= 0 {
            packetsUntilCheck = invariantStride
            checkInvariants()
        }
        guard recordsPackets, let segment = try? Segment(parsing: sighting.packet) else { return }
        sightings.append(
            (sighting.time, sighting.link, sighting.isForward, sighting.isEntering, segment))
    }

    private func checkInvariants() {
        guard violations.isEmpty else { return }
        for host in [client, server] {
            violations += simulation.hosts[host].invariantViolations
            let handle = host == client ? clientApp.handle : serverApp.handle
            guard let handle, let current = simulation.hosts[host].progress(handle) else {
                continue
            }
            if let earlier = progress[host], !current.continues(earlier) {
                violations.append("host \(host) went back from \(earlier) to \(current)")
            }
            progress[host] = current
        }
    }

    /// Every byte arrived, both ends closed in order, and nothing broke on the way.
    func expectIntact(
        _ reason: CloseReason = .finished, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        expectSound(sourceLocation: sourceLocation)
        #expect(serverApp.received == clientApp.total, sourceLocation: sourceLocation)
        #expect(clientApp.received == serverApp.total, sourceLocation: sourceLocation)
        #expect(clientApp.closed == reason, sourceLocation: sourceLocation)
        #expect(serverApp.closed == reason, sourceLocation: sourceLocation)
    }

    /// No byte is wrong and no invariant was broken.
    func expectSound(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(violations.isEmpty, "\(violations)", sourceLocation: sourceLocation)
        #expect(clientApp.firstWrong == nil, sourceLocation: sourceLocation)
        #expect(serverApp.firstWrong == nil, sourceLocation: sourceLocation)
    }

    /// A connection that makes no progress must not be busy with it.
    func expectNoLivelock(_ limit: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(simulation.steps < limit, sourceLocation: sourceLocation)
    }

    func names(_ host: Int) -> [String] { log.filter { $0.host == host }.map(\.event.name) }

    func first(_ name: String, _ host: Int) -> Instant? {
        log.first { $0.host == host && $0.event.name == name }?.event.time
    }

    func count(_ name: String, _ host: Int) -> Int {
        log.count { $0.host == host && $0.event.name == name }
    }

    /// The connection of a host, while it lives.
    func information(_ host: Int) -> ConnectionInformation? {
        (host == client ? clientApp.handle : serverApp.handle).flatMap {
            simulation.hosts[host].information($0)
        }
    }
}
