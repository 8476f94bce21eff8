import HostStack
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// IPv6, and IPv6 and IPv4 in one connection (RFC 8684, 3.2 and 3.4.1).
@Suite struct FamilyScenarios {
    private static let families: [TwoPathNetwork.Families] = [.v6, .wifiV6LTEV4]

    /// The handovers of the experiment, with the limits that IPv4 has.
    @Test(arguments: families, BreakKind.allCases)
    func handovers(families: TwoPathNetwork.Families, kind: BreakKind) {
        for makeFirst in [true, false] {
            for isUpload in [true, false] {
                let result = HandoverScenarios().run(
                    makeFirst: makeFirst, kind, isUpload: isUpload, .stream, families: families)
                result.network.expectIntact()
                #expect(result.network.count("join_sent", result.network.client) == 1)
                #expect(result.outage <= .milliseconds(makeFirst ? 150 : 365))
            }
        }
    }

    private func mixed(
        _ shape: TwoPathNetwork.Shape, octets: Int = 400_000
    ) -> TwoPathNetwork {
        var shape = shape
        shape.families = .wifiV6LTEV4
        let network = TwoPathNetwork(shape, upload: octets, download: octets)
        network.recordsPackets = true
        return network
    }

    /// Both families carry data, and the join names the address that the server announced.
    @Test func bothFamiliesAtOnce() throws {
        let network = mixed(.full, octets: 3_000_000)
        var seen: ConnectionInformation?
        network.at(200) { seen = $0.information($0.client) }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        let information = try #require(seen)
        #expect(information.subflows.map(\.tuple.local.address.isV6) == [true, false])
        #expect(information.subflows.map(\.tuple.remote.address.isV6) == [true, false])
        let announced = try #require(
            network.sightings.lazy.compactMap(\.segment.announcement).first)
        #expect(announced.address == TwoPathNetwork.serverEndpoint.address)
        let answer = try #require(
            network.sightings.lazy.filter { $0.link == 1 && $0.segment.isSYNACK }
                .flatMap(\.segment.header.options.mptcp).first)
        guard case .join(.synACK(_, let id, _, _)) = answer else {
            Issue.record("the answer is \(answer)")
            return
        }
        #expect(id == announced.addressID)
        let data = network.sightings.contains { $0.link == 1 && !$0.segment.payload.isEmpty }
        #expect(data)
    }

    /// Linux answers an announcement that overtakes the first data, and makes nothing of it: where
    /// neither arrives, the announcement is repeated behind them.
    @Test(arguments: [100_000, 100])
    func announcementDoesNotOvertakeTheFirstData(octets: Int) throws {
        let network = mixed(.full, octets: octets)
        network.filter { [unowned network] segment, _, isForward in
            isForward || network.simulation.now > network.milliseconds(1_500)
                || segment.payload.isEmpty && segment.announcement == nil
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        let arrived = try #require(
            network.sightings.first {
                !$0.isForward && !$0.isEntering && !$0.segment.payload.isEmpty
            })
        let announced = network.sightings.filter {
            !$0.isForward && $0.isEntering && $0.segment.announcement != nil
        }.map(\.time)
        #expect(announced.count { $0 < arrived.time } <= 1)
        // Once, however often it would have been repeated meanwhile.
        #expect(announced.count { $0 > arrived.time } == 1)
    }

    /// Break-before-make lives from what was announced before the break: the announcement is
    /// repeated until it is echoed.
    @Test func announcementIsRepeated() {
        let network = mixed(.breakBeforeMake)
        network.lose(2) { segment, _, _ in segment.announcement != nil }
        network.clientApp.released = 1_000
        network.at(1_500) { $0.setInterface(0, isUp: false) }
        network.at(1_700) {
            $0.setInterface(1, isUp: true)
            $0.release($0.client, $0.clientApp.total - 1_000)
        }
        #expect(network.run(.seconds(30)))
        network.expectIntact()
        #expect(network.count("join_sent", network.client) == 1)
    }

    /// Without an address of its family a path is no path: nothing is sent at random.
    @Test func nobodyAnnouncesAnything() {
        let network = mixed(.full)
        network.filter { segment, _, _ in segment.announcement == nil }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.count("join_sent", network.client) == 0)
        #expect(!network.sightings.contains { $0.link == 1 })
    }
}
