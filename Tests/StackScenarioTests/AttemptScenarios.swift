import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// The first path is dead before there is a connection.
@Suite struct AttemptScenarios {
    typealias Sighting = TwoPathNetwork.Sighting

    static let policies: [SwitchPolicy] = [
        .singlePath, .backup, .full, .redundant, .multimob, .ios,
    ]

    static func network(
        _ policy: SwitchPolicy = .backup, _ change: (inout TwoPathNetwork.Shape) -> Void = { _ in }
    ) -> TwoPathNetwork {
        var shape = TwoPathNetwork.Shape()
        shape.client.connection.use(policy)
        change(&shape)
        let network = TwoPathNetwork(shape, upload: 100_000, download: 100_000)
        network.recordsPackets = true
        return network
    }

    /// What the client sent on a link, handshakes of subflows included.
    static func sent(_ network: TwoPathNetwork, on link: Int) -> [Sighting] {
        network.sightings.filter { $0.link == link && $0.isForward && $0.isEntering }
    }

    /// A second after the first SYN the other interface is tried, and answers.
    @Test(arguments: policies)
    func secondInterfaceConnects(policy: SwitchPolicy) {
        let network = Self.network(policy)
        network.cut(0)
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        let established = network.first("connection_established", network.client)
        #expect(established.map { $0 > network.milliseconds(1_060) } == true)
        #expect(established.map { $0 < network.milliseconds(1_070) } == true)
        #expect(network.count("connect_retried", network.client) == 1)
        #expect(network.count("connect_abandoned", network.client) == 1)
        #expect(network.count("connection_established", network.server) == 1)
    }

    /// The first path was slow, not dead: its answers come when the other one has won, and meet RST. No
    /// third packet leaves there, so the server knows one connection.
    @Test func lateAnswerMeetsReset() {
        let network = Self.network(.singlePath) { $0.wifi.oneWayDelay = .milliseconds(800) }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        network.simulation.run(until: network.simulation.now + .seconds(200)) { false }
        #expect(network.count("connection_established", network.server) == 1)
        let slow = Self.sent(network, on: 0)
        let answers = network.sightings.count {
            $0.link == 0 && !$0.isForward && !$0.isEntering && $0.segment.isSYNACK
        }
        #expect(answers > 0)
        #expect(slow.allSatisfy { $0.segment.isSYN || $0.segment.isReset })
        #expect(slow.count { $0.segment.isReset } == answers)
        network.expectSound()
    }

    /// SYN/ACKs are lost on the way back; the server repeats one when the other path has won.
    @Test func lostAnswers() {
        let network = Self.network(.singlePath)
        network.lose(4) { segment, link, isForward in
            link == 0 && !isForward && segment.isSYNACK
        }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(network.count("connection_established", network.server) == 1)
        network.simulation.run(until: network.simulation.now + .seconds(30)) { false }
        let first = Self.sent(network, on: 0)
        #expect(first.allSatisfy { $0.segment.isSYN || $0.segment.isReset })
        #expect(first.contains { $0.segment.isReset })
    }

