import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// What peers tell each other about addresses, and what hosts learn about peers (mptcp-behaviour, 12,
/// 13 and 17).
@Suite("Signals and peers") struct SignalScenarios {
    private static let second = Endpoint(IPAddress.v4(0x0a00_0902), 6_000)

    private func addSecondAddress(_ network: TwoPathNetwork) {
        network.simulation.perform(network.server) {
            $0.setInterface(
                StackInterface(
                    id: InterfaceID(1), name: "eth0",
                    addresses: [TwoPathNetwork.serverEndpoint.address, Self.second.address],
                    mtu: 1_500, isUp: true), now: .zero)
        }
    }

    private func joins(_ network: TwoPathNetwork) -> [Endpoint] {
        network.sightings.filter { $0.isEntering && $0.segment.isSYN && $0.segment.isJoin }.map {
            Endpoint($0.segment.destination, $0.segment.header.destinationPort)
        }
    }

    /// The server refuses joins to its first address (C flag) and announces another one, with a port.
    @Test(arguments: [true, false])
    func denyFlagAndPort(announces: Bool) {
        var shape = TwoPathNetwork.Shape.full
        shape.server.connection.deniesInitialAddress = true
        if announces {
            shape.server.connection.announcedAddresses = [Self.second.address]
            shape.server.connection.announcedPort = Self.second.port
        }
        let network = TwoPathNetwork(shape, upload: 1_000_000, download: 1_000_000)
        network.recordsPackets = true
        addSecondAddress(network)
        #expect(network.run(.seconds(6)))
        network.expectIntact()
        let answer = network.sightings.first { $0.segment.isSYNACK && $0.segment.isCapable }
        if case .capable(let capable)? = answer?.segment.header.options.mptcp.first {
            #expect(capable.flags.contains(.denyInitialAddress))
        }
        #expect(joins(network) == (announces ? [Self.second] : []))
        let server = network.simulation.hosts[network.server].mib
        #expect(server[.addAddressSent] == (announces ? 1 : 0))
        #expect(server[.echoReceived] == (announces ? 1 : 0))
        let client = network.simulation.hosts[network.client].mib
        #expect(client[.portReceived] == (announces ? 1 : 0))
    }

    /// The server gives up an address. Its FIN comes over the fast path, the REMOVE_ADDR over a slow
    /// one: nothing is joined to that address in between. If the REMOVE_ADDR never comes, another
    /// subflow is tried a second later.
    @Test(arguments: [true, false])
    func aPeerThatClosesIsNotAskedAgainAtOnce(isRemovalLost: Bool) throws {
        var shape = TwoPathNetwork.Shape.full
        shape.wifi.oneWayDelay = .milliseconds(200)
        shape.server.connection.deniesInitialAddress = true
        shape.server.connection.announcedAddresses = [Self.second.address]
        let network = TwoPathNetwork(shape, upload: 100_000, download: 0)
        addSecondAddress(network)
        network.clientApp.finishes = false
        network.at(8_000) {
            $0.clientApp.finishes = true
            $0.release($0.client, 0)
        }
        network.at(2_000) { network in
            network.simulation.perform(network.server) {
                $0.giveUpAddress(Self.second.address, now: network.simulation.now)
            }
        }
        network.filter { segment, link, _ in
            guard isRemovalLost || link == 1 else { return true }
            segment.header.options.mptcp.removeAll {
                if case .removeAddress = $0 { true } else { false }
            }
            return true
        }
        #expect(network.run(.seconds(30)))
        network.expectIntact()
        let closed = try #require(network.first("subflow_closed_by_peer", network.client))
        let joins = network.log.filter {
            $0.host == network.client && $0.event.name == "join_sent"
        }.map(\.event.time)
        let heard = network.simulation.hosts[network.client].mib[.removeAddressReceived]
        if isRemovalLost {
            #expect(heard == 0)
            #expect(joins.count > 1 && joins[1] >= closed + .milliseconds(900))
        } else {
            // Too late for the subflow that it is about, in time for the next join.
            #expect(heard > 0)
            #expect(try #require(network.first("address_removed_by_peer", network.client)) > closed)
            #expect(joins.count == 1)
        }
    }

    /// A client that does not know the flag is refused.
    @Test func denyFlagIsMeant() {
        var shape = TwoPathNetwork.Shape.full
        shape.server.connection.deniesInitialAddress = true
        let network = TwoPathNetwork(shape, upload: 300_000, download: 0)
        network.recordsPackets = true
        network.filter { segment, _, _ in
            if case .capable(var capable)? = segment.header.options.mptcp.first {
                capable.flags.remove(.denyInitialAddress)
                segment.header.options.mptcp = [.capable(capable)]
            }
            return true
        }
        #expect(network.run(.seconds(6)))
        network.expectIntact()
        #expect(joins(network).count == 1)
        let reset = network.sightings.first { $0.link == 1 && $0.segment.isReset }
        #expect(reset?.segment.resetReason == .administrativelyProhibited)
    }

    /// RFC 8684, 3.4.2: an address that was removed, or so somebody says, is probed. It answers, and
    /// the subflow stays, but carries nothing while there is another.
    @Test func removalOfALivingAddress() {
        let network = TwoPathNetwork(.full, upload: 0, download: 10_000_000)
        network.recordsPackets = true
        var isDone = false
        network.filter { [unowned network] segment, link, isForward in
            if !isDone, isForward, link == 0, network.simulation.now > network.milliseconds(300),
                segment.header.options.mptcp.isEmpty, segment.header.options.dss != nil
            {
                isDone = true
                segment.header.options.mptcp = [.removeAddress([AddressID(1)])]
            }
            return true
        }
        network.at(900) { network in
            #expect(network.information(network.server)?.subflows.count == 2)
        }
        #expect(network.run(.seconds(6)))
        network.expectIntact()
        let late = network.sightings.filter {
            $0.link == 1 && $0.isEntering && !$0.segment.payload.isEmpty
                && $0.time > network.milliseconds(600)
        }
        #expect(late.isEmpty)
        #expect(network.first("removed_address_answers", network.server) != nil)
    }

