import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

/// Paths that do not let MPTCP through (mptcp-behaviour, 11): the bytes arrive as plain TCP.
@Suite struct FallbackScenarios {
    enum Strip: CaseIterable {
        case syn, synACK, thirdACK, everythingUp, everythingDown, everything
    }
    enum Load: CaseIterable { case upload, download, both, none }

    @Test(arguments: Strip.allCases, Load.allCases)
    func strippedOptions(strip: Strip, load: Load) {
        let size = 300_000
        let network = TwoPathNetwork(
            upload: load == .upload || load == .both ? size : 0,
            download: load == .download || load == .both ? size : 0)
        network.recordsPackets = true
        network.filter { segment, link, isForward in
            guard link == 0 else { return true }
            let isHandshake = segment.header.flags.contains(.syn)
            let strips: Bool =
                switch strip {
                case .syn: segment.isSYN
                case .synACK: segment.isSYNACK
                case .thirdACK: isForward && !isHandshake && segment.isCapable
                case .everythingUp: isForward && !isHandshake
                case .everythingDown: !isForward && !isHandshake
                case .everything: !isHandshake
                }
            if strips { segment.stripMPTCP() }
            return true
        }
        // Some timeouts to notice, and the transfer.
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        network.expectNoLivelock(5_000)
        #expect(network.first("join_sent", network.client) == nil)
        if strip != .everythingDown || load != .none {
            #expect(network.first("fallback", network.client) != nil)
        }
    }

    /// SYNs with the option vanish; the third retransmission goes without (2.1, step 2).
    @Test func unansweredCapableSYNs() {
        let network = TwoPathNetwork(upload: 100_000, download: 100_000)
        network.filter { segment, _, _ in !(segment.isSYN && segment.isCapable) }
        #expect(network.run(.seconds(12)))
        network.expectIntact()
    }

    /// The options vanish in the middle of a connection that has no other path: it must end.
    @Test(arguments: [true, false], [true, false])
    func strippedInTheMiddle(upward: Bool, downward: Bool) {
        guard upward || downward else { return }
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.client.connection.graceTime = .seconds(5)
        shape.server.connection.graceTime = .seconds(5)
        shape.server.connection.tcp.keepAliveIdle = .seconds(10)
        shape.server.connection.tcp.keepAliveInterval = .seconds(1)
        let network = TwoPathNetwork(shape, upload: 1_500_000, download: 1_500_000)
        network.filter { [unowned network] segment, _, isForward in
            if network.simulation.now > network.milliseconds(150), isForward ? upward : downward {
                segment.stripMPTCP()
            }
            return true
        }
        #expect(network.run(.seconds(200)))
        network.expectSound()
        #expect(network.clientApp.closed != .finished)
        network.expectNoLivelock(50_000)
    }

    /// The same with a second path: the data goes there.
    @Test(arguments: [true, false])
    func strippedInTheMiddleOfOnePath(upward: Bool) {
        let network = TwoPathNetwork(.full, upload: 1_000_000, download: 1_000_000)
        network.filter { [unowned network] segment, link, isForward in
            if network.simulation.now > network.milliseconds(150), link == 0, isForward == upward {
                segment.stripMPTCP()
            }
            return true
        }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
    }

    // MARK: FIN of a peer that fell back

    /// The client has nothing to send, or one octet with MP_CAPABLE, and then falls back: its FIN is
    /// the only thing that says so, and the server goes on as well.
    @Test(arguments: [0, 1])
    func endOfAPeerThatFellBack(upload: Int) {
        let network = TwoPathNetwork(upload: upload, download: 60_000)
        network.filter { segment, _, isForward in
            let isLost = isForward ? !segment.isCapable : segment.payload.isEmpty
            if !segment.isSYN, !segment.isSYNACK, isLost { segment.stripMPTCP() }
            return true
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.first("fallback", network.client) != nil)
        #expect(network.first("fallback", network.server) != nil)
    }

