import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// RFC 6824 beside RFC 8684, and how the two are told apart.
@Suite("MPTCP versions") struct VersionScenarios {
    private func shape(
        _ client: VersionPolicy, _ server: VersionPolicy,
        _ base: TwoPathNetwork.Shape = .full
    ) -> TwoPathNetwork.Shape {
        var shape = base
        shape.client.connection.versions = client
        shape.server.connection.versions = server
        return shape
    }

    private func capables(_ network: TwoPathNetwork) -> [MPCapable] {
        network.sightings.filter(\.isEntering).flatMap(\.segment.header.options.mptcp).compactMap {
            if case .capable(let capable) = $0 { capable } else { nil }
        }
    }

    private func expectMultipath(_ network: TwoPathNetwork) {
        network.expectIntact()
        #expect(network.first("fallback", network.client) == nil)
        #expect(network.first("fallback", network.server) == nil)
        #expect(network.count("subflow_established", network.client) == 2)
    }

    /// Keys in the SYN, DSS on the first data, joins by SHA-1, no option that only version 1 has.
    @Test(arguments: [true, false])
    func version0(usesChecksum: Bool) {
        var shape = shape(.v0, .any)
        shape.client.connection.usesChecksum = usesChecksum
        shape.server.connection.announcedAddresses = [IPAddress.v4(0x0a00_0902)]
        let network = TwoPathNetwork(shape, upload: 500_000, download: 500_000)
        network.recordsPackets = true
        #expect(network.run(.seconds(5)))
        expectMultipath(network)
        let capables = capables(network)
        #expect(capables.allSatisfy { $0.version == 0 && $0.dataLength == nil })
        #expect(capables.first?.senderKey != nil)
        #expect(capables.first?.receiverKey == nil)
        #expect(network.sightings.allSatisfy { $0.segment.resetReason == nil })
        let announcements = network.sightings.compactMap(\.segment.announcement)
        #expect(!announcements.isEmpty && announcements.allSatisfy { $0.form == .v0 })
        let firstData = network.sightings.first { !$0.segment.payload.isEmpty }?.segment
        #expect(firstData?.header.options.dss?.mapping != nil)
        #expect((firstData?.header.options.dss?.mapping?.checksum != nil) == usesChecksum)
    }

    /// The third packet is lost: both keys are known, and the first DSS says that the opener
    /// speaks MPTCP. MP_CAPABLE of a pure ACK is repeated.
    @Test(arguments: [true, false])
    func lostThirdPacket(hasData: Bool) {
        let network = TwoPathNetwork(
            shape(.v0, .v0), upload: hasData ? 100_000 : 0, download: hasData ? 0 : 100_000)
        network.lose(1) { segment, _, isForward in
            isForward && segment.isCapable && !segment.isSYN
        }
        #expect(network.run(.seconds(8)))
        network.expectIntact()
        #expect(network.first("fallback", network.server) == nil)
    }

    @Test func strippedThirdPacketAndDSS() {
        let network = TwoPathNetwork(shape(.v0, .v0), upload: 100_000, download: 100_000)
        network.filter { segment, _, _ in
            if !segment.header.flags.contains(.syn) { segment.stripMPTCP() }
            return true
        }
        #expect(network.run(.seconds(8)))
        network.expectIntact()
        #expect(network.first("fallback", network.server) != nil)
        #expect(network.first("fallback", network.client) != nil)
    }

    @Test func handoverAndPriority() {
        let network = TwoPathNetwork(shape(.v0, .v0, .init()), upload: 6_000_000, download: 0)
        network.recordsPackets = true
        network.at(200) { network in
            network.simulation.perform(network.client) {
                $0.setBackup(false, address: TwoPathNetwork.lteAddress, now: network.simulation.now)
            }
        }
        network.at(400) { $0.setInterface(0, isUp: false) }
        #expect(network.run(.seconds(6)))
        expectMultipath(network)
        #expect(network.first("address_removed_by_peer", network.server) != nil)
        #expect(network.first("priority_received", network.server) != nil)
    }

    /// MP_PRIO with an address concerns every subflow from there in version 0, none in version 1.
    @Test(arguments: [VersionPolicy.v0, .v1])
    func priorityOfAnAddress(version: VersionPolicy) {
        let network = TwoPathNetwork(shape(version, version), upload: 0, download: 4_000_000)
        var isDone = false
        network.filter { [unowned network] segment, link, isForward in
            let options = segment.header.options
            if !isDone, isForward, link == 0, network.simulation.now > network.milliseconds(300),
                options.mptcp.isEmpty, segment.payload.isEmpty, options.dss != nil
            {
                isDone = true
                // The first join's address has the identifier 1.
                segment.header.options.mptcp = [.priority(isBackup: true, addressID: AddressID(1))]
            }
            return true
        }
        network.at(400) { network in
            let subflows = network.information(network.server)?.subflows ?? []
            #expect(subflows.map(\.isBackup) == [false, version == .v0])
        }
        #expect(network.run(.seconds(6)))
        network.expectIntact()
        #expect(isDone)
        // In version 1 it is not even counted.
        #expect(network.count("priority_received", network.server) == (version == .v0 ? 1 : 0))
    }

