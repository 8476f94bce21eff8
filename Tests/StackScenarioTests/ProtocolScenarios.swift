import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// What stands in the packets: the rules that a Linux peer insists on, and determinism.
@Suite struct ProtocolScenarios {
    private func recorded(
        _ shape: TwoPathNetwork.Shape = .full, upload: Int = 300_000, download: Int = 300_000,
        seed: UInt64 = 1, prepare: (TwoPathNetwork) -> Void = { _ in }
    ) -> TwoPathNetwork {
        let network = TwoPathNetwork(shape, upload: upload, download: download, seed: seed)
        network.recordsPackets = true
        prepare(network)
        network.run(.seconds(30))
        network.expectIntact()
        return network
    }

    private func sent(_ network: TwoPathNetwork, link: Int, fromClient: Bool) -> [Segment] {
        network.sightings.filter {
            $0.isEntering && $0.link == link && $0.isForward == fromClient
        }.map(\.segment)
    }

    /// kernel-peer, 4.1: the first segment behind the listener's SYN/ACK carries DSS with DATA_ACK,
    /// and so does every later one.
    @Test func listenerShowsDataACKAtOnce() {
        let network = recorded()
        let segments = sent(network, link: 0, fromClient: false).filter {
            !$0.header.flags.contains(.syn)
        }
        #expect(segments.allSatisfy { $0.isReset || $0.header.options.dss?.dataACK != nil })
    }

    /// kernel-peer, 4.2: MP_CAPABLE with data on the segment behind the SYN, again when it is sent
    /// again, until the peer has answered.
    @Test func firstDataCarriesCapable() throws {
        var lost = 0
        let network = recorded(upload: 1_000, download: 0) {
            $0.filter { segment, link, isForward in
                let isEarly = link == 0 && isForward && !segment.header.flags.contains(.syn)
                guard isEarly, lost < 4 else { return true }
                lost += 1
                return false
            }
        }
        let data = sent(network, link: 0, fromClient: true).filter { !$0.payload.isEmpty }
        #expect(data.count >= 3)
        for segment in data {
            let capable = segment.header.options.mptcp.compactMap {
                if case .capable(let capable) = $0 { capable } else { nil }
            }.first
            #expect(capable?.dataLength == 1_000 && capable?.receiverKey != nil)
            #expect(segment.header.options.dss == nil)
        }
        #expect(network.first("fallback", network.client) == nil)
        #expect(network.first("fallback", network.server) == nil)
    }

    /// RFC 8684, 3.3.1: windows count from DATA_ACKs. That of the third packet, which has none, is there
    /// to start with: a peer whose first DATA_ACK says less is held to that (Linux: NoDSSInWindow).
    @Test func windowOfTheHandshakeIsOnlyToStartWith() {
        let room = 40_000
        var shift = 0
        let network = recorded(TwoPathNetwork.Shape(), upload: 0, download: 600_000) {
            $0.filter { segment, _, isForward in
                guard isForward else { return true }
                if segment.isSYN { shift = Int(segment.header.options.windowScale ?? 0) }
                if segment.header.options.dss?.dataACK != nil {
                    segment.header.window = min(segment.header.window, UInt16(room >> shift))
                }
                return true
            }
        }
        var handshake = 0
        var edge: UInt64?
        var sent = 0
        for sighting in network.sightings {
            let header = sighting.segment.header
            if sighting.isForward, !sighting.isEntering {
                if case .full(let acknowledged)? = header.options.dss?.dataACK {
                    edge = max(edge ?? 0, acknowledged + UInt64(header.window) << shift)
                } else if !sighting.segment.isSYN {
                    handshake = max(handshake, Int(header.window) << shift)
                }
            } else if !sighting.isForward, sighting.isEntering, let edge,
                let mapping = header.options.dss?.mapping,
                case .full(let start) = mapping.dataSequenceNumber
            {
                sent += 1
                #expect(start + UInt64(mapping.length) <= edge)
            }
        }
        #expect(handshake > 4 * room && sent > 300)
    }

    /// The later data comes before the one with MP_CAPABLE: the listener waits for it.
    @Test func reorderedFirstData() {
        var held: [UInt8]?
        var isHandshakeLost = false
        let network = recorded(upload: 20_000, download: 0) { network in
            network.simulation.middlebox = { packet, link, isForward in
                guard link == 0, isForward, let segment = try? Segment(parsing: packet),
                    !segment.header.flags.contains(.syn)
                else { return [packet] }
                if !isHandshakeLost {
                    isHandshakeLost = true
                    return []
                }
                if held == nil, segment.isCapable {
                    held = packet
                    return []
                }
                if let first = held, !first.isEmpty {
                    held = []
                    return [packet, first]
                }
                return [packet]
            }
        }
        #expect(network.first("fallback", network.server) == nil)
    }

