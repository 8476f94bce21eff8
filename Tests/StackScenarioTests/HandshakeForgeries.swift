import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

/// Segments that end a TCP handshake without being the third packet: TCP takes them, and whoever
/// sends them has proved nothing.
@Suite("Forged ends of a handshake") struct HandshakeForgeries {
    enum Forgery: CaseIterable {
        /// SYN/ACK, as if both had sent SYN (RFC 9293, figure 8).
        case synACK
        /// Text that begins before the window.
        case earlyText
    }

    /// On a path that brings nothing back: the client's stack sees none of it.
    private static let stranger = TwoPathNetwork.lteAddress
    private static let initialSequence = SequenceNumber(1_000_000)

    private func inject(
        _ network: TwoPathNetwork, port: UInt16, flags: TCPFlags, sequence: SequenceNumber,
        acknowledgment: SequenceNumber = SequenceNumber(0), payload: [UInt8] = [],
        options: TCPOptions = TCPOptions()
    ) {
        var header = SegmentHeader(
            sourcePort: port, destinationPort: TwoPathNetwork.serverEndpoint.port,
            sequence: sequence, acknowledgment: acknowledgment, flags: flags, window: 65_535)
        header.options = options
        let packet = Segment(
            source: Self.stranger, destination: TwoPathNetwork.serverEndpoint.address,
            header: header, payload: payload
        ).encodedPacket()
        network.simulation.perform(network.server) { stack in
            packet.withUnsafeBytes {
                stack.receive(
                    $0, verification: .checksum, on: InterfaceID(1), now: network.simulation.now)
            }
        }
    }

    /// The initial sequence number of the server's SYN/ACK to the stranger.
    private func answer(_ network: TwoPathNetwork, port: UInt16) -> SequenceNumber? {
        network.sightings.last {
            $0.segment.header.destinationPort == port && $0.segment.header.flags == [.syn, .ack]
        }?.segment.header.sequence
    }

    private func finish(_ network: TwoPathNetwork, _ forgery: Forgery, port: UInt16) {
        guard let number = answer(network, port: port) else { return }
        switch forgery {
        case .synACK:
            inject(
                network, port: port, flags: [.syn, .ack], sequence: Self.initialSequence,
                acknowledgment: number + 1)
        case .earlyText:
            inject(
                network, port: port, flags: .ack, sequence: Self.initialSequence,
                acknowledgment: number + 1, payload: [1, 2, 3, 4])
        }
    }

    /// Somebody has seen the token, and has no key: the join does not stand, and gets no data.
    @Test(arguments: Forgery.allCases)
    func join(_ forgery: Forgery) throws {
        let network = TwoPathNetwork(.breakBeforeMake, upload: 100_000, download: 1_000_000)
        network.recordsPackets = true
        network.run(.milliseconds(100))
        let token = try #require(network.information(network.server)?.localToken)
        var options = TCPOptions()
        options.mptcp = [
            .join(.syn(isBackup: false, addressID: AddressID(9), token: token, nonce: 7))
        ]
        network.at(100) { network in
            inject(
                network, port: 7_777, flags: .syn, sequence: Self.initialSequence,
                options: options)
        }
        network.at(102) { network in finish(network, forgery, port: 7_777) }
        network.run(.seconds(20))
        #expect(answer(network, port: 7_777) != nil)
        network.expectIntact()
        #expect(network.count("subflow_established", network.server) == 1)
        #expect(network.simulation.hosts[network.server].mib[.joinACKReceived] == 0)
        let data = network.sightings.filter {
            $0.segment.header.destinationPort == 7_777 && !$0.segment.payload.isEmpty
        }
        #expect(data.isEmpty)
    }

    /// A connection of whose peer nobody knows the key is plain TCP, and not polled for ever.
    @Test(arguments: Forgery.allCases)
    func connection(_ forgery: Forgery) {
        let network = TwoPathNetwork(.breakBeforeMake, upload: 0, download: 0)
        network.recordsPackets = true
        network.stepLimit = 20_000
        var options = TCPOptions()
        options.mptcp = [.capable(MPCapable())]
        network.at(1) { network in
            inject(
                network, port: 8_888, flags: .syn, sequence: Self.initialSequence,
                options: options)
        }
        network.at(3) { network in finish(network, forgery, port: 8_888) }
        network.simulation.run(until: network.milliseconds(5_000))
        #expect(answer(network, port: 8_888) != nil)
        #expect(network.log.contains { $0.host == network.server && $0.event.name == "fallback" })
        #expect(network.violationsSoFar.isEmpty)
        network.expectNoLivelock(1_000)
    }
}

/// Windows that open where nobody hears it, and readers that take little at a time.
@Suite("Windows of the connection") struct WindowScenarios {
    /// The window opens while its news is lost on the only regular path: the sender asks.
    @Test(arguments: [SwitchPolicy.backup, .full], [SchedulerKind.lowestRTT, .backup, .blest])
    func lostWindowUpdate(policy: SwitchPolicy, scheduler: SchedulerKind) {
        var shape = TwoPathNetwork.Shape.full
        shape.client.connection.policy = policy
        shape.client.connection.scheduler = scheduler
        shape.server.connection.receiveBuffer = 60_000
        let network = TwoPathNetwork(shape, upload: 300_000, download: 0)
        network.serverApp.isPaused = true
        network.at(1_000) { network in
            // What the server says now does not arrive on the first path.
            network.simulation.links[0].backward.setUp(false)
            network.serverApp.isPaused = false
            network.simulation.perform(network.server) { _ in network.pump(network.server) }
        }
        network.at(1_100) { $0.simulation.links[0].backward.setUp(true) }
        network.run(.seconds(60))
        network.expectIntact()
        #expect(network.simulation.now < network.milliseconds(20_000))
    }

    /// A reader that takes a hundred octets at a time does not make the sender send crumbs.
    @Test func slowReader() {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.server.connection.receiveBuffer = 20_000
        let network = TwoPathNetwork(shape, upload: 100_000, download: 0)
        network.recordsPackets = true
        network.serverApp.isPaused = true
        var buffer = [UInt8](repeating: 0, count: 100)
        for number in 0..<1_000 {
            network.at(200 + number * 2) { network in
                guard let handle = network.serverApp.handle else { return }
                network.simulation.perform(network.server) { stack in
                    let count = buffer.withUnsafeMutableBytes {
                        stack.read(from: handle, into: $0, now: network.simulation.now)
                    }
                    network.serverApp.received += count
                }
            }
        }
        network.at(2_300) { network in
            network.serverApp.isPaused = false
            network.simulation.perform(network.server) { _ in network.pump(network.server) }
        }
        network.run(.seconds(60))
        network.expectIntact()
        let texts = network.sightings.filter {
            $0.isForward && $0.isEntering && !$0.segment.payload.isEmpty
        }
        // 71 segments of 1420 octets, and windows whose edge the scale factor rounds down. With a
        // window for each read it were 800 more.
        #expect(texts.count < 140, "\(texts.count)")
    }
}
