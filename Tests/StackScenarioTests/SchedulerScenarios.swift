import CongestionControl
import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

extension TwoPathNetwork {
    /// Octets of payload that the client's packets carried into each link within a time.
    func carriedPayload(from start: Duration, to end: Duration) -> [Int] {
        var carried = [0, 0]
        let chained = simulation.onPacket
        simulation.onPacket = { sighting in
            chained?(sighting)
            guard sighting.isForward, sighting.isEntering, sighting.time >= .zero + start,
                let segment = try? sighting.packet.withUnsafeBytes({
                    try SegmentView(parsing: $0, verification: .checksumNotReady)
                })
            else { return }
            carried[sighting.link] += segment.payload.count
        }
        run(end)
        simulation.onPacket = chained
        return carried
    }
}

@Suite("Schedulers") struct SchedulerScenarios {
    /// Octets that arrive in the two seconds behind the first one and a half.
    private static func goodput(_ shape: TwoPathNetwork.Shape) -> Int {
        let network = TwoPathNetwork(shape, upload: 200_000_000, download: 0)
        // Each check looks at every mapping, and thousands are on their way.
        network.invariantStride = 5_000
        network.run(.milliseconds(1_500))
        let before = network.serverApp.received
        network.run(.seconds(2))
        network.expectSound()
        return network.serverApp.received - before
    }

    /// Rates matter in relation only, and each packet takes its time: a fifth of the usual ones.
    private static var slowFull: TwoPathNetwork.Shape {
        var shape = TwoPathNetwork.Shape.full
        shape.wifi.rate = BitRate(bitsPerSecond: 10_000_000)
        shape.lte.rate = BitRate(bitsPerSecond: 4_000_000)
        return shape
    }

    private static func single(_ profile: LinkProfile) -> TwoPathNetwork.Shape {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.wifi = profile
        return shape
    }

    private static let wifiAlone = goodput(single(slowFull.wifi))
    private static let lteAlone = goodput(single(slowFull.lte))

    /// Two paths reach 97 % of what each reaches alone, in sum.
    @Test(arguments: [SchedulerKind.lowestRTT, .roundRobin, .blest])
    func aggregates(scheduler: SchedulerKind) {
        var shape = Self.slowFull
        shape.client.connection.scheduler = scheduler
        #expect(Double(Self.goodput(shape)) >= 0.97 * Double(Self.wifiAlone + Self.lteAlone))
    }

    /// Short messages take turns, whatever the round trips are.
    @Test func roundRobinTakesTurns() {
        var shape = TwoPathNetwork.Shape.full
        shape.client.connection.scheduler = .roundRobin
        // Two full segments each time.
        let network = TwoPathNetwork(shape, upload: 80 * 2_840, download: 0)
        network.clientApp.released = 0
        for step in 0..<80 {
            network.at(300 + 20 * step) { $0.release($0.client, 2_840) }
        }
        let carried = network.carriedPayload(from: .zero, to: .seconds(3))
        network.expectIntact()
        #expect(carried[0] + carried[1] >= 80 * 2_840)
        #expect(abs(carried[0] - carried[1]) < 20_000)
    }

    /// Every byte goes both ways round, and a path that dies without a word costs nothing.
    @Test(arguments: [true, false])
    func redundantOutlivesAPath(isUpload: Bool) {
        var shape = TwoPathNetwork.Shape.full
        shape.client.connection.scheduler = .redundant
        shape.server.connection.scheduler = .redundant
        let total = 200 * 400
        let network = TwoPathNetwork(
            shape, upload: isUpload ? total : 0, download: isUpload ? 0 : total)
        network.clientApp.released = 0
        network.serverApp.released = 0
        for step in 0..<200 {
            network.at(300 + 10 * step) { network in
                network.release(isUpload ? network.client : network.server, 400)
            }
        }
        network.at(1_000) { $0.cut(0) }
        var copies = 0
        network.at(900) { network in
            let host = isUpload ? network.client : network.server
            copies = network.information(host)?.counters.redundantBytes ?? 0
        }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        // 60 records on both paths by then.
        #expect(copies >= 50 * 400)
        let gap = (isUpload ? network.serverApp : network.clientApp).largestGap.length
        // LTE is 20 ms behind WiFi, a record comes every 10 ms.
        #expect(gap < .milliseconds(35))
    }

    /// Bulk through the redundant scheduler is as fast as the faster path.
    @Test func redundantBulk() {
        var shape = Self.slowFull
        shape.client.connection.scheduler = .redundant
        #expect(Double(Self.goodput(shape)) >= 0.95 * Double(Self.wifiAlone))
    }

    /// Without any backup flag one path carries everything until it is lost.
    @Test func backupStandsBy() {
        var shape = TwoPathNetwork.Shape.full
        shape.client.connection.scheduler = .backup
        let network = TwoPathNetwork(shape, upload: 20_000_000, download: 0)
        network.invariantStride = 500
        let before = network.carriedPayload(from: .zero, to: .seconds(1))
        #expect(before[0] > 4_000_000)
        #expect(before[1] == 0)
        network.cut(0)
        let after = network.carriedPayload(from: .zero, to: .seconds(1))
        #expect(after[1] > 1_000_000)
        network.expectSound()
    }

    // MARK: A window that is too small

    /// A slow path with ten times the round trip, and room for what the fast one needs only.
    private static func heterogeneous(_ scheduler: SchedulerKind) -> TwoPathNetwork.Shape {
        var shape = TwoPathNetwork.Shape.full
        shape.wifi = LinkProfile(
            rate: BitRate(bitsPerSecond: 20_000_000), oneWayDelay: .milliseconds(5))
        shape.lte = LinkProfile(
            rate: BitRate(bitsPerSecond: 5_000_000), oneWayDelay: .milliseconds(100))
        shape.wifi.queue = .time(.milliseconds(50))
        shape.lte.queue = .time(.milliseconds(200))
        shape.client.connection.scheduler = scheduler
        shape.server.connection.receiveBuffer = 200_000
        return shape
    }

    private static let blocked = goodput(heterogeneous(.lowestRTT))

    /// BLEST gives the slow path nothing that would block the fast one.
    @Test func blestDoesNotBlock() {
        var alone = Self.heterogeneous(.blest)
        alone.client.connection.policy = .singlePath
        alone.isLTEUpAtStart = false
        let fast = Double(Self.goodput(alone))
        let blest = Double(Self.goodput(Self.heterogeneous(.blest)))
        #expect(Double(Self.blocked) < 0.8 * fast)
        #expect(blest > 0.9 * fast)
    }

    /// Opportunistic retransmission and penalisation undo most of the blocking.
    @Test func opportunisticRetransmission() {
        var shape = Self.heterogeneous(.lowestRTT)
        shape.client.connection.opportunisticRetransmission = true
        #expect(Double(Self.goodput(shape)) > 1.15 * Double(Self.blocked))
        let network = TwoPathNetwork(shape, upload: 3_000_000, download: 0)
        network.at(1_500) { network in
            let counters = network.information(network.client)?.counters
            #expect((counters?.opportunisticRetransmissions ?? 0) > 0)
            #expect((counters?.penalties ?? 0) > 0)
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
    }
}
