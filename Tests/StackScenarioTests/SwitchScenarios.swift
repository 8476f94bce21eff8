import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

extension TwoPathNetwork.Shape {
    /// MultiMob at both ends; LTE is up and not joined.
    static var multimob: Self {
        var shape = Self()
        shape.client.connection.use(.multimob)
        shape.server.connection.signalsIdle = true
        shape.server.connection.scheduler = .followClient
        return shape
    }
}

extension TwoPathNetwork {
    /// Events of a name with their reasons, in order.
    func reasons(_ name: String, _ host: Int) -> [String] {
        log.compactMap { entry in
            guard entry.host == host, entry.event.name == name,
                case .text(let reason)? = entry.event.fields.first(where: { $0.name == "reason" })?
                    .value
            else { return nil }
            return reason
        }
    }

    /// Lets an application send records of `size` octets, one every `interval` ms.
    func stream(_ host: Int, size: Int, every interval: Int, from start: Int, count: Int) {
        if host == client { clientApp.released = 0 } else { serverApp.released = 0 }
        for step in 0..<count {
            at(start + interval * step) { $0.release(host, size) }
        }
    }

    func setDelay(_ link: Int, _ delay: Duration) {
        simulation.links[link].forward.profile.oneWayDelay = delay
        simulation.links[link].backward.profile.oneWayDelay = delay
    }
}

/// What makes MultiMob's client join another path (fast-join, 2.4 and 5.8).
@Suite("MultiMob") struct MultiMobScenarios {
    /// A pure download whose path goes silent: the client notices half a second later.
    @Test func idleTimerNoticesASilentDownload() throws {
        let network = TwoPathNetwork(.multimob, upload: 0, download: 20_000_000)
        network.invariantStride = 500
        network.at(1_500) { $0.cut(0) }
        network.run(.seconds(30))
        network.expectIntact()
        #expect(network.reasons("path_suspected", network.client) == ["idle-timer"])
        let noticed = try #require(network.first("path_suspected", network.client))
        #expect(noticed >= network.milliseconds(1_990))
        #expect(noticed <= network.milliseconds(2_050))
        #expect(network.first("join_sent", network.client) == noticed)
        // Then the join of LTE, two round trips; a third because what has arrived comes first.
        #expect(network.clientApp.largestGap.length <= .milliseconds(500 + 180 + 10))
    }

    /// Without the signal only the server's timeouts tell, and they tell the server only.
    @Test(arguments: [true, false])
    func withoutSignalTheServerTimesOut(isClientWilling: Bool) {
        var shape = TwoPathNetwork.Shape.multimob
        shape.client.connection.signalsIdle = isClientWilling
        shape.server.connection.signalsIdle = !isClientWilling
        let network = TwoPathNetwork(shape, upload: 0, download: 20_000_000)
        network.invariantStride = 500
        network.at(1_500) { $0.cut(0) }
        network.run(.seconds(6))
        network.expectSound()
        #expect(network.count("path_suspected", network.client) == 0)
        #expect(network.count("join_sent", network.client) == 0)
        let server = network.information(network.server)?.subflows.first
        #expect((server?.counters.timeouts ?? 0) >= 3)
    }

    /// Pauses that the peer announced are none of the timer's business, nor is data that was lost and
    /// came again after the last word.
    @Test func pausesAreNoSilence() {
        let network = TwoPathNetwork(.multimob, upload: 0, download: 30 * 10_000)
        network.stream(network.server, size: 10_000, every: 1_000, from: 300, count: 30)
        var seen = 0
        network.filter { segment, link, isForward in
            guard link == 0, !isForward, !segment.payload.isEmpty else { return true }
            seen += 1
            return seen % 37 != 5
        }
        network.run(.seconds(60))
        network.expectIntact()
        #expect(network.count("path_suspected", network.client) == 0)
        #expect(network.count("join_sent", network.client) == 0)
    }

    /// The server's timeout is asked for and told; a longer one is waited for.
    @Test func theTimerWaitsForTheServersTimeout() throws {
        var shape = TwoPathNetwork.Shape.multimob
        shape.server.connection.tcp.minimumRTO = .milliseconds(900)
        let network = TwoPathNetwork(shape, upload: 0, download: 20_000_000)
        network.invariantStride = 500
        network.recordsPackets = true
        network.at(1_500) { $0.cut(0) }
        network.run(.milliseconds(3_000))
        let noticed = try #require(network.first("path_suspected", network.client))
        #expect(noticed >= network.milliseconds(2_390))
        #expect(noticed <= network.milliseconds(2_600))
        let asked = network.sightings.count { sighting in
            sighting.isForward && sighting.isEntering
                && sighting.segment.header.options.mptcp.contains(.fastJoin(.timeoutRequest))
        }
        #expect(asked == 1)
    }