    /// Where all is in vain the error comes as late as with one interface.
    @Test(arguments: [true, false])
    func deadEverywhere(isLTEUp: Bool) {
        let network = Self.network { $0.isLTEUpAtStart = isLTEUp }
        network.cut(0)
        network.cut(1)
        network.run(.seconds(200))
        #expect(network.clientApp.closed == .timedOut)
        #expect(
            network.first("connection_closed", network.client) == network.milliseconds(127_000))
        #expect(Self.sent(network, on: 0).count == 7)
        #expect(Self.sent(network, on: 1).count == (isLTEUp ? 7 : 0))
        #expect(network.count("connect_retried", network.client) == (isLTEUp ? 1 : 0))
        network.expectNoLivelock(200)
        network.expectSound()
    }

    /// Who may use one path only repeats its SYN there.
    @Test(arguments: [true, false])
    func staysWhereItMustStay(isPlain: Bool) {
        let network = Self.network(isPlain ? .backup : .acceptOnly) {
            if isPlain { $0.client.connection.isMultipath = false }
        }
        network.cut(0)
        network.run(.seconds(200))
        #expect(network.clientApp.closed == .timedOut)
        #expect(Self.sent(network, on: 1).isEmpty)
    }

    /// The interface goes away under the handshake: the other one is tried at once.
    @Test func interfaceGoesDown() {
        let network = Self.network()
        network.cut(0)
        network.at(300) { $0.setInterface(0, isUp: false) }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        let established = network.first("connection_established", network.client)
        #expect(established.map { $0 < network.milliseconds(370) } == true)
    }

    /// So it is when its address is given up; the peer hears of no removal.
    @Test func addressIsGivenUp() {
        let network = Self.network()
        network.cut(0)
        network.at(300) { network in
            network.simulation.perform(network.client) {
                $0.giveUpAddress(TwoPathNetwork.wifiAddress, now: network.simulation.now)
            }
        }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        let established = network.first("connection_established", network.client)
        #expect(established.map { $0 < network.milliseconds(370) } == true)
        #expect(!network.sightings.contains { $0.segment.isRemoval })
    }

    /// The second interface comes up only when the first one has been tried for long.
    @Test func interfaceComesUpLater() {
        let network = Self.network { $0.isLTEUpAtStart = false }
        network.cut(0)
        network.at(5_000) { $0.setInterface(1, isUp: true) }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        let established = network.first("connection_established", network.client)
        #expect(established.map { $0 < network.milliseconds(5_070) } == true)
    }

    /// The other path takes MP_CAPABLE away, or drops the SYNs that have it.
    @Test(arguments: [true, false])
    func fallbackOnTheSecondPath(isDropped: Bool) {
        let network = Self.network()
        network.cut(0)
        network.filter { segment, link, _ in
            guard link == 1, segment.hasMPTCP else { return true }
            segment.stripMPTCP()
            return !isDropped
        }
        #expect(network.run(.seconds(30)))
        network.expectIntact()
        #expect(network.count("fallback", network.client) == 1)
        #expect(network.count("join_sent", network.client) == 0)
    }

    /// What the peer says counts for the connection.
    @Test func refusedOnTheSecondPath() {
        let network = Self.network()
        network.cut(0)
        network.simulation.perform(network.server) {
            $0.stopListening(port: TwoPathNetwork.serverEndpoint.port)
        }
        network.run(.seconds(200))
        #expect(network.clientApp.closed == .refused)
        #expect(
            network.first("connection_closed", network.client).map {
                $0 < network.milliseconds(1_070)
            } == true)
        network.expectSound()
    }

    /// A backup that had to connect is a backup again once the preferred path is there.
    @Test func preferredPathTakesOver() {
        let network = Self.network()
        network.clientApp.released = 50_000
        network.cut(0)
        network.at(3_000) { $0.setInterface(0, isUp: false) }
        network.at(3_100) { $0.setInterface(0, isUp: true) }
        network.at(4_000) { $0.release($0.client, 50_000) }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(network.count("priority_received", network.server) == 1)
        func carried(_ link: Int) -> Int {
            network.sightings.filter {
                $0.link == link && $0.isForward && $0.isEntering
                    && $0.time >= network.milliseconds(4_000)
            }.reduce(0) { $0 + $1.segment.payload.count }
        }
        #expect(carried(0) == 50_000)
        #expect(carried(1) == 0)
    }

    /// A SYN with data may have reached the application: it is repeated where it was.
    @Test func dataInTheSYNStaysOnItsPath() {
        let network = Self.network {
            $0.client.fastOpen = true
            $0.server.fastOpen = true
        }
        #expect(network.run(.seconds(5)))
        network.cut(0)
        network.sightings = []
        network.connectAgain(upload: 1_000, download: 1_000, writesEarly: true)
        network.at(6_000) { $0.cut(0, false) }
        network.run(.seconds(20))
        network.expectIntact()
        #expect(Self.sent(network, on: 0).first.map { !$0.segment.payload.isEmpty } == true)
        #expect(!Self.sent(network, on: 1).contains { $0.segment.isCapable && $0.segment.isSYN })
    }
}
