import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Data on a subflow before its fourth packet (fast-join, 5): what it gains, and that it loses nothing.
@Suite struct FastJoinScenarios {
    /// The table of fast-join, 1.1, for one direction: half a round trip is 30 ms.
    @Test(arguments: [
        (JoinVariant.standard, true, 150), (.earlyData, true, 90), (.synData, true, 30),
        (.standard, false, 120), (.earlyData, false, 120), (.synData, false, 60),
    ])
    func streamResumesAtTheLimit(variant: JoinVariant, isUpload: Bool, milliseconds: Int) {
        let result = HandoverScenarios().run(
            makeFirst: false, .linkDown, isUpload: isUpload, .stream, join: variant)
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(milliseconds) + .milliseconds(2))
    }

    /// Every variant and workload, wherever the break and whatever carries the data.
    @Test(
        arguments: [JoinVariant.earlyData, .synData],
        BreakKind.allCases.flatMap { kind in
            WorkloadKind.allCases.map { (kind, $0) }
        })
    func everyHandoverIsIntact(
        variant: JoinVariant, scenario: (kind: BreakKind, workload: WorkloadKind)
    ) {
        for makeFirst in [true, false] {
            for isUpload in [true, false] {
                let result = HandoverScenarios().run(
                    makeFirst: makeFirst, scenario.kind, isUpload: isUpload, scenario.workload,
                    join: variant, slowdown: 5)
                result.network.expectIntact()
            }
        }
    }

    /// Records in one direction, and a new path 200 ms behind the break.
    private func handover(
        client: JoinVariant = .synData, server: JoinVariant = .synData, isUpload: Bool = true,
        prepare: (TwoPathNetwork) -> Void
    ) -> HandoverScenarios.Result {
        HandoverScenarios().run(
            makeFirst: false, .linkDown, isUpload: isUpload, .stream, join: client,
            serverJoin: server, prepare: prepare)
    }

    /// Timestamps that somebody puts where there is just room for them: what answers has none.
    @Test(arguments: [true, false]) func addedTimestamps(inSYN: Bool) {
        let result = handover { network in
            network.filter { segment, link, _ in
                guard link == 1, inSYN ? segment.isSYN : segment.isSYNACK else { return true }
                segment.header.options.maximumSegmentSize = nil
                segment.header.options.windowScale = nil
                segment.header.options.isSACKPermitted = false
                segment.header.options.timestamps = Timestamps(value: 1, echo: 0)
                return true
            }
        }
        result.network.expectIntact()
        #expect(result.network.fastJoinCounters(result.network.server).accepted == 1)
        #expect(result.resume <= .milliseconds(32))
    }

    /// fast-join, 5.6, second row: a peer without fast join, or one that may not verify, gets the
    /// standard join, and not a millisecond more.
    @Test(arguments: [JoinVariant.standard, .earlyData])
    func peerWithoutDataInSYN(server: JoinVariant) {
        let result = handover(server: server) { _ in }
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(server == .standard ? 152 : 92))
        #expect(result.network.fastJoinCounters(result.network.client).sent == 0)
    }

    /// Nothing of fast join is on the wire unless both sides want it.
    @Test func standardSaysNothing() {
        let result = handover(client: .standard, server: .synData) { $0.recordsPackets = true }
        result.network.expectIntact()
        #expect(
            result.network.sightings.allSatisfy { sighting in
                !sighting.isForward || sighting.segment.fastJoin == nil
            })
    }

    /// The experimental option is stripped from the SYN: the payload is ignored by the acceptor.
    @Test func strippedOption() {
        let result = handover {
            $0.filter { segment, _, _ in
                if segment.isSYN {
                    segment.header.options.mptcp.removeAll {
                        if case .fastJoin = $0 { true } else { false }
                    }
                }
                return true
            }
        }
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(152))
        #expect(result.network.fastJoinCounters(result.network.client).ignored == 1)
    }

    /// The payload is cut off, or cut short: a MAC over less is a wrong MAC.
    @Test(arguments: [0, 100])
    func trimmedPayload(left: Int) {
        let result = handover {
            $0.filter { segment, _, _ in
                if segment.isSYN, segment.isJoin {
                    segment.payload = Array(segment.payload.prefix(left))
                }
                return true
            }
        }
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(152))
        #expect(result.network.fastJoinCounters(result.network.server).accepted == 0)
    }

    /// A proxy acknowledges what the SYN carried, and nobody DATA_ACKs it: the mapping follows, and
    /// without DATA_ACK the data goes another way.
    @Test func acknowledgedByStranger() {
        let result = handover { $0.simulation.middlebox = Self.proxy() }
        result.network.expectIntact()
        // The mapping goes out behind the fourth packet.
        #expect(result.resume <= .milliseconds(152))
        #expect(result.network.fastJoinCounters(result.network.client).ignored == 1)
        #expect(result.network.count("subflow_reset", result.network.client) == 0)
    }

    /// Acknowledges the payload of SYNs for the server and passes the payload on behind the handshake.
    private static func proxy() -> ([UInt8], Int, Bool) -> [[UInt8]] {
        var taken: [UInt8] = []
        var first: SequenceNumber?
        return { packet, link, isForward in
            guard link == 1, var segment = try? Segment(parsing: packet) else { return [packet] }
            if isForward, segment.isSYN, !segment.payload.isEmpty {
                taken = segment.payload
                first = segment.header.sequence + 1
                segment.payload = []
                if segment.header.options.mptcp.count > 1 {
                    segment.header.options.mptcp.removeLast()
                }
                return [segment.encodedPacket()]
            }
            if !isForward, segment.isSYNACK, let first {
                segment.header.acknowledgment = first + taken.count
                return [segment.encodedPacket()]
            }
            if isForward, segment.isJoinACK, let start = first {
                first = nil
                var data = segment
                data.header.options.mptcp = []
                data.header.options.dss = nil
                data.header.sequence = start
                data.payload = taken
                segment.header.sequence = start
                return [segment.encodedPacket(), data.encodedPacket()]
            }
            return [packet]
        }
    }

    /// Each packet of the handshake is lost once.
    @Test(arguments: ["SYN", "SYN/ACK", "third ACK", "fourth ACK"], [true, false])
    func lostHandshakePacket(name: String, isUpload: Bool) {
        for variant in [JoinVariant.earlyData, .synData] {
            let result = handover(client: variant, server: variant, isUpload: isUpload) {
                $0.lose { segment, link, isForward in
                    guard link == 1 else { return false }
                    switch name {
                    case "SYN": return segment.isSYN
                    case "SYN/ACK": return segment.isSYNACK
                    case "third ACK": return segment.isJoinACK
                    default:
                        return !isForward && !segment.isSYNACK && segment.payload.isEmpty
                    }
                }
            }
            result.network.expectIntact()
        }
    }

    /// The peer refuses a SYN with data and takes one without.
    @Test func refusedSYN() {
        let result = handover {
            $0.filter { segment, link, _ in
                if link == 1, segment.isSYN, !segment.payload.isEmpty {
                    // The token of nobody.
                    segment.header.options.mptcp[0] = .join(
                        .syn(
                            isBackup: false, addressID: AddressID(1), token: Token(1), nonce: 1))
                }
                // A box says no, and not the server that it does not know the connection.
                if segment.isReset { segment.header.options.mptcp = [] }
                return true
            }
        }
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(60 + 152))
        #expect(result.network.count("join_sent", result.network.client) == 2)
    }

    /// Random loss of every packet, many seeds: no octet is missing or twice.
    @Test(arguments: [JoinVariant.earlyData, .synData])
    func randomLoss(variant: JoinVariant) {
        for seed in 1...6 {
            for isUpload in [true, false] {
                var generator = SeededGenerator(seed: UInt64(seed))
                let result = handover(client: variant, server: variant, isUpload: isUpload) {
                    $0.filter { _, link, _ in link == 0 || generator.next() % 10 > 1 }
                }
                result.network.expectIntact()
            }
        }
    }
}

extension TwoPathNetwork {
    /// What became of fast joins at a host.
    func fastJoinCounters(_ host: Int) -> FastJoinCounters {
        simulation.hosts[host].fastJoins
    }
}

extension Segment {
    mutating func setFastJoin(_ option: FastJoinOption) {
        for (index, old) in header.options.mptcp.enumerated() {
            if case .fastJoin = old { header.options.mptcp[index] = .fastJoin(option) }
        }
    }

    var fastJoin: FastJoinOption? {
        for case .fastJoin(let option) in header.options.mptcp { return option }
        return nil
    }
}