    /// The bit is set on what empties the send buffer, and on nothing before both ends know.
    @Test func theBitSaysThatNothingFollows() {
        let network = TwoPathNetwork(.multimob, upload: 5 * 5_000, download: 5 * 5_000)
        network.recordsPackets = true
        network.stream(network.client, size: 5_000, every: 200, from: 300, count: 5)
        network.stream(network.server, size: 5_000, every: 200, from: 310, count: 5)
        network.run(.seconds(10))
        network.expectIntact()
        for isForward in [true, false] {
            let data = network.sightings.filter {
                $0.isForward == isForward && $0.isEntering && !$0.segment.payload.isEmpty
            }
            let idle = data.filter { $0.segment.header.options.dss?.isIdle == true }
            #expect(idle.count == 5)
            #expect(data.count == 20)
            // The last segment of each five thousand octets.
            #expect(idle.allSatisfy { $0.segment.payload.count < 1_000 })
        }
    }

    /// A peer that did not agree, such as Linux, never sees the bit, and its options are not asked
    /// for anything.
    @Test(arguments: [SwitchPolicy.multimob, .backup])
    func anUnwillingPeerSeesNothing(policy: SwitchPolicy) {
        var shape = TwoPathNetwork.Shape()
        shape.client.connection.use(policy)
        // What Linux makes of CAPS: an option of a subtype that it does not know.
        let network = TwoPathNetwork(shape, upload: 100_000, download: 100_000)
        network.recordsPackets = true
        network.run(.seconds(10))
        network.expectIntact()
        var announcements = 0
        for sighting in network.sightings where sighting.isEntering {
            #expect(sighting.segment.header.options.dss?.isIdle != true)
            for case .fastJoin(let option) in sighting.segment.header.options.mptcp {
                #expect(sighting.isForward)
                guard case .capabilities(let features, _) = option else {
                    Issue.record("\(option) to a peer that knows nothing of it")
                    continue
                }
                #expect(features == .idleSignal)
                announcements += 1
            }
        }
        #expect(policy == .multimob ? announcements > 0 : announcements == 0)
    }

    // MARK: Sending

    /// An upload whose path goes silent: what is lost at once weighs little beside what was sent
    /// before, so that two timeouts in a row come before the oracle's next look, or with it.
    @Test(arguments: [true, false])
    func aSilentUploadIsNoticed(isBulk: Bool) throws {
        let network = TwoPathNetwork(
            .multimob, upload: isBulk ? 20_000_000 : 200 * 400, download: 0)
        network.invariantStride = 500
        if !isBulk { network.stream(network.client, size: 200, every: 20, from: 300, count: 400) }
        network.at(1_500) { $0.cut(0) }
        network.run(.seconds(30))
        network.expectIntact()
        let noticed = try #require(network.first("path_suspected", network.client))
        #expect(network.reasons("path_suspected", network.client) == ["rto"])
        #expect(noticed <= network.milliseconds(1_500 + 1_100))
        #expect(network.first("join_sent", network.client) == noticed)
    }

    /// Without it two timeouts in a row do.
    @Test func timeoutsNoticeASilentUpload() throws {
        var shape = TwoPathNetwork.Shape.multimob
        shape.client.connection.oracle = nil
        let network = TwoPathNetwork(shape, upload: 200 * 400, download: 0)
        network.stream(network.client, size: 200, every: 20, from: 300, count: 400)
        network.at(1_500) { $0.cut(0) }
        network.run(.seconds(30))
        network.expectIntact()
        #expect(network.reasons("path_suspected", network.client) == ["rto"])
        let noticed = try #require(network.first("path_suspected", network.client))
        #expect(noticed >= network.milliseconds(1_500 + 600))
        #expect(noticed <= network.milliseconds(1_500 + 1_000))
        let counters = network.information(network.client)?.counters.switching
        #expect(counters == nil || counters?.timeouts == 1)
    }

