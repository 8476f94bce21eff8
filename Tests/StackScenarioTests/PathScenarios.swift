import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

/// Paths that go away, come back, or differ a lot.
@Suite struct PathScenarios {
    /// The first or the second of two used paths falls silent; what is left carries everything.
    @Test(arguments: [0, 1], [true, false])
    func dropOnePath(path: Int, isUpload: Bool) {
        let network = TwoPathNetwork(
            .full, upload: isUpload ? 2_500_000 : 0, download: isUpload ? 0 : 2_500_000)
        network.at(200) { $0.cut(path) }
        // The rest at the remaining rate, a suspicion, and slow start.
        let seconds = path == 0 ? 2.5 * 8 / 20 : 2.5 * 8 / 50
        #expect(network.run(.seconds(seconds * 1.2) + .milliseconds(1_500)))
        network.expectIntact()
        if path == 0 {
            let sender = isUpload ? network.client : network.server
            #expect(network.count("subflow_suspect", sender) > 0)
        }
    }

    /// A path comes back after a silence and is used again.
    @Test func silentPathReturns() {
        let network = TwoPathNetwork(.full, upload: 4_000_000, download: 0)
        network.at(200) { $0.cut(0) }
        network.at(700) { $0.cut(0, false) }
        network.run(.seconds(10))
        network.expectIntact()
        let recovered = network.first("subflow_recovered", network.client)
        #expect(recovered.map { $0 < network.milliseconds(1_500) } == true)
    }

    /// A satellite path with fifteen times the delay and ten times the rate of the other.
    @Test(arguments: [true, false])
    func satelliteAndTerrestrial(isUpload: Bool) {
        var shape = TwoPathNetwork.Shape.full
        shape.wifi = LinkProfile(
            rate: BitRate(bitsPerSecond: 1_000_000), oneWayDelay: .milliseconds(20))
        shape.lte = LinkProfile(
            rate: BitRate(bitsPerSecond: 10_000_000), oneWayDelay: .milliseconds(300))
        let network = TwoPathNetwork(
            shape, upload: isUpload ? 1_500_000 : 0, download: isUpload ? 0 : 1_500_000)
        // Slow start over 600 ms, the transfer itself, and twice that as slack.
        #expect(network.run(.seconds(3 * (5 * 0.6 + 1.5 * 8 / 10))))
        network.expectIntact()
    }

    /// Both paths are gone for a while; the connection outlives it without a subflow.
    @Test(arguments: [true, false])
    func breakBothAndReturnWithinGraceTime(isUpload: Bool) {
        let network = TwoPathNetwork(
            .breakBeforeMake, upload: isUpload ? 1_000_000 : 0,
            download: isUpload ? 0 : 1_000_000)
        network.at(200) { $0.setInterface(0, isUp: false) }
        network.at(20_000) { $0.setInterface(1, isUp: true) }
        #expect(network.run(.seconds(23)))
        network.expectIntact()
        #expect(network.first("no_subflow_left", network.client) != nil)
        network.expectNoLivelock(30_000)
    }

    /// The same with backup, where both interfaces go and the first one returns.
    @Test func breakBothWithBackupAndReturn() {
        let network = TwoPathNetwork(upload: 1_500_000, download: 1_500_000)
        network.at(200) { $0.setInterface(0, isUp: false) }
        network.at(220) { $0.setInterface(1, isUp: false) }
        network.at(5_000) { $0.setInterface(0, isUp: true) }
        #expect(network.run(.seconds(8)))
        network.expectIntact()
    }

    /// Too late: the grace time is over, both ends give up and say so.
    @Test func breakBothAndReturnAfterGraceTime() {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.client.connection.graceTime = .seconds(10)
        shape.server.connection.graceTime = .seconds(10)
        shape.server.connection.tcp.keepAliveIdle = .seconds(5)
        shape.server.connection.tcp.keepAliveInterval = .seconds(1)
        shape.server.connection.tcp.keepAliveProbes = 3
        let network = TwoPathNetwork(shape, upload: 1_500_000, download: 0)
        network.at(200) { $0.setInterface(0, isUp: false) }
        network.at(15_000) { $0.setInterface(1, isUp: true) }
        #expect(network.run(.seconds(40)))
        network.expectSound()
        #expect(network.clientApp.closed == .timedOut)
        #expect(network.serverApp.closed == .timedOut)
        #expect(network.first("join_sent", network.client) == nil)
    }

