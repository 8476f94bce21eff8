import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Joins that are refused, and joins whose packets get lost (mptcp-behaviour, 4).
@Suite struct JoinScenarios {
    private func network(_ shape: TwoPathNetwork.Shape = .full) -> TwoPathNetwork {
        let network = TwoPathNetwork(shape, upload: 400_000, download: 400_000)
        network.recordsPackets = true
        return network
    }

    private var slow: TwoPathNetwork.Shape {
        var shape = TwoPathNetwork.Shape.full
        shape.wifi.rate = BitRate(bitsPerSecond: 4_000_000)
        shape.lte.rate = BitRate(bitsPerSecond: 4_000_000)
        return shape
    }

    private func resets(_ network: TwoPathNetwork, fromClient: Bool) -> [MPTCPReset.Reason?] {
        network.sightings.filter {
            $0.link == 1 && $0.isEntering && $0.isForward == fromClient && $0.segment.isReset
        }.map(\.segment.resetReason)
    }

    private func expectRefused(_ network: TwoPathNetwork) {
        #expect(network.run(.seconds(3)))
        network.expectIntact()
        #expect(network.count("subflow_established", network.client) == 1)
        let data = network.sightings.contains { $0.link == 1 && !$0.segment.payload.isEmpty }
        #expect(!data)
    }

    @Test func badToken() {
        let network = network()
        network.filter { segment, _, _ in
            for case .join(.syn(let isBackup, let id, let token, let nonce))
                in segment.header.options.mptcp
            {
                segment.header.options.mptcp = [
                    .join(
                        .syn(
                            isBackup: isBackup, addressID: id, token: Token(token.rawValue ^ 1),
                            nonce: nonce))
                ]
            }
            return true
        }
        expectRefused(network)
        #expect(resets(network, fromClient: false) == [.mptcpSpecific])
    }

    @Test func badHMACOnSYNACK() {
        let network = network()
        network.filter { segment, _, _ in
            for case .join(.synACK(let isBackup, let id, let hmac, let nonce))
                in segment.header.options.mptcp
            {
                segment.header.options.mptcp = [
                    .join(
                        .synACK(isBackup: isBackup, addressID: id, hmac: hmac ^ 1, nonce: nonce))
                ]
            }
            return true
        }
        expectRefused(network)
        #expect(resets(network, fromClient: true) == [.mptcpSpecific])
        // Nothing of it stays half open at the server.
        let half = network.sightings.count { $0.link == 1 && $0.segment.isSYNACK && $0.isEntering }
        #expect(half == 1)
    }

    @Test func badHMACOnACK() {
        let network = network()
        network.filter { segment, _, _ in
            for case .join(.ack(var hmac)) in segment.header.options.mptcp {
                hmac.low ^= 1
                segment.header.options.mptcp = [.join(.ack(hmac: hmac))]
            }
            return true
        }
        expectRefused(network)
        #expect(resets(network, fromClient: false) == [.mptcpSpecific])
    }

    @Test func synACKWithoutOption() {
        let network = network()
        network.filter { segment, link, _ in
            if link == 1, segment.isSYNACK { segment.stripMPTCP() }
            return true
        }
        expectRefused(network)
        #expect(resets(network, fromClient: true) == [.mptcpSpecific])
    }

    @Test func overTheLimit() {
        var shape = TwoPathNetwork.Shape.full
        shape.server.connection.maximumExtraSubflows = 0
        let network = network(shape)
        expectRefused(network)
        #expect(resets(network, fromClient: false) == [.administrativelyProhibited])
    }

    /// The path strips MPTCP behind the SYNs: the opener gets no fourth packet and gives up.
    @Test func optionsStrippedBehindTheSYNs() {
        let network = network()
        network.filter { segment, link, _ in
            if link == 1, !segment.header.flags.contains(.syn) { segment.stripMPTCP() }
            return true
        }
        expectRefused(network)
    }

    enum Packet: CaseIterable { case first, second, third, fourth }

    /// Each packet of the handshake may get lost; the join comes about all the same, and no data
    /// crosses it before the fourth packet.
    @Test(arguments: Packet.allCases)
    func lostPacket(packet: Packet) throws {
        // Long enough for a SYN's timeout.
        let network = TwoPathNetwork(slow, upload: 800_000, download: 800_000)
        network.recordsPackets = true
        network.lose { segment, link, isForward in
            guard link == 1 else { return false }
            return switch packet {
            case .first: segment.isSYN
            case .second: segment.isSYNACK
            case .third: segment.isJoinACK
            case .fourth: !isForward && !segment.header.flags.contains(.syn)
            }
        }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(network.count("subflow_established", network.client) == 2)
        let established = try #require(
            network.log.last { $0.host == network.client && $0.event.name == "subflow_established" }
        )
        // One retransmission of a SYN, or the timer of the third packet, and two round trips.
        #expect(established.event.time < network.milliseconds(1_400))
        let firstData = try #require(
            network.sightings.first {
                $0.link == 1 && $0.isForward && !$0.segment.payload.isEmpty
            })
        #expect(firstData.time >= established.event.time)
    }

    /// The peer's reset allows another attempt.
    @Test func transientRefusalIsTriedAgain() {
        let network = TwoPathNetwork(slow, upload: 800_000, download: 0)
        network.recordsPackets = true
        var refusals = 0
        network.simulation.middlebox = { packet, link, isForward in
            guard link == 1, isForward, let segment = try? Segment(parsing: packet),
                segment.isSYN, refusals == 0
            else { return [packet] }
            refusals += 1
            var reset = segment
            reset.header.flags = [.rst, .ack]
            reset.header.sequence = SequenceNumber(0)
            reset.header.acknowledgment = segment.header.sequence + 1
            swap(&reset.source, &reset.destination)
            swap(&reset.header.sourcePort, &reset.header.destinationPort)
            reset.header.options = TCPOptions()
            reset.header.options.mptcp = [
                .reset(MPTCPReset(.lackOfResources, isTransient: true))
            ]
            let bytes = reset.encodedPacket()
            bytes.withUnsafeBytes {
                network.simulation.hosts[network.client].receive(
                    $0, verification: .checksum, on: InterfaceID(2), now: network.simulation.now)
            }
            return []
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.count("join_sent", network.client) == 2)
        #expect(network.count("subflow_established", network.client) == 2)
    }
}
