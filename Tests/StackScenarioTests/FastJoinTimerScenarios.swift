import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import Testing
import WireFormat

/// How long a SYN with an offer goes unanswered before one without leaves (fast-join, 5.4 rule 4): WiFi
/// is gone from 1.51 s to 1.71 s, and what the host knows of it is what it took before; LTE, which comes
/// up at 1.71 s instead, is new.
@Suite("Timer of a SYN with data") struct FastJoinTimerScenarios {
    private struct Result {
        var network: TwoPathNetwork
        /// From the new path on to the first new octet.
        var resume: Duration
        /// What the client's first subflow measured before the break.
        var roundTrip: Duration
    }

    private static let ready = 1_710

    private func handover(
        toLTE: Bool = false, delay: Int = 10, isUpload: Bool, server: JoinVariant = .synData,
        losing matches: @escaping (Segment) -> Bool = { _ in false }, count: Int = 1
    ) -> Result {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.wifi.oneWayDelay = .milliseconds(delay)
        shape.client.connection.fastJoin.variant = .synData
        shape.server.connection.fastJoin.variant = server
        let total = 200 * 75
        let network = TwoPathNetwork(
            shape, upload: isUpload ? total : 0, download: isUpload ? 0 : total)
        network.recordsPackets = true
        network.clientApp.released = 0
        network.serverApp.released = 0
        network.lose(count) { segment, _, _ in segment.isJoin && matches(segment) }
        for record in 0..<75 {
            network.at(1_400 + 20 * record) {
                $0.release(isUpload ? $0.client : $0.server, 200)
            }
        }
        var roundTrip = Duration.zero
        network.at(1_505) {
            roundTrip = $0.information($0.client)?.subflows.first?.smoothedRTT ?? .zero
        }
        network.at(1_510) { $0.setInterface(0, isUp: false) }
        network.at(Self.ready) { $0.setInterface(toLTE ? 1 : 0, isUp: true) }
        network.run(.seconds(60))
        let ready = network.milliseconds(Int64(Self.ready))
        let app = isUpload ? network.serverApp : network.clientApp
        let resume = app.firstArrival(after: ready).map { $0 - ready } ?? .seconds(60)
        return Result(network: network, resume: resume, roundTrip: roundTrip)
    }

    /// What a join of RFC 8684 takes on a path with this one-way delay.
    private func standard(_ delay: Int, isUpload: Bool) -> Duration {
        .milliseconds((isUpload ? 5 : 4) * delay)
    }

    private func joinSYNs(_ network: TwoPathNetwork) -> [Segment] {
        network.sightings.filter { $0.isEntering && $0.segment.isSYN && $0.segment.isJoin }
            .map(\.segment)
    }

    /// The SYN is lost: the standard join starts when the timer says so, neither later nor earlier.
    @Test(arguments: [10, 50, 150], [true, false])
    func knownPath(delay: Int, isUpload: Bool) {
        let result = handover(delay: delay, isUpload: isUpload) { $0.isSYN }
        result.network.expectIntact()
        let timeout = max(.milliseconds(250), result.roundTrip * 3)
        let standard = standard(delay, isUpload: isUpload)
        #expect(result.roundTrip >= .milliseconds(2 * delay))
        #expect(result.resume > timeout)
        #expect(result.resume <= timeout + standard + .milliseconds(4))
        let syns = joinSYNs(result.network)
        #expect(syns.map { $0.fastJoin != nil } == [true, false])
        let counters = result.network.fastJoinCounters(result.network.client)
        #expect(counters.synTimeouts == 1)
    }

    /// Nobody was there before: the timeout of RFC 6298.
    @Test(arguments: [true, false])
    func unknownPath(isUpload: Bool) {
        let result = handover(toLTE: true, isUpload: isUpload) { $0.isSYN }
        result.network.expectIntact()
        #expect(result.resume > .seconds(1))
        #expect(result.resume <= .seconds(1) + standard(30, isUpload: isUpload) + .milliseconds(4))
    }

    /// Nothing is lost: the timer has nothing to say.
    @Test(arguments: [true, false], [true, false])
    func nothingLost(toLTE: Bool, isUpload: Bool) {
        let result = handover(toLTE: toLTE, isUpload: isUpload)
        result.network.expectIntact()
        let delay = toLTE ? 30 : 10
        #expect(result.resume <= .milliseconds((isUpload ? 1 : 2) * delay + 3))
        #expect(joinSYNs(result.network).count == 1)
    }

    /// The second SYN is one like any other: it waits for the timeout of a first one.
    @Test func secondSYNLostToo() {
        let result = handover(isUpload: true, losing: { $0.isSYN }, count: 2)
        result.network.expectIntact()
        #expect(result.resume > .milliseconds(1_250))
        #expect(result.resume <= .milliseconds(1_250 + 50 + 4))
    }

    /// The SYN/ACK is lost: the second SYN has it sent again, and it says that the payload was taken.
    @Test(arguments: [true, false])
    func lostSYNACK(isUpload: Bool) {
        let result = handover(isUpload: isUpload) { $0.isSYNACK }
        result.network.expectIntact()
        let network = result.network
        #expect(network.fastJoinCounters(network.server).accepted == 1)
        #expect(network.fastJoinCounters(network.client).ignored == 0)
        #expect(network.fastJoinCounters(network.client).synTimeouts == 0)
        #expect(result.resume <= .milliseconds(isUpload ? 12 : 250 + 60 + 4))
    }

    /// A SYN without an offer is timed as RFC 6298 says, whatever the host knows.
    @Test func plainJoin() {
        let result = handover(isUpload: true, server: .standard) { $0.isSYN }
        result.network.expectIntact()
        #expect(result.resume > .seconds(1))
        #expect(result.resume <= .milliseconds(1_000 + 50 + 4))
    }
}