    /// fast-join, 8: 30 % of loss has the second path joined, 5 % does not.
    @Test(arguments: [1, 2, 3] as [UInt64], [0.05, 0.3])
    func lossDecides(seed: UInt64, loss: Double) {
        let network = TwoPathNetwork(.multimob, upload: 500 * 400, download: 0, seed: seed)
        // From here on: what becomes of handshakes is another matter.
        network.at(200) { network in
            network.simulation.links[0].forward.profile.loss = .bernoulli(loss)
            network.simulation.links[0].backward.profile.loss = .bernoulli(loss)
        }
        network.stream(network.client, size: 500, every: 20, from: 300, count: 400)
        network.run(.seconds(60))
        network.expectIntact()
        let joins = network.count("join_sent", network.client)
        #expect(loss < 0.1 ? joins == 0 : joins > 0, "\(network.names(network.client))")
        let reasons = network.reasons("path_suspected", network.client)
        #expect(reasons.first == (loss < 0.1 ? nil : "oracle-loss"))
        if loss > 0.1 {
            let reasons = network.reasons("path_suspected", network.client)
            #expect(reasons.contains { $0.hasPrefix("oracle") })
        }
    }

    // MARK: What follows

    /// A path that is heard again is trusted again, and the first one is used again.
    @Test func theFirstPathIsUsedAgain() {
        let network = TwoPathNetwork(.multimob, upload: 200 * 400, download: 0)
        network.stream(network.client, size: 200, every: 20, from: 300, count: 400)
        network.at(1_500) { $0.cut(0) }
        network.at(4_000) { $0.cut(0, false) }
        var late: [Int] = []
        network.at(7_000) { network in
            network.simulation.onPacket = { sighting in
                if sighting.isForward, sighting.isEntering, sighting.packet.count > 200 {
                    late.append(sighting.link)
                }
            }
        }
        network.run(.seconds(30))
        network.expectIntact()
        #expect(network.count("subflow_recovered", network.client) >= 1)
        #expect(!late.isEmpty)
        #expect(late.allSatisfy { $0 == 0 })
    }

    /// Another subflow is wanted while there is no interface for it: it is joined when one comes.
    @Test func theRequestWaitsForAnInterface() throws {
        var shape = TwoPathNetwork.Shape.multimob
        shape.isLTEUpAtStart = false
        let network = TwoPathNetwork(shape, upload: 0, download: 20_000_000)
        network.invariantStride = 500
        network.at(1_500) { $0.cut(0) }
        network.at(3_000) { $0.setInterface(1, isUp: true) }
        network.run(.seconds(30))
        network.expectIntact()
        #expect(network.first("join_sent", network.client) == network.milliseconds(3_000))
    }

    /// An interface that comes up is no reason to join it, but the first one that comes back.
    @Test func anInterfaceAloneIsNoReason() {
        var shape = TwoPathNetwork.Shape.multimob
        shape.isLTEUpAtStart = false
        let network = TwoPathNetwork(shape, upload: 200 * 300, download: 0)
        network.stream(network.client, size: 200, every: 20, from: 300, count: 300)
        network.at(1_000) { $0.setInterface(1, isUp: true) }
        network.at(2_000) { network in
            #expect(network.count("join_sent", network.client) == 0)
            network.setInterface(0, isUp: false)
            #expect(network.count("join_sent", network.client) == 1)
        }
        network.at(4_000) { network in
            network.setInterface(0, isUp: true)
            #expect(network.count("join_sent", network.client) == 2)
        }
        network.run(.seconds(30))
        network.expectIntact()
    }

    /// fast-join, 8: the client moves between two requests; a server that follows it answers where it
    /// was asked, one that does not finds out for itself first.
    @Test func theServerFollowsTheClient() {
        func worst(_ scheduler: SchedulerKind) -> Duration {
            var shape = TwoPathNetwork.Shape.full
            shape.server.connection.scheduler = scheduler
            let network = TwoPathNetwork(shape, upload: 1_000 * 20, download: 1_000 * 20)
            network.stream(network.client, size: 1_000, every: 300, from: 300, count: 20)
            network.serverApp.released = 0
            network.onRead = { network, host in
                guard host == network.server else { return }
                network.serverApp.released = network.serverApp.received / 1_000 * 1_000
            }
            network.at(1_750) { $0.cut(0) }
            network.run(.seconds(30))
            network.expectIntact()
            return network.clientApp.largestGap.length
        }
        let following = worst(.followClient)
        let usual = worst(.lowestRTT)
        #expect(following <= .milliseconds(300 + 200))
        #expect(usual - following >= .milliseconds(50), "\(usual) and \(following)")
    }
}

/// The rules of iOS, and the policies that need no trigger.
@Suite("Policies") struct PolicyScenarios {
    private static var ios: TwoPathNetwork.Shape {
        var shape = TwoPathNetwork.Shape()
        shape.client.connection.use(.ios)
        return shape
    }

