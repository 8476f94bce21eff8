import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

/// Attacks on connections of the plain stack by somebody who knows the addresses and ports, and
/// guesses or sees the rest.
@Suite struct PathAttackers {
    private func network(
        upload: Int = 2_000_000, download: Int = 0,
        _ change: (inout TwoPathNetwork.Shape) -> Void = { _ in }
    ) -> TwoPathNetwork {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.client.connection.isMultipath = false
        shape.server.connection.isMultipath = false
        change(&shape)
        return TwoPathNetwork(shape, upload: upload, download: download)
    }

    /// A segment that says it comes from the client, made from one that does.
    private func forge(
        _ network: TwoPathNetwork, like segment: Segment, _ change: (inout Segment) -> Void
    ) {
        var forged = segment
        forged.header.options = TCPOptions()
        forged.payload = []
        forged.header.flags = .ack
        change(&forged)
        forged.payloadLength = forged.payload.count
        let packet = forged.encodedPacket()
        network.simulation.perform(network.server) { stack in
            packet.withUnsafeBytes {
                stack.receive(
                    $0, verification: .checksum, on: InterfaceID(1), now: network.simulation.now)
            }
        }
    }

    /// The last segment of the client that reached the server.
    private func last(_ network: TwoPathNetwork) -> Segment? {
        network.sightings.last { $0.isForward && !$0.isEntering }?.segment
    }

    /// Runs, and attacks the server a hundred times in the middle of the transfer. Returns how many
    /// challenge ACKs that made.
    @discardableResult
    private func attack(
        _ network: TwoPathNetwork, count: Int = 100, every milliseconds: Int = 2,
        _ change: @escaping (inout Segment, Int) -> Void
    ) -> Int {
        network.recordsPackets = true
        var challenges = 0
        for number in 0..<count {
            network.at(80 + number * milliseconds) { network in
                guard let segment = self.last(network), network.serverApp.closed == nil else {
                    return
                }
                self.forge(network, like: segment) { change(&$0, number) }
                let subflow = network.information(network.server)?.subflows.first
                challenges = subflow?.counters.challengeACKs ?? challenges
            }
        }
        network.run(.seconds(60))
        return challenges
    }

    // MARK: RFC 5961

    /// 3.2: an RST inside the window, but not at its edge, costs a challenge ACK at most.
    @Test func blindResets() {
        let network = network()
        let challenges = attack(network) { segment, number in
            segment.header.flags = .rst
            segment.header.sequence += 20_000 + number * 100
        }
        network.expectIntact()
        // Within 200 ms one, or one more at the edge.
        #expect((1...2).contains(challenges))
    }

    /// One that sees the path resets the connection, and both ends say so.
    @Test func exactReset() {
        let network = network()
        attack(network, count: 50) { segment, _ in
            segment.header.sequence += 1_448
            segment.header.flags = .rst
        }
        network.expectSound()
        #expect(network.serverApp.closed == .reset)
        #expect(network.clientApp.closed == .reset)
    }

    /// 4.2: a SYN within the window, or anywhere, is answered with a challenge ACK.
    @Test func blindSYNs() {
        let network = network()
        let challenges = attack(network) { segment, number in
            segment.header.flags = number % 2 == 0 ? .syn : [.syn, .ack]
            segment.header.sequence += number * 3_000
        }
        network.expectIntact()
        #expect((1...2).contains(challenges))
    }

    /// 5.2: data whose ACK lies outside what the peer may acknowledge does not get in.
    @Test func blindData() {
        let network = network()
        let challenges = attack(network) { segment, number in
            segment.header.sequence += 1_448 * (number % 8)
            segment.header.acknowledgment += number % 2 == 0 ? 1_000_000 : -100_000_000
            segment.payload = [UInt8](repeating: 0x41, count: 100)
        }
        network.expectIntact()
        #expect((1...2).contains(challenges))
    }