    /// mptcp-behaviour, 5.2: every data segment has a mapping that covers it and nothing else, and
    /// each subflow octet has one place in the data sequence for ever.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func mappingsAreFunctions(seed: UInt64) {
        var shape = TwoPathNetwork.Shape.full
        shape.wifi.loss = .bernoulli(0.02)
        shape.lte.loss = .bernoulli(0.02)
        let network = recorded(shape, seed: seed)
        for fromClient in [true, false] {
            for link in 0...1 {
                var shifts: [UInt32: UInt64] = [:]
                var first: SequenceNumber?
                for segment in sent(network, link: link, fromClient: fromClient) {
                    if segment.header.flags.contains(.syn) { first = segment.header.sequence + 1 }
                    guard !segment.payload.isEmpty, let first else { continue }
                    guard let mapping = segment.header.options.dss?.mapping else {
                        #expect(segment.isCapable)
                        continue
                    }
                    let offset = first.distance(to: segment.header.sequence)
                    let start = Int(mapping.subflowSequenceNumber) - 1
                    #expect(start <= offset)
                    #expect(offset + segment.payload.count <= start + Int(mapping.length))
                    guard case .full(let dsn) = mapping.dataSequenceNumber else { continue }
                    let known = shifts[mapping.subflowSequenceNumber]
                    #expect(known == nil || known == dsn)
                    shifts[mapping.subflowSequenceNumber] = dsn
                }
            }
        }
    }

    /// kernel-peer, 7.2: the fourth packet of a join is a pure ACK with DSS, before any data.
    @Test func fourthPacketComesFirst() {
        let network = recorded(upload: 0, download: 3_000_000)
        let behind = sent(network, link: 1, fromClient: false).filter {
            !$0.header.flags.contains(.syn)
        }
        #expect(behind.first?.payload.isEmpty == true)
        #expect(behind.first?.header.options.dss?.dataACK != nil)
    }

    /// kernel-peer, 3.2: nothing stands beside MP_CAPABLE and MP_JOIN, and every header fits.
    @Test func combinations() {
        var shape = TwoPathNetwork.Shape.full
        shape.client.connection.usesChecksum = true
        shape.server.connection.announcedAddresses = [IPAddress.v4(0x0a00_0902)]
        let network = recorded(shape)
        for sighting in network.sightings {
            let options = sighting.segment.header.options
            #expect(options.encodedLength <= 40)
            if sighting.segment.isCapable || sighting.segment.isJoin {
                #expect(options.mptcp.count == 1 && options.dss == nil)
            }
            if sighting.segment.announcement != nil { #expect(options.dss == nil) }
        }
    }

    /// No join before the peer has shown that it speaks MPTCP (RFC 8684, 3.1).
    @Test func noJoinBeforeConfirmation() throws {
        let network = recorded()
        let join = try #require(network.first("join_sent", network.client))
        let dss = try #require(
            network.sightings.first {
                !$0.isEntering && !$0.isForward && $0.segment.header.options.dss?.dataACK != nil
            })
        #expect(join >= dss.time)
    }

    /// Reinjections are counted; those that were in vain too.
    @Test func reinjectionBookkeeping() throws {
        // WiFi falls silent for a moment only: the original arrives, late.
        let network = TwoPathNetwork(upload: 200 * 100, download: 0)
        network.clientApp.released = 0
        network.clientApp.finishes = false
        for record in 0..<100 {
            network.at(100 + 20 * record) { $0.release($0.client, 200) }
        }
        // ACKs of WiFi get lost for a while: everything arrives, nobody knows.
        network.filter { [unowned network] _, link, isForward in
            let now = network.simulation.now
            return isForward || link == 1 || now < network.milliseconds(500)
                || now > network.milliseconds(800)
        }
        network.run(.seconds(4))
        network.expectSound()
        #expect(network.serverApp.received == 200 * 100)
        let counters = try #require(network.information(network.client)?.counters)
        let peer = try #require(network.information(network.server)?.counters)
        #expect(counters.reinjectedBytes > 0)
        #expect(peer.duplicateBytes == counters.reinjectedBytes)
    }

    /// The same seed gives the same packets at the same times, whatever a dictionary's order is.
    @Test func sameSeedSamePackets() {
        var shape = TwoPathNetwork.Shape.full
        shape.wifi.loss = .bernoulli(0.02)
        shape.lte.jitter = .milliseconds(2)
        func run(_ seed: UInt64) -> [TwoPathNetwork.Sighting] {
            recorded(shape, seed: seed) { network in
                network.at(150) { $0.setInterface(0, isUp: false) }
                network.at(400) { $0.setInterface(0, isUp: true) }
            }.sightings
        }
        let first = run(7)
        let second = run(7)
        #expect(first.count == second.count)
        for (one, other) in zip(first, second) {
            #expect(one.time == other.time && one.segment == other.segment)
        }
        let other = run(8)
        let isSame =
            first.count == other.count
            && zip(first, other).allSatisfy { $0.segment == $1.segment }
        #expect(!isSame)
    }
}