    /// The server fell back and finished, and the infinite mapping is lost at first: the client does
    /// not answer its FIN with one, which would end the upload.
    @Test func finWithoutInfiniteMapping() {
        let network = TwoPathNetwork(upload: 60_000, download: 3_000)
        network.filter { [unowned network] segment, _, isForward in
            let isInfinite = segment.header.options.dss?.mapping?.length == 0
            let isHidden = isInfinite && network.simulation.now < network.milliseconds(200)
            if isForward ? !segment.payload.isEmpty : isHidden { segment.stripMPTCP() }
            return true
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.first("fallback", network.client) != nil)
    }

    /// The same once a join was answered: the client cannot fall back any more, and a server whose
    /// text it cannot read must not take its FIN for success.
    @Test func finBesideAnAnsweredJoin() {
        var shape = TwoPathNetwork.Shape.full
        shape.lte.oneWayDelay = .milliseconds(8)
        shape.client.connection.graceTime = .seconds(5)
        let network = TwoPathNetwork(shape, upload: 0, download: 3_000)
        var passed = 0
        network.filter { segment, link, isForward in
            guard link == 0, !segment.isSYN, !segment.isSYNACK else { return true }
            if !isForward, !segment.payload.isEmpty { passed += 1 }
            if isForward ? !segment.isCapable : passed > 1 { segment.stripMPTCP() }
            return true
        }
        #expect(network.run(.seconds(20)))
        network.expectSound()
        #expect(network.first("fallback", network.server) != nil)
        #expect(network.clientApp.closed != .finished && network.serverApp.closed != .finished)
    }

    /// The client gives up its only address when the server has just fallen back: the subflow stays
    /// open, since FIN would end the upload, and carries plain TCP.
    @Test func addressGivenUpBesideAFallback() {
        let network = TwoPathNetwork(.breakBeforeMake, upload: 60_000, download: 20_000)
        network.filter { segment, _, isForward in
            if isForward, !segment.payload.isEmpty { segment.stripMPTCP() }
            return true
        }
        network.at(35) { network in
            network.simulation.perform(network.client) {
                $0.giveUpAddress(TwoPathNetwork.wifiAddress, now: network.simulation.now)
            }
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.first("address_given_up", network.client) != nil)
        #expect(network.first("fallback", network.client) != nil)
    }

    /// A join whose first subflow is gone is no place to fall back to: what comes without a mapping is
    /// data sent again, not what follows.
    @Test func noFallbackOnAJoin() {
        var shape = TwoPathNetwork.Shape.full
        for path in [\TwoPathNetwork.Shape.client, \.server] {
            shape[keyPath: path].connection.graceTime = .seconds(5)
            shape[keyPath: path].connection.tcp.maximumRetransmissions = 5
        }
        let network = TwoPathNetwork(shape, upload: 0, download: 3_000)
        network.filter { [unowned network] segment, link, isForward in
            if link == 0, isForward, network.simulation.now > network.milliseconds(25) {
                return false
            }
            if link == 1, !isForward, !segment.isSYNACK { segment.stripMPTCP() }
            return true
        }
        network.at(70) { $0.setInterface(0, isUp: false) }
        #expect(network.run(.seconds(100)))
        network.expectSound()
        #expect(network.clientApp.received == 3_000)
        #expect(network.first("fallback", network.client) == nil)
    }

    // MARK: Checksums

    private func checksumShape(_ base: TwoPathNetwork.Shape) -> TwoPathNetwork.Shape {
        var shape = base
        shape.client.connection.usesChecksum = true
        return shape
    }

    /// Changes one octet of the first data segment behind `offset` octets on WiFi.
    private func corrupt(_ network: TwoPathNetwork, isForward: Bool, behind offset: Int) {
        var seen = 0
        var isDone = false
        network.filter { segment, link, forward in
            guard link == 0, forward == isForward, !segment.payload.isEmpty, !isDone else {
                return true
            }
            seen += segment.payload.count
            if seen > offset {
                isDone = true
                segment.payload[segment.payload.count / 2] ^= 0xff
            }
            return true
        }
    }