    /// The answers to an attacker are few, whatever he sends.
    @Test func challengesAreLimited() {
        let network = network(upload: 4_000_000)
        network.recordsPackets = true
        var sent = 0
        let challenges = attack(network, count: 400, every: 1) { segment, number in
            segment.header.flags = .syn
            segment.header.sequence += 50_000
            sent += 1
        }
        network.expectIntact()
        #expect(sent == 400)
        #expect((1...2).contains(challenges))
        // Pure ACKs that repeat what was said before, beside those that the data calls for.
        let forward = network.sightings.count { $0.isForward && !$0.isEntering }
        let backward = network.sightings.count { !$0.isForward && $0.isEntering }
        #expect(backward < forward + 20)
    }

    // MARK: Contradicting retransmissions

    /// The first copy of an octet wins, whatever comes later (RFC 9293, 3.10.7.4).
    @Test func contradictingRetransmissions() {
        let network = network()
        attack(network) { segment, number in
            // Behind what was delivered, over its edge, and over what waits out of order.
            segment.header.sequence = segment.header.sequence - 700 - number * 13
            segment.payload = [UInt8](repeating: 0x41, count: 700 + number * 13)
        }
        network.expectIntact()
    }

    /// The same against text that waits for a hole: it was lost on the way first.
    @Test func contradictionsBehindAHole() {
        let network = network()
        var lost = false
        network.simulation.middlebox = { packet, _, isForward in
            guard isForward, !lost, network.serverApp.received > 100_000, packet.count > 1_000
            else {
                return [packet]
            }
            lost = true
            return []
        }
        attack(network, count: 40, every: 1) { segment, number in
            segment.header.sequence = segment.header.sequence - number * 100
            segment.payload = [UInt8](repeating: 0x41, count: number * 100)
        }
        #expect(lost)
        network.expectIntact()
    }

    // MARK: Dishonest receivers

    /// Many ACKs for one segment do not open the window faster than one (RFC 3465).
    @Test func divisionOfACKs() {
        func rounds(_ pieces: Int) -> Duration {
            let network = network(upload: 1_000_000) { shape in
                shape.wifi.rate = BitRate(bitsPerSecond: 1_000_000_000)
                shape.wifi.oneWayDelay = .milliseconds(50)
                shape.wifi.queue = .packets(100_000)
                shape.client.connection.tcp.offersTimestamps = false
            }
            // Thousands of segments are on their way: looking at each takes longer than the test.
            network.invariantStride = 5_000
            var acknowledged: SequenceNumber?
            network.simulation.middlebox = { packet, _, isForward in
                guard !isForward, let segment = try? Segment(parsing: packet),
                    segment.header.flags == .ack, segment.payload.isEmpty
                else { return [packet] }
                defer { acknowledged = segment.header.acknowledgment }
                guard let first = acknowledged else { return [packet] }
                let step = first.distance(to: segment.header.acknowledgment)
                guard step > pieces else { return [packet] }
                return (1...pieces).map { number in
                    var piece = segment
                    piece.header.acknowledgment = first + step * number / pieces
                    return piece.encodedPacket()
                }
            }
            network.run(.seconds(60))
            network.expectIntact()
            return network.serverApp.lastProgress - .zero
        }
        #expect(rounds(40) >= rounds(1) - .milliseconds(1))
    }

    /// An ACK of what was never sent counts for nothing (RFC 5961, 5.2).
    @Test func optimisticACKs() {
        let network = network(upload: 0, download: 2_000_000)
        let challenges = attack(network) { segment, number in
            segment.header.acknowledgment += 500_000 + number * 10_000
        }
        network.expectIntact()
        #expect((1...2).contains(challenges))
    }

