import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Peers and strangers that mean harm at connection level: what they can tie up is bounded, and is
/// counted under the kernel's names.
@Suite("Attacks on the multipath layer") struct AttackScenarios {
    private func network(
        _ shape: TwoPathNetwork.Shape = .breakBeforeMake, upload: Int = 1_000_000
    ) -> TwoPathNetwork {
        let network = TwoPathNetwork(shape, upload: upload, download: 0)
        network.clientApp.finishes = false
        return network
    }

    /// Has the server receive a SYN from nowhere, with MP_JOIN if there is a token.
    private func inject(_ network: TwoPathNetwork, token: Token?, number: Int) {
        var header = SegmentHeader(
            sourcePort: UInt16(10_000 + number),
            destinationPort: TwoPathNetwork.serverEndpoint.port,
            sequence: SequenceNumber(UInt32(truncatingIfNeeded: number &* 7_919)), flags: .syn,
            window: 65_535)
        header.options.maximumSegmentSize = 1_460
        if let token {
            let nonce = UInt32(truncatingIfNeeded: number)
            header.options.mptcp = [
                .join(.syn(isBackup: false, addressID: AddressID(9), token: token, nonce: nonce))
            ]
        }
        let packet = Segment(
            source: IPAddress.v4(0x0a00_0963),
            destination: TwoPathNetwork.serverEndpoint.address, header: header
        ).encodedPacket()
        network.simulation.perform(network.server) { stack in
            packet.withUnsafeBytes {
                stack.receive(
                    $0, verification: .checksum, on: InterfaceID(1), now: network.simulation.now)
            }
        }
    }

    private func mib(_ network: TwoPathNetwork, _ counter: MIBCounter) -> Int {
        network.simulation.hosts[network.server].mib[counter]
    }

    /// Somebody has seen the token: half-open joins are few, they end by themselves, and a join that
    /// can prove itself still gets through.
    @Test func joinFlood() throws {
        let network = network()
        network.run(.milliseconds(300))
        let token = try #require(network.information(network.server)?.localToken)
        for round in 0..<30 {
            network.at(300 + 100 * round) { network in
                for number in 0..<20 { inject(network, token: token, number: 20 * round + number) }
                let subflows = network.information(network.server)?.subflows.count ?? 0
                #expect(subflows <= 2 + 8)
            }
        }
        // LTE comes up in the middle of it; a refused join is tried again.
        network.at(1_000) { $0.setInterface(1, isUp: true) }
        network.at(1_010) { $0.setInterface(0, isUp: false) }
        network.run(.seconds(4))
        #expect(mib(network, .joinRejected) > 400)
        network.run(.seconds(30))
        #expect(network.information(network.server)?.subflows.count == 1)
        #expect(network.information(network.server)?.counters.joinsAccepted == 1)
        network.clientApp.finishes = true
        network.release(network.client, 0)
        #expect(network.run(.seconds(5)))
        network.expectIntact()
    }

    /// Each guess costs an RST and leaves nothing but a count.
    @Test func tokenGuessing() {
        let network = network()
        network.run(.milliseconds(300))
        let stack = network.simulation.hosts[network.server]
        let before = stack.counters.resetsSent
        for number in 0..<200 {
            inject(network, token: Token(UInt32(truncatingIfNeeded: number)), number: number)
        }
        #expect(mib(network, .joinNoTokenFound) == 200)
        #expect(stack.counters.resetsSent == before + 200)
        #expect(network.information(network.server)?.subflows.count == 1)
    }

    /// DATA_ACKs of what was never sent count for nothing: what a dead path holds is still there to
    /// be sent on the other one.
    @Test func optimisticDataACKs() {
        let network = TwoPathNetwork(.full, upload: 2_000_000, download: 0)
        var count = 0
        network.at(100) { $0.cut(0) }
        network.filter { segment, _, isForward in
            count += 1
            if !isForward, count % 3 == 0,
                case .full(let number)? = segment.header.options.dss?.dataACK
            {
                segment.header.options.dss?.dataACK = .full(number &+ 50_000_000)
            }
            return true
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
    }

    /// A second mapping says something else about octets that wait behind a gap: the subflow that
    /// contradicts itself is reset, and every byte arrives on the other one.
    @Test func contradictingMapping() {
        let network = TwoPathNetwork(.full, upload: 1_500_000, download: 0)
        network.recordsPackets = true
        var data = 0
        network.simulation.middlebox = { packet, link, isForward in
            guard link == 0, isForward, let segment = try? Segment(parsing: packet),
                !segment.payload.isEmpty
            else { return [packet] }
            data += 1
            if data == 100 { return [] }
            guard data == 110, var mapping = segment.header.options.dss?.mapping,
                case .full(let number) = mapping.dataSequenceNumber
            else { return [packet] }
            var liar = segment
            mapping.dataSequenceNumber = .full(number &+ 100)
            liar.header.options.dss?.mapping = mapping
            return [packet, liar.encodedPacket()]
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(mib(network, .mappingNotMatching) == 1)
        let reset = network.sightings.first { $0.link == 0 && $0.segment.isReset }
        #expect(reset?.segment.resetReason == .mptcpSpecific)
        #expect(network.first("fallback", network.server) == nil)
    }

    /// A mapping far beyond the window: its octets are thrown away, not stored far off, and the
    /// sender repeats them.
    @Test func mappingBeyondTheWindow() {
        let network = TwoPathNetwork(upload: 300_000, download: 0)
        var isDone = false
        network.filter { segment, _, isForward in
            guard isForward, !isDone, var mapping = segment.header.options.dss?.mapping,
                !segment.payload.isEmpty, case .full(let number) = mapping.dataSequenceNumber
            else { return true }
            isDone = true
            mapping.dataSequenceNumber = .full(number &+ 20_000_000)
            segment.header.options.dss?.mapping = mapping
            return true
        }
        #expect(network.run(.seconds(20)))
        network.expectIntact()
        #expect(mib(network, .outOfWindow) >= 1)
    }

    /// A stack that is short of memory takes only what closes gaps, and nobody new.
    @Test func memoryLimit() throws {
        var shape = TwoPathNetwork.Shape.full
        shape.server.memoryLimit = 100_000
        shape.wifi.loss = .bernoulli(0.02)
        shape.client.connection.sendBuffer = 500_000
        let network = TwoPathNetwork(shape, upload: 3_000_000, download: 0)
        network.serverApp.isPaused = true
        network.run(.seconds(1))
        let stack = network.simulation.hosts[network.server]
        #expect(stack.queuedBytes >= 100_000)
        #expect(stack.mib[.pruned] > 0)
        let token = try #require(network.information(network.server)?.localToken)
        inject(network, token: token, number: 1)
        #expect(stack.mib[.joinRejected] == 1)
        let before = stack.counters.droppedSYNs
        inject(network, token: nil, number: 2)
        #expect(stack.counters.droppedSYNs == before + 1)
        network.serverApp.isPaused = false
        network.release(network.server, 0)
        network.run(.seconds(30))
        network.expectSound()
        #expect(network.serverApp.received == 3_000_000)
    }
}