    /// One subflow: MP_FAIL, infinite mapping, and the changed octet is what the path delivers.
    @Test(arguments: [true, false], [0, 100_000])
    func checksumFailureAlone(isForward: Bool, offset: Int) throws {
        let network = TwoPathNetwork(
            checksumShape(.breakBeforeMake), upload: 300_000, download: 300_000)
        network.recordsPackets = true
        corrupt(network, isForward: isForward, behind: offset)
        #expect(network.run(.seconds(10)))
        let app = isForward ? network.serverApp : network.clientApp
        let other = isForward ? network.clientApp : network.serverApp
        let wrong = try #require(app.firstWrong)
        #expect(wrong >= offset && wrong < offset + 3_000)
        #expect(other.firstWrong == nil)
        #expect(app.received == 300_000 && other.received == 300_000)
        #expect(network.clientApp.closed == .finished && network.serverApp.closed == .finished)
        let fails = network.sightings.filter { $0.isEntering && $0.segment.isFail }
        #expect(fails.contains { $0.isForward != isForward })
        #expect(fails.contains { $0.isForward == isForward })
        let infinite = network.sightings.contains {
            $0.isForward == isForward && $0.segment.header.options.dss?.mapping?.length == 0
        }
        #expect(infinite)
        #expect(network.first("fallback", network.client) != nil)
        #expect(network.first("fallback", network.server) != nil)
    }

    /// Two subflows: the one that changes data is reset, and every byte arrives as it was sent.
    @Test(arguments: [true, false])
    func checksumFailureWithAnotherSubflow(isForward: Bool) {
        let network = TwoPathNetwork(checksumShape(.full), upload: 800_000, download: 800_000)
        network.recordsPackets = true
        // Behind the join: until then there is no other subflow.
        corrupt(network, isForward: isForward, behind: 600_000)
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        let reset = network.sightings.first { $0.link == 0 && $0.segment.isReset }
        #expect(reset?.segment.isFail == true)
        #expect(reset?.segment.resetReason == .middleboxInterference)
        #expect(network.first("fallback", network.client) == nil)
    }

    /// The data changes while a join is half open: the listener, who has not seen the join's third
    /// packet, asks for a fallback, and the opener, for whom the join is complete, ends the subflow
    /// instead. The join is still half open then, and has nothing to do with it.
    @Test func checksumFailureBesideHalfOpenJoin() {
        let network = TwoPathNetwork(checksumShape(.full), upload: 800_000, download: 0)
        network.recordsPackets = true
        var isAnswered = false
        var isDone = false
        network.filter { [unowned network] segment, link, isForward in
            if link == 1, isForward, !segment.isSYN {
                isAnswered = true
                return network.first("subflow_closed", network.server) != nil
            }
            if link == 0, isForward, !segment.payload.isEmpty, isAnswered, !isDone {
                isDone = true
                segment.payload[0] ^= 0xff
            }
            return true
        }
        // Whoever waits for a timer when the subflow has gone needs longer.
        #expect(network.run(.milliseconds(450)))
        network.expectIntact()
        #expect(network.first("checksum_failed", network.server) != nil)
        #expect(network.first("fallback", network.server) == nil)
        // First the subflow is gone, then the join is complete.
        let joined = network.log.last { host, event in
            host == network.server && event.name == "subflow_established"
        }
        let closed = network.first("subflow_closed", network.server)
        #expect(closed ?? .zero < joined?.event.time ?? .zero)
        // The opener may give up the slow join when everything has arrived; the listener resets nothing.
        let resets = network.sightings.filter { $0.isEntering && $0.segment.isReset }
        #expect(!resets.contains { !$0.isForward })
        #expect(resets.contains { $0.link == 0 })
    }

    /// Checksums on both paths, and nothing is wrong with them.
    @Test func checksumsHold() {
        let network = TwoPathNetwork(checksumShape(.full), upload: 500_000, download: 500_000)
        network.run(.seconds(10))
        network.expectIntact()
        #expect(network.first("checksum_failed", network.client) == nil)
        #expect(network.first("checksum_failed", network.server) == nil)
    }
}
