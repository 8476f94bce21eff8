import HostStack
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

/// What routers say about packets: RFC 1191, RFC 8201, RFC 5927.
@Suite struct PathErrorScenarios {
    private static let families: [TwoPathNetwork.Families] = [.v4, .v6]

    private func router(_ families: TwoPathNetwork.Families) -> IPAddress {
        families == .v6 ? .v6(0x2001_0db8_0001_0000, 1) : .v4(0x0a00_0101)
    }

    private func network(
        _ families: TwoPathNetwork.Families, upload: Int = 400_000, download: Int = 0
    ) -> TwoPathNetwork {
        var shape = TwoPathNetwork.Shape()
        shape.families = families
        shape.client.connection.policy = .acceptOnly
        return TwoPathNetwork(shape, upload: upload, download: download)
    }

    /// Has a host receive a packet after some milliseconds.
    private func deliver(
        _ packet: [UInt8], to host: Int, after milliseconds: Int, _ network: TwoPathNetwork
    ) {
        network.simulation.at(network.simulation.now + .milliseconds(milliseconds)) {
            $0.perform(host) { stack in
                packet.withUnsafeBytes {
                    stack.receive(
                        $0, verification: .checksum, on: InterfaceID(1),
                        now: network.simulation.now)
                }
            }
        }
    }

    /// A router 5 ms away passes on no packets above a size, and says so.
    private func narrow(_ network: TwoPathNetwork, to mtu: Int, says: Int? = nil) {
        let router = router(network.families)
        network.simulation.middlebox = { packet, link, isForward in
            guard packet.count > mtu else { return [packet] }
            deliver(
                RouterMessage.tooBig(packet, mtu: says ?? mtu, from: router),
                to: isForward ? network.client : network.server, after: 5, network)
            return []
        }
    }

    /// The first flight is lost, and goes out in smaller segments as soon as the router has spoken:
    /// no timeout, and no smaller window.
    @Test(arguments: families, [true, false])
    func smallerSegmentsAtOnce(families: TwoPathNetwork.Families, isUpload: Bool) throws {
        let network = network(
            families, upload: isUpload ? 400_000 : 0, download: isUpload ? 0 : 400_000)
        let sender = isUpload ? network.client : network.server
        narrow(network, to: 1_300)
        var seen: ConnectionInformation?
        network.onRead = { network, _ in seen = network.information(sender) ?? seen }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.count("path_mtu_lowered", sender) == 1)
        let counters = try #require(seen?.subflows.first?.counters)
        #expect(counters.timeouts == 0 && counters.fastRecoveries == 0)
        let stack = network.simulation.hosts[sender]
        #expect(stack.counters.loweredMTUs == 1)
        // Late messages about the first flight are no news.
        #expect(stack.counters.malformed == 0)
        // 64 ms of line rate, one round trip for the handshake, slow start; a timeout is 1 s.
        let app = isUpload ? network.serverApp : network.clientApp
        let last = try #require(app.arrivals.last?.time)
        #expect(last < network.milliseconds(400))
    }

    /// RFC 1191, 5: a router that does not know its own MTU says 0.
    @Test func plateaus() {
        let network = network(.v4)
        narrow(network, to: 1_400, says: 0)
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        // 1492 does not fit either.
        #expect(network.count("path_mtu_lowered", network.client) == 2)
    }

    /// A liar cannot make segments as small as it wants.
    @Test(arguments: families)
    func floor(families: TwoPathNetwork.Families) throws {
        let network = network(families)
        network.recordsPackets = true
        var isTold = false
        network.simulation.middlebox = { packet, _, isForward in
            if !isTold, isForward, packet.count > 1_000 {
                isTold = true
                deliver(
                    RouterMessage.tooBig(packet, mtu: 68, from: router(families)),
                    to: network.client, after: 0, network)
            }
            return [packet]
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        let event = try #require(
            network.log.first { $0.event.name == "path_mtu_lowered" }?.event)
        #expect(
            event.fields.first { $0.name == "mtu" }?.value
                == .number(families == .v6 ? 1_280 : 552))
    }

    /// RFC 5927, 4.1: whoever does not see the flow does not know its sequence numbers.
    @Test(arguments: families)
    func forgedMessages(families: TwoPathNetwork.Families) {
        let network = network(families)
        var count = 0
        network.simulation.middlebox = { packet, _, isForward in
            guard isForward, packet.count > 1_000, count < 4,
                var segment = try? Segment(parsing: packet)
            else { return [packet] }
            count += 1
            segment.header.sequence += count % 2 == 0 ? 100_000_000 : -100_000_000
            let forged =
                count < 3
                ? RouterMessage.tooBig(segment.encodedPacket(), mtu: 600, from: router(families))
                : RouterMessage.unreachable(
                    segment.encodedPacket(), code: 1, from: router(families))
            deliver(forged, to: network.client, after: 0, network)
            return [packet]
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(count == 4)
        #expect(network.count("path_mtu_lowered", network.client) == 0)
        #expect(network.count("path_error", network.client) == 0)
        #expect(network.simulation.hosts[network.client].counters.outOfWindowErrors == 4)
    }

    /// RFC 1122, 4.2.3.9, RFC 5927, 5.2: no code ends a connection, be it never so final.
    @Test(arguments: families)
    func unreachableIsSoft(families: TwoPathNetwork.Families) {
        let network = network(families)
        network.recordsPackets = true
        var sent = 0
        var lost = 0
        network.simulation.middlebox = { packet, link, isForward in
            if isForward { sent += 1 }
            // The first SYN, and later some data.
            guard isForward, sent == 1 || (20..<25).contains(sent) else { return [packet] }
            lost += 1
            deliver(
                RouterMessage.unreachable(
                    packet, code: lost % 2 == 0 ? 1 : 3, from: router(families)),
                to: network.client, after: 5, network)
            return []
        }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(lost == 6)
        #expect(network.count("path_error", network.client) > 1)
    }

    /// RFC 1191, 3: what must not be fragmented says so; RFC 1700: 64 hops are enough.
    @Test(arguments: families)
    func headersAreSane(families: TwoPathNetwork.Families) {
        let network = network(families, download: 100_000)
        var isSane = true
        network.simulation.middlebox = { packet, _, _ in
            if families == .v6 {
                isSane = isSane && packet[7] == 64
            } else {
                isSane = isSane && packet[8] == 64 && packet[6] & 0xe0 == 0x40
            }
            return [packet]
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(isSane)
    }

    /// The network's own interface changes its MTU.
    @Test func interfaceBecomesSmaller() {
        let network = network(.v4)
        network.recordsPackets = true
        network.at(60) { network in
            network.simulation.perform(network.client) {
                $0.setInterface(
                    StackInterface(
                        id: InterfaceID(1), name: "wifi0", addresses: [network.families.wifi],
                        mtu: 1_000, isUp: true), now: network.simulation.now)
            }
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        let late = network.sightings.filter {
            $0.isForward && $0.isEntering && $0.time > network.milliseconds(60)
        }
        #expect(late.contains { $0.segment.payload.count > 800 })
        #expect(late.allSatisfy { $0.segment.payload.count <= 960 })
    }
}