    /// RFC 6824, 3.5: on an ACK, repeated until the RST comes.
    @Test(arguments: [0, 1, 2, 100])
    func fastClose(losses: Int) {
        let network = TwoPathNetwork(shape(.v0, .v0), upload: 50_000_000, download: 0)
        network.recordsPackets = true
        network.clientApp.released = 100_000
        network.lose(losses) { segment, _, _ in segment.isFastClose }
        network.at(500) { network in
            guard let handle = network.clientApp.handle else { return }
            network.simulation.perform(network.client) {
                $0.abort(handle, now: network.simulation.now)
            }
        }
        network.connect()
        network.simulation.run(until: .zero + .seconds(4))
        network.expectSound()
        #expect(network.clientApp.closed == .aborted)
        let signals = network.sightings.filter { $0.isEntering && $0.segment.isFastClose }
        #expect(signals.allSatisfy { !$0.segment.isReset })
        #expect(signals.count == min(losses + 1, 3))
        if losses < 3 { #expect(network.serverApp.closed == .reset) }
        // Nothing is left at the client but what the server may still ask for.
        #expect(network.information(network.client) == nil)
    }

    // MARK: Negotiation

    @Test(arguments: [(VersionPolicy.v1, VersionPolicy.v0), (.v0, .v1)])
    func nothingInCommon(client: VersionPolicy, server: VersionPolicy) {
        let network = TwoPathNetwork(shape(client, server), upload: 200_000, download: 200_000)
        #expect(network.run(.seconds(5)))
        network.expectIntact()
        #expect(network.count("fallback", network.client) == 1)
    }

    /// A client that may speak both finds out with its first connection.
    @Test func secondConnectionOffersVersion0() {
        let network = TwoPathNetwork(shape(.any, .v0), upload: 100_000, download: 100_000)
        #expect(network.run(.seconds(5)))
        network.expectIntact()
        #expect(network.count("fallback", network.client) == 1)
        network.connectAgain(upload: 100_000, download: 100_000)
        network.recordsPackets = true
        #expect(network.run(.seconds(5)))
        network.expectIntact()
        #expect(network.count("fallback", network.client) == 1)
        #expect(network.count("subflow_established", network.client) == 2)
        #expect(capables(network).allSatisfy { $0.version == 0 })
    }

    /// RFC 8684, 3.1: an offer of a later version is answered with version 1.
    @Test func laterVersion() {
        let network = TwoPathNetwork(upload: 100_000, download: 0)
        network.filter { segment, _, _ in
            if segment.isSYN, case .capable(var capable)? = segment.header.options.mptcp.first {
                capable.version = 2
                segment.header.options.mptcp = [.capable(capable)]
            }
            return true
        }
        #expect(network.run(.seconds(5)))
        network.expectIntact()
        #expect(network.first("fallback", network.client) == nil)
    }

    /// Clients of both versions at one listener, at the same time.
    @Test func oneListener() throws {
        let simulation = Simulation()
        let endpoint = TwoPathNetwork.serverEndpoint
        var configuration = StackConfiguration()
        configuration.connection.versions = .any
        configuration.connection.policy = .acceptOnly
        let server = simulation.addHost(HostStack(configuration: configuration, seed: 1))
        let port = SimulatedPort(host: server, interface: InterfaceID(1))
        simulation.addresses[port] = [endpoint.address]
        var accepted: [ConnectionHandle] = []
        simulation.onEvent = { _, host, event in
            if host == server, case .accepted(let handle) = event { accepted.append(handle) }
        }
        func interface(_ address: IPAddress) -> StackInterface {
            StackInterface(
                id: InterfaceID(1), name: "eth0", addresses: [address], mtu: 1_500, isUp: true)
        }
        simulation.perform(server) { $0.setInterface(interface(endpoint.address), now: .zero) }
        try simulation.hosts[server].listen(port: endpoint.port)
        for (number, version) in [VersionPolicy.v0, .v1, .v0, .any].enumerated() {
            var configuration = StackConfiguration()
            configuration.connection.versions = version
            let client = simulation.addHost(
                HostStack(configuration: configuration, seed: UInt64(number) + 2))
            let near = SimulatedPort(host: client, interface: InterfaceID(1))
            let address = IPAddress.v4(0x0a00_0100 + UInt32(number))
            simulation.addresses[near] = [address]
            let link = LinkDirection(
                profile: LinkProfile(rate: nil, oneWayDelay: .milliseconds(5)),
                generator: SeededGenerator(seed: 9))
            _ = simulation.addLink(near, port, forward: link, backward: link)
            simulation.perform(client) {
                $0.setInterface(interface(address), now: .zero)
                _ = try? $0.connect(to: endpoint, from: nil, now: .zero)
            }
        }
        simulation.run(until: .zero + .milliseconds(200))
        #expect(accepted.count == 4)
        #expect(
            accepted.allSatisfy {
                simulation.hosts[server].information($0)?.isFallback == false
            })
        #expect(simulation.hosts[server].mib[.capableACKReceived] == 4)
    }
}
