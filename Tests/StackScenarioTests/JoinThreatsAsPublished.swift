import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// The threats of data in the SYN of a join against Fast Join as it was published: the column between
/// naive and ours of the table in fast-join, 4, in the setting of `JoinThreats`.
@Suite("Threats of data in SYN+MP_JOIN: as published") struct JoinThreatsAsPublished {
    private static let stranger = JoinThreats.strangers[0]
    private static let junk = [UInt8](repeating: 0x41, count: 200)

    private func handover(
        _ workload: WorkloadKind = .stream, isUpload: Bool = true, slowdown: Int = 1,
        prepare: (TwoPathNetwork) -> Void
    ) -> HandoverScenarios.Result {
        HandoverScenarios().run(
            makeFirst: false, .linkDown, isUpload: isUpload, workload, join: .synData,
            slowdown: slowdown,
            shaping: {
                $0.client.connection.fastJoin.profile = .multimob
                $0.server.connection.fastJoin.profile = .multimob
            }
        ) {
            $0.recordsPackets = true
            $0.route(JoinThreats.strangers)
            prepare($0)
        }
    }

    private func counters(_ network: TwoPathNetwork) -> FastJoinCounters {
        network.fastJoinCounters(network.server)
    }

    /// Out with a payload of the attacker's and the checksum that goes with it.
    private func out(
        _ network: TwoPathNetwork, port: UInt16 = 6_666, token: Token, number: UInt32, hmac: UInt32
    ) -> Segment {
        var header = SegmentHeader(
            sourcePort: port, destinationPort: TwoPathNetwork.serverEndpoint.port,
            sequence: SequenceNumber(99), flags: .syn, window: 65_535)
        header.options.maximumSegmentSize = 1_460
        header.options.mptcp = [
            .multimob(
                .outSYN(
                    isBackup: false, addressID: AddressID(7), token: token,
                    dataSequenceNumber: number, hmac: hmac, length: UInt16(Self.junk.count),
                    checksum: checksum(network, number, Self.junk)))
        ]
        return Segment(
            source: Self.stranger, destination: TwoPathNetwork.serverEndpoint.address,
            header: header, payload: Self.junk)
    }

    /// Whoever saw a DSS knows the high half of the numbers.
    private func checksum(
        _ network: TwoPathNetwork, _ number: UInt32, _ payload: [UInt8]
    ) -> UInt16 {
        var start = DataSequenceNumber(0)
        for sighting in network.sightings where sighting.isForward {
            if case .full(let seen)? = sighting.segment.header.options.dss?.mapping?
                .dataSequenceNumber
            {
                start = DataSequenceNumber(seen)
            }
        }
        var sum = InternetChecksum()
        payload.withUnsafeBytes { sum.add($0) }
        return DSSMapping.checksum(
            dataSequenceNumber: DataSequenceNumber(expanding: number, near: start),
            subflowSequenceNumber: 1, length: UInt16(payload.count), payloadSum: sum)
    }

    /// Token and number are right, as luck has it: what is left to guess are 32 bits. Whoever hits them
    /// has the application read what he wrote.
    @Test("1: blind guess", arguments: [false, true])
    func blindGuess(isLucky: Bool) {
        var generator = SeededGenerator(seed: 1)
        let result = handover { network in
            network.at(337) { network in
                guard let token = network.information(network.server)?.localToken,
                    let keys = network.keys
                else { return }
                let number = network.expectedNumber
                for guess in 0..<6 {
                    let right = HandshakeScheme.v1.multimobHMAC(
                        token.rawValue, .low32(number), from: keys.client, to: keys.server)
                    let hmac =
                        isLucky && guess == 5
                        ? UInt32(right >> 32) : UInt32(truncatingIfNeeded: generator.next())
                    let syn = out(
                        network, port: 6_000 + UInt16(guess), token: token, number: number,
                        hmac: hmac)
                    network.inject(syn, to: .ours)
                }
            }
        }
        #expect(counters(result.network).badMAC == (isLucky ? 5 : 6))
        if isLucky {
            #expect(result.network.serverApp.firstWrong != nil)
        } else {
            result.network.expectIntact()
            #expect(result.resume <= .milliseconds(32))
        }
    }