    /// The address of the first subflow was removed, and that subflow died: no other path goes there.
    @Test(arguments: [true, false])
    func removedInitialAddressIsNotJoined(isRemoved: Bool) {
        let network = TwoPathNetwork(.breakBeforeMake, upload: 0, download: 10_000_000)
        network.recordsPackets = true
        var isDone = false
        network.filter { [unowned network] segment, link, isForward in
            if !isDone, !isForward, network.simulation.now > network.milliseconds(300),
                segment.header.options.dss != nil
            {
                isDone = true
                if isRemoved { segment.header.options.mptcp.append(.removeAddress([.initial])) }
            }
            // What asks whether the address is still there does not arrive.
            return !(isDone && isForward && link == 0)
        }
        network.at(400) { $0.cut(0) }
        network.at(3_000) { $0.setInterface(1, isUp: true) }
        network.run(.seconds(6))
        #expect(joins(network).isEmpty == isRemoved)
    }

    /// Somebody says that both addresses were removed. Both answer, and the connection goes on over
    /// what it has; where the client really goes, what was under way does not count as an answer.
    @Test func removalOfAllLivingAddresses() {
        let network = TwoPathNetwork(.full, upload: 0, download: 10_000_000)
        var isDone = false
        network.filter { [unowned network] segment, _, isForward in
            if !isDone, isForward, network.simulation.now > network.milliseconds(300),
                segment.header.options.mptcp.isEmpty, segment.header.options.dss != nil
            {
                isDone = true
                segment.header.options.mptcp = [.removeAddress([.initial, AddressID(1)])]
            }
            return true
        }
        #expect(network.run(.seconds(6)))
        network.expectIntact()
        #expect(network.count("removed_address_answers", network.server) == 2)
        #expect(network.first("no_subflow_left", network.server) == nil)
    }

    @Test func whatWasUnderWayIsNoAnswer() throws {
        let network = TwoPathNetwork(.full, upload: 10_000_000, download: 0)
        network.at(300) { $0.setInterface(1, isUp: false) }
        #expect(network.run(.seconds(6)))
        network.expectIntact()
        let removed = try #require(network.first("address_removed_by_peer", network.server))
        let reset = try #require(network.first("subflow_reset", network.server))
        #expect(removed < reset)
        #expect(network.first("removed_address_answers", network.server) == nil)
    }

    /// The server forgets the connection, without a word: the next join is answered as one that
    /// nobody knows, and the client does not wait for its grace time.
    @Test func peerForgets() {
        let network = TwoPathNetwork(upload: 50_000_000, download: 0)
        network.at(500) { network in
            network.cut(0)
            network.cut(1)
            guard let handle = network.serverApp.handle else { return }
            network.simulation.perform(network.server) {
                $0.abort(handle, now: network.simulation.now)
            }
            network.cut(0, false)
            network.cut(1, false)
        }
        network.run(.seconds(4))
        network.expectSound()
        #expect(network.clientApp.closed == .reset)
        #expect(network.simulation.hosts[network.server].mib[.joinNoTokenFound] >= 1)
    }

    // MARK: What is remembered of a peer

    /// SYNs with MP_CAPABLE vanish: plain TCP after three, at once the next time, and another try
    /// with MPTCP when the time is over (kernel-peer, 14).
    @Test func blackhole() {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.client.blackholeTimeout = .seconds(30)
        let network = TwoPathNetwork(shape, upload: 100_000, download: 0)
        var isBlackhole = true
        network.filter { segment, _, _ in !(isBlackhole && segment.isSYN && segment.isCapable) }
        let stack = network.simulation.hosts[network.client]
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(stack.mib[.blackhole] == 1)
        #expect(stack.mib[.capableSYNDropped] == 1)
        // The SYNs without option left at seven seconds.
        #expect(network.simulation.now > .zero + .seconds(7))

        let start = network.simulation.now
        network.connectAgain(upload: 100_000, download: 0)
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(network.simulation.now - start < .seconds(1))
        #expect(stack.mib[.capableSYNDisabled] == 1)

        isBlackhole = false
        network.simulation.run(until: network.simulation.now + .seconds(31))
        network.connectAgain(upload: 100_000, download: 0)
        network.run(.milliseconds(50))
        #expect(network.information(network.client)?.isFallback == false)
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(stack.mib[.blackhole] == 1)
    }

    /// Counters of a clean run with one join: what `nstat` shows on a kernel, and nothing else
    /// (kernel-peer, 19.5).
    @Test func countersOfACleanRun() {
        let network = TwoPathNetwork(upload: 2_000_000, download: 2_000_000)
        #expect(network.run(.seconds(5)))
        network.expectIntact()
        let client = network.simulation.hosts[network.client].mib
        #expect(
            client.nonZero.map(\.name) == [
                "MPCapableSYNTX", "MPCapableSYNACKRX", "MPJoinSynTx", "MPJoinSynAckRx",
            ])
        let server = network.simulation.hosts[network.server].mib
        #expect(
            server.nonZero.map(\.name) == [
                "MPCapableSYNRX", "MPCapableACKRX", "MPJoinSynRx", "MPJoinSynBackupRx",
                "MPJoinAckRx",
            ])
        #expect((client.nonZero + server.nonZero).allSatisfy { $0.count == 1 })
    }
}
