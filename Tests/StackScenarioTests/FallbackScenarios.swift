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

    /// Checksums on both paths, and nothing is wrong with them.
    @Test func checksumsHold() {
        let network = TwoPathNetwork(checksumShape(.full), upload: 500_000, download: 500_000)
        network.run(.seconds(10))
        network.expectIntact()
        #expect(network.first("checksum_failed", network.client) == nil)
        #expect(network.first("checksum_failed", network.server) == nil)
    }
}