    /// The HMAC of an earlier join is for its number, which is used up, and for no other.
    @Test("2: eavesdropper of a join", arguments: [true, false])
    func eavesdropperOfJoin(isSameNumber: Bool) {
        let result = handover { network in
            network.at(1_007) { network in
                let syn = network.sightings.first { $0.segment.isSYN && $0.link == 1 }
                guard
                    case .outSYN(_, _, let token, let number, let hmac, _, _)? =
                        syn?.segment.multimob
                else { return }
                let next = isSameNumber ? number : network.expectedNumber
                network.inject(
                    out(network, token: token, number: next, hmac: hmac), to: .ours)
            }
        }
        result.network.expectIntact()
        let counters = counters(result.network)
        #expect(counters.accepted == 1)
        #expect(counters.replayed == (isSameNumber ? 1 : 0))
        #expect(counters.badMAC == (isSameNumber ? 0 : 1))
    }

    /// Has strangers send copies of the client's first SYN so long after it left. What the server sends
    /// them reaches nobody; whoever `proves` himself needs no key for it.
    private func replay(
        _ network: TwoPathNetwork, from strangers: ArraySlice<IPAddress>, after delay: Int,
        proves: Bool, answered: @escaping (Segment) -> Void = { _ in }
    ) {
        var hasCopied = false
        network.filter { [unowned network] segment, link, isForward in
            guard link == 1 else { return true }
            if !isForward, strangers.contains(segment.destination) {
                answered(segment)
                if proves, segment.isSYNACK {
                    var header = SegmentHeader(
                        sourcePort: segment.header.destinationPort,
                        destinationPort: segment.header.sourcePort,
                        sequence: segment.header.acknowledgment,
                        acknowledgment: segment.header.sequence + 1, flags: .ack, window: 65_535)
                    header.options = TCPOptions()
                    let ack = Segment(
                        source: segment.destination, destination: segment.source, header: header)
                    network.simulation.at(network.simulation.now) { _ in
                        network.inject(ack, to: .ours)
                    }
                }
                return false
            }
            guard segment.isSYN, segment.multimob != nil, !hasCopied else { return true }
            hasCopied = true
            let syn = segment
            network.simulation.at(network.simulation.now + .milliseconds(delay)) { _ in
                for stranger in strangers {
                    var copy = syn
                    copy.source = stranger
                    network.inject(copy, to: .ours)
                }
            }
            return true
        }
    }

    /// Whoever overtakes the original has the subflow, and the client's SYN is refused; whoever comes
    /// later is refused himself.
    @Test("4: replay from another address", arguments: [5, 45], [true, false])
    func replayFromElsewhere(delay: Int, isUpload: Bool) {
        let result = handover(isUpload: isUpload) {
            replay($0, from: [Self.stranger], after: delay, proves: true)
        }
        let network = result.network
        network.expectIntact()
        let isFirst = delay < 30
        // WiFi, the client's LTE, and the stranger's.
        #expect(network.count("subflow_established", network.server) == (isFirst ? 3 : 2))
        let counters = counters(network)
        #expect(counters.accepted == 1)
        #expect(counters.replayed + counters.outOfWindow == 1)
        #expect(network.count("join_sent", network.client) == (isFirst ? 2 : 1))
    }

    /// The race as denial of service: one copy is enough, and the original is refused. It takes a round
    /// trip to learn that, and two more for MP_JOIN.
    @Test("5: race for the number", arguments: [1, 3])
    func raceForNumber(copies: Int) {
        let result = handover {
            replay($0, from: JoinThreats.strangers[..<copies], after: 5, proves: false)
        }
        let network = result.network
        network.expectIntact()
        let counters = counters(network)
        #expect(counters.accepted == 1)
        #expect(counters.replayed == copies)
        let established = network.log.last {
            $0.host == network.client && $0.event.name == "subflow_established"
        }
        let time = (established?.event.time ?? .zero) - Instant.zero
        #expect(time > .milliseconds(710 + 180) && time < .milliseconds(710 + 190))
    }