    /// The peer vanishes for ever in the middle of a transfer.
    @Test func abandon() {
        let network = TwoPathNetwork(.full, upload: 0, download: 1_500_000)
        network.at(200) {
            $0.cut(0)
            $0.cut(1)
        }
        // R2 of both subflows, the second one after the first, and the grace time.
        network.run(.seconds(3_000))
        network.expectSound()
        #expect(network.serverApp.closed == .timedOut)
        network.expectNoLivelock(20_000)
    }

    /// The interface is back before the peer has heard that it was gone.
    @Test(arguments: [2, 15, 40])
    func linkFlap(milliseconds: Int) {
        let network = TwoPathNetwork(upload: 4_000_000, download: 0)
        network.recordsPackets = true
        network.at(200) { $0.setInterface(0, isUp: false) }
        network.at(200 + milliseconds) { $0.setInterface(0, isUp: true) }
        #expect(network.run(.seconds(4)))
        network.expectIntact()
        // WiFi carries again what it carried before.
        let late = network.sightings.count {
            $0.link == 0 && $0.isForward && !$0.segment.payload.isEmpty
                && $0.time > network.milliseconds(600)
        }
        #expect(late > 100)
    }

    /// A NAT forgets the client's port: the server answers the unknown tuple with RST, and the
    /// client joins again.
    @Test func rebindingNAT() {
        let network = TwoPathNetwork(.breakBeforeMake, upload: 2_500_000, download: 0)
        let shift: UInt16 = 10_000
        var oldPort: UInt16?
        network.filter { [unowned network] segment, _, isForward in
            guard network.simulation.now > network.milliseconds(200) else {
                if isForward { oldPort = segment.header.sourcePort }
                return true
            }
            if isForward {
                if segment.header.sourcePort == oldPort { segment.header.sourcePort += shift }
                return true
            }
            if segment.header.destinationPort == oldPort { return false }
            if segment.header.destinationPort == oldPort.map({ $0 + shift }) {
                segment.header.destinationPort -= shift
            }
            return true
        }
        #expect(network.run(.seconds(4)))
        network.expectIntact()
        #expect(network.count("join_sent", network.client) == 1)
    }

    /// A backup carries nothing while the other path lives, everything once priorities change.
    @Test func backupAndPriority() {
        let network = TwoPathNetwork(upload: 2_000_000, download: 2_000_000)
        network.recordsPackets = true
        network.at(200) { network in
            network.simulation.perform(network.client) {
                let now = network.simulation.now
                $0.setBackup(false, address: TwoPathNetwork.lteAddress, now: now)
                $0.setBackup(true, address: TwoPathNetwork.wifiAddress, now: now)
            }
        }
        #expect(network.run(.seconds(6)))
        network.expectIntact()
        func carried(_ link: Int, _ isForward: Bool, from: Int64, to: Int64) -> Int {
            network.sightings.filter {
                $0.link == link && $0.isForward == isForward && $0.isEntering
                    && $0.time >= network.milliseconds(from) && $0.time < network.milliseconds(to)
            }.reduce(0) { $0 + $1.segment.payload.count }
        }
        #expect(carried(1, true, from: 0, to: 200) == 0)
        #expect(carried(1, false, from: 0, to: 200) == 0)
        // The client at once, the server after it has heard and its queue has drained.
        #expect(carried(1, true, from: 200, to: 5_000) > 0)
        #expect(carried(1, false, from: 200, to: 5_000) > 0)
        #expect(carried(0, true, from: 600, to: 5_000) == 0)
        #expect(carried(0, false, from: 600, to: 5_000) == 0)
    }
}