    /// A window of some octets, again and again, does not make the sender send crumbs
    /// (RFC 9293, 3.8.6.2.1).
    @Test func sillyWindow() {
        let network = network(upload: 60_000)
        network.recordsPackets = true
        network.simulation.middlebox = { packet, _, isForward in
            guard !isForward, var segment = try? Segment(parsing: packet),
                !segment.header.flags.contains(.syn)
            else { return [packet] }
            // 24 units of 128 octets, about two segments: every other ACK leaves room for a crumb.
            segment.header.window = min(segment.header.window, 24)
            return [segment.encodedPacket()]
        }
        network.run(.seconds(120))
        network.expectIntact()
        let sizes = network.sightings.filter {
            $0.isForward && $0.isEntering && !$0.segment.payload.isEmpty
        }.map(\.segment.payload.count)
        #expect(sizes.count { $0 < 1_000 } < sizes.count / 4, "\(sizes)")
    }

    /// A reader that takes a few octets at a time must not be told of a few octets of room.
    @Test func sillyReader() {
        let network = network(upload: 120_000) { shape in
            shape.server.connection.receiveBuffer = 20_000
        }
        network.recordsPackets = true
        network.serverApp.isPaused = true
        var buffer = [UInt8](repeating: 0, count: 37)
        for number in 0..<4_000 {
            network.at(100 + number) { network in
                guard let handle = network.serverApp.handle else { return }
                network.simulation.perform(network.server) { stack in
                    let count = buffer.withUnsafeMutableBytes {
                        stack.read(from: handle, into: $0, now: network.simulation.now)
                    }
                    network.serverApp.received += count
                }
            }
        }
        network.at(4_200) { network in
            network.serverApp.isPaused = false
            network.simulation.perform(network.server) { _ in network.pump(network.server) }
        }
        network.run(.seconds(60))
        network.expectIntact()
        let texts = network.sightings.filter {
            $0.isForward && $0.isEntering && !$0.segment.payload.isEmpty
        }
        #expect(texts.count < 120_000 / 1_000 * 2, "\(texts.count)")
    }

    // MARK: Floods

    /// A flood of SYNs from nowhere: the table stays bounded, the oldest give way, and whoever
    /// answers gets in.
    @Test func floodOfSYNs() {
        var shape = TwoPathNetwork.Shape()
        shape.server.maximumHalfOpen = 64
        let network = TwoPathNetwork(shape, upload: 200_000, download: 200_000)
        // 1000 SYNs a second: a place is lost after 64 ms, and a handshake takes 20 ms.
        let flood = 2_000
        for number in 0..<flood {
            network.at(number) { network in
                var syn = SegmentHeader(
                    sourcePort: UInt16(1_024 + number % 50_000),
                    destinationPort: TwoPathNetwork.serverEndpoint.port,
                    sequence: SequenceNumber(UInt32(number) &* 77_777), flags: .syn,
                    window: 1_000)
                if number % 3 == 0 { syn.options.mptcp = [.capable(MPCapable())] }
                let packet = Segment(
                    source: IPAddress.v4(0xc0a8_0000 + UInt32(number)),
                    destination: TwoPathNetwork.serverEndpoint.address, header: syn
                ).encodedPacket()
                network.simulation.perform(network.server) { stack in
                    packet.withUnsafeBytes {
                        stack.receive(
                            $0, verification: .checksum, on: InterfaceID(1),
                            now: network.simulation.now)
                    }
                }
            }
        }
        network.at(500) { $0.connect() }
        network.simulation.run(until: network.milliseconds(500))
        network.run(.seconds(20))
        network.expectIntact()
        // What is left of the flood times out; nothing stays behind.
        network.simulation.run(until: network.simulation.now + .seconds(300))
        let counters = network.simulation.hosts[network.server].counters
        // All but those that stand in the table when the flood ends, and the one that was accepted.
        #expect(counters.evictedHalfOpen >= flood - 64 - 1)
        #expect(counters.droppedSYNs == 0)
        #expect(network.simulation.hosts[network.server].invariantViolations.isEmpty)
    }
}