    /// The HMAC covers neither payload nor address ID; of the payload there is a checksum, which
    /// anybody can compute.
    @Test("6: changed SYN", arguments: ["payload", "payload and checksum", "address ID", "number"])
    func changedSYN(what: String) {
        let result = handover { network in
            network.filter { [unowned network] segment, link, _ in
                guard link == 1,
                    case .outSYN(
                        let isBackup, let id, let token, let number, let hmac, let n, let sum)? =
                        segment.multimob
                else { return true }
                if what.hasPrefix("payload") { segment.payload[0] ^= 1 }
                let isRepaired = what == "payload and checksum"
                segment.header.options.mptcp = [
                    .multimob(
                        .outSYN(
                            isBackup: isBackup, addressID: what == "address ID" ? AddressID(9) : id,
                            token: token,
                            dataSequenceNumber: what == "number" ? number ^ 1 : number,
                            hmac: hmac, length: n,
                            checksum: isRepaired
                                ? checksum(network, number, segment.payload) : sum))
                ]
                return true
            }
        }
        let counters = counters(result.network)
        switch what {
        case "payload and checksum":
            #expect(counters.accepted == 1)
            #expect(result.network.serverApp.firstWrong != nil)
        case "address ID":
            #expect(counters.accepted == 1)
            result.network.expectIntact()
        default:
            result.network.expectIntact()
            #expect(counters.accepted == 0)
            #expect(counters.badMAC + counters.outOfWindow == 1)
            #expect(result.resume <= .milliseconds(60 + 152))
        }
    }

    /// Somebody who never asked for it gets an initial window for one SYN with his address on it.
    @Test("7: spoofed source address", arguments: [true, false])
    func spoofedSource(isUpload: Bool) {
        var sent: [Segment] = []
        let result = handover(
            isUpload ? .stream : .bulk, isUpload: isUpload, slowdown: 5
        ) { network in
            network.serverApp = Application(total: 800_000, salt: network.serverApp.salt)
            replay(network, from: [Self.stranger], after: 5, proves: false) { sent.append($0) }
        }
        result.network.expectIntact()
        #expect(sent.first?.isSYNACK == true)
        let segments = Set(sent.filter { !$0.payload.isEmpty }.map(\.header.sequence))
        #expect(segments.count == 10)
    }

    /// What is left of the SYN looks like that of a new connection. Our listener takes no data with it,
    /// and its answer without MPTCP sends the client to MP_JOIN, a round trip later.
    @Test("9: stripped option", arguments: [true, false])
    func strippedOption(isUpload: Bool) {
        var handle: ConnectionHandle?
        let result = handover(isUpload: isUpload) { network in
            network.at(700) { handle = $0.serverApp.handle }
            network.filter { segment, link, _ in
                if link == 1, segment.multimob != nil { segment.stripMPTCP() }
                return true
            }
        }
        result.network.expectIntact()
        #expect(result.network.serverApp.handle == handle)
        #expect(counters(result.network).accepted == 0)
        #expect(result.resume <= .milliseconds(60 + 152))
    }

    /// A box drops what has data in its SYN, or an option that it does not know: behind a timeout the SYN
    /// is one of MP_JOIN.
    @Test("12: SYNs with data are dropped", arguments: [true, false])
    func droppedSYNs(isUpload: Bool) {
        let result = handover(isUpload: isUpload) {
            $0.filter { segment, link, _ in !(link == 1 && segment.multimob != nil) }
        }
        result.network.expectIntact()
        #expect(counters(result.network).accepted == 0)
        #expect(result.resume <= .milliseconds(1_152))
    }
}