    private func upload(
        _ shape: TwoPathNetwork.Shape = ios, count: Int = 400,
        _ prepare: (TwoPathNetwork) -> Void
    ) -> TwoPathNetwork {
        let network = TwoPathNetwork(shape, upload: 200 * count, download: 0)
        network.stream(network.client, size: 200, every: 20, from: 300, count: count)
        prepare(network)
        network.run(.seconds(60))
        network.expectIntact()
        return network
    }

    /// A slow primary: the backup has the data until the primary is fast again.
    @Test func roundTripMovesDataAndBack() throws {
        var shape = Self.ios
        shape.wifi.oneWayDelay = .milliseconds(350)
        let network = upload(shape, count: 600) { network in
            network.at(5_000) { $0.setDelay(0, .milliseconds(10)) }
        }
        let reasons = network.reasons("policy_switch", network.client)
        #expect(reasons == ["round-trip", "recovered"])
        let joined = try #require(network.first("subflow_established", network.client))
        let moved = try #require(network.first("policy_switch", network.client))
        #expect(moved - joined < .seconds(2))
    }

    /// A primary that went silent: nothing moves before its timeout, and then everything does.
    @Test func timeoutMovesData() throws {
        let network = upload { $0.at(1_510) { $0.cut(0) } }
        #expect(network.reasons("policy_switch", network.client).first == "timeout")
        let moved = try #require(network.first("policy_switch", network.client))
        #expect(moved >= network.milliseconds(1_510 + 200))
        #expect(moved <= network.milliseconds(1_510 + 500))
        #expect(network.count("policy_switch", network.client) == 1)
        let gap = network.serverApp.largestGap.length
        #expect(gap > .milliseconds(200) && gap < .milliseconds(550))
    }

    /// The timeout grows with the variation, while the smoothed round trip stays below its limit.
    @Test func longTimeoutMovesData() {
        var shape = Self.ios
        shape.wifi.oneWayDelay = .milliseconds(5)
        let network = upload(shape) { $0.at(2_000) { $0.setDelay(0, .milliseconds(297)) } }
        #expect(network.reasons("policy_switch", network.client).first == "long-timeout")
    }

    /// MP_PRIO tells the server: what it sends comes over the backup, too.
    @Test func theServerHearsOfIt() {
        var shape = Self.ios
        shape.wifi.oneWayDelay = .milliseconds(350)
        let network = TwoPathNetwork(shape, upload: 200 * 400, download: 200 * 400)
        network.stream(network.client, size: 200, every: 20, from: 300, count: 400)
        network.stream(network.server, size: 200, every: 20, from: 300, count: 400)
        var late: [Int] = []
        network.at(4_000) { network in
            network.simulation.onPacket = { sighting in
                if !sighting.isForward, sighting.isEntering, sighting.packet.count > 200 {
                    late.append(sighting.link)
                }
            }
        }
        network.run(.seconds(60))
        network.expectIntact()
        #expect(network.count("priority_received", network.server) == 2)
        #expect(!late.isEmpty && late.allSatisfy { $0 == 1 })
        let counters = network.information(network.client)?.counters.switching
        #expect(counters == nil || counters?.roundTripSwitches == 1)
    }

    /// Every octet on every path, by policy alone.
    @Test func redundantNeedsNoScheduler() {
        var shape = TwoPathNetwork.Shape()
        shape.client.connection.use(.redundant)
        let network = upload(shape) { $0.at(1_510) { $0.cut(0) } }
        #expect(network.serverApp.largestGap.length < .milliseconds(45))
    }

    /// REMOVE_ADDR goes out once, or again; when the only one is lost, the server's timeouts tell it.
    @Test(arguments: [true, false])
    func removalsAreRepeated(isRepeated: Bool) {
        var shape = TwoPathNetwork.Shape()
        shape.client.connection.repeatsRemovals = isRepeated
        let network = TwoPathNetwork(shape, upload: 0, download: 200 * 400)
        network.stream(network.server, size: 200, every: 20, from: 300, count: 400)
        network.recordsPackets = true
        network.lose { segment, _, _ in segment.isRemoval }
        network.at(1_510) { $0.setInterface(0, isUp: false) }
        network.run(.seconds(60))
        network.expectIntact()
        let removals = network.sightings.count {
            $0.isForward && !$0.isEntering && $0.segment.isRemoval
        }
        #expect(removals == (isRepeated ? 2 : 0))
        #expect(
            network.count("address_removed_by_peer", network.server) == (isRepeated ? 1 : 0))
    }
}
