import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// The threats of data in SYN+MP_JOIN against what the connection carries and where it goes, by the
/// rows of the table in fast-join, 4: what an acceptor suffers that believes every SYN, and what ours
/// does. WiFi breaks at 510 ms and LTE comes up at 710 ms; a SYN of the client's is 30 ms on its way.
@Suite("Threats of data in SYN+MP_JOIN: bytes") struct JoinThreats {
    static let strangers = (0..<64).map { IPAddress.v4(0xc633_6407 + UInt32($0)) }
    private static let junk = [UInt8](repeating: 0x41, count: 200)

    private func handover(
        _ workload: WorkloadKind = .stream, isUpload: Bool = true, slowdown: Int = 1,
        shaping: (inout TwoPathNetwork.Shape) -> Void = { _ in },
        prepare: (TwoPathNetwork) -> Void
    ) -> HandoverScenarios.Result {
        HandoverScenarios().run(
            makeFirst: false, .linkDown, isUpload: isUpload, workload, join: .synData,
            slowdown: slowdown, shaping: shaping
        ) {
            $0.recordsPackets = true
            $0.route(Self.strangers)
            prepare($0)
        }
    }

    /// A SYN that somebody makes up.
    private func forgery(
        _ network: TwoPathNetwork, port: UInt16 = 6_666, token: Token, mac: UInt64
    ) -> Segment {
        var header = SegmentHeader(
            sourcePort: port, destinationPort: TwoPathNetwork.serverEndpoint.port,
            sequence: SequenceNumber(99), flags: .syn, window: 65_535)
        header.options.maximumSegmentSize = 1_460
        header.options.mptcp = [
            .join(.syn(isBackup: false, addressID: AddressID(7), token: token, nonce: 5)),
            .fastJoin(
                .data(
                    isFollowedByFIN: false, dataSequenceNumber: network.expectedNumber, mac: mac)),
        ]
        return Segment(
            source: Self.strangers[0], destination: TwoPathNetwork.serverEndpoint.address,
            header: header, payload: Self.junk)
    }

    private func expectDamage(_ network: TwoPathNetwork) {
        #expect(network.serverApp.firstWrong != nil)
    }

    /// Token and number are right, as luck has it: what is left to guess are 64 bits.
    @Test("1: blind guess", arguments: Acceptor.allCases)
    func blindGuess(acceptor: Acceptor) {
        var generator = SeededGenerator(seed: 1)
        let result = handover { network in
            network.at(337) { network in
                guard let token = network.information(network.server)?.localToken else { return }
                for guess in 0..<6 {
                    let syn = forgery(
                        network, port: 6_000 + UInt16(guess), token: token, mac: generator.next())
                    network.inject(syn, to: acceptor)
                }
            }
        }
        let counters = result.network.fastJoinCounters(result.network.server)
        switch acceptor {
        case .naive:
            expectDamage(result.network)
            #expect(counters.bytesEarly >= Self.junk.count)
        case .ours:
            result.network.expectIntact()
            #expect(counters.badMAC == 6)
            #expect(counters.accepted == 1)
            #expect(result.resume <= .milliseconds(32))
        }
    }

    /// Whoever saw the SYN of an earlier join knows the token, and a MAC, which is for other bytes.
    @Test("2: eavesdropper of a join", arguments: Acceptor.allCases)
    func eavesdropperOfJoin(acceptor: Acceptor) {
        let result = handover { network in
            network.at(1_007) { network in
                let syn = network.sightings.first { $0.segment.isSYN && $0.segment.isJoin }
                guard case .join(.syn(_, _, let token, _))? = syn?.segment.header.options.mptcp[0],
                    case .data(_, _, let mac)? = syn?.segment.fastJoin
                else { return }
                network.inject(forgery(network, token: token, mac: mac), to: acceptor)
            }
        }
        let counters = result.network.fastJoinCounters(result.network.server)
        switch acceptor {
        case .naive:
            expectDamage(result.network)
            #expect(counters.accepted == 2)
        case .ours:
            result.network.expectIntact()
            #expect(counters.badMAC == 1)
            #expect(counters.accepted == 1)
        }
    }

    /// Whoever saw the keys is as good as the client, with us as with anybody: not repaired here.
    @Test("3: eavesdropper of the first handshake", arguments: Acceptor.allCases)
    func eavesdropperOfKeys(acceptor: Acceptor) {
        let result = handover { network in
            network.at(337) { network in
                guard let token = network.information(network.server)?.localToken else { return }
                var syn = forgery(network, token: token, mac: 0)
                network.sign(&syn)
                network.inject(syn, to: acceptor)
            }
        }
        expectDamage(result.network)
        #expect(result.network.fastJoinCounters(result.network.server).badMAC == 0)
    }

    /// Has strangers send copies of the client's first SYN so long after it left. What the server
    /// sends them is given to `answered`, and reaches nobody; a naive server does not wait for the
    /// third packet.
    private func replay(
        _ network: TwoPathNetwork, from strangers: ArraySlice<IPAddress>, after delay: Int,
        at acceptor: Acceptor, passesOriginal: @escaping () -> Bool = { true },
        answered: @escaping (Segment) -> Void = { _ in }
    ) {
        var original: Segment?
        network.filter { [unowned network] segment, link, isForward in
            guard link == 1 else { return true }
            if !isForward, strangers.contains(segment.destination) {
                answered(segment)
                if acceptor == .naive, segment.isSYNACK, var syn = original {
                    syn.source = segment.destination
                    network.prove(syn, answeredBy: segment)
                }
                return false
            }
            guard segment.isSYN, segment.fastJoin != nil, original == nil else { return true }
            let syn = segment
            original = syn
            network.simulation.at(network.simulation.now + .milliseconds(delay)) { _ in
                for stranger in strangers {
                    var copy = syn
                    copy.source = stranger
                    network.inject(copy, to: .ours)
                }
            }
            return passesOriginal()
        }
    }

    /// Whoever saw the SYN sends it from another address, before the original arrives or after: the
    /// original succeeds, and the replayer gets one full segment at most and is never established.
    @Test("4: replay from another address", arguments: [5, 45, 500], [true, false])
    func replayFromElsewhere(delay: Int, isUpload: Bool) {
        for acceptor in Acceptor.allCases {
            var answers: [Int] = []
            let result = handover(isUpload: isUpload) {
                replay(
                    $0, from: Self.strangers[..<1], after: delay, at: acceptor,
                    answered: { answers.append($0.payload.count) })
            }
            result.network.expectIntact()
            #expect(!answers.isEmpty)
            let established = result.network.count("subflow_established", result.network.server)
            switch acceptor {
            case .naive:
                // WiFi, the client's LTE, and the stranger's, who gets the stream from now on.
                #expect(established == 3)
                if !isUpload { #expect(answers.reduce(0, +) > 200) }
            case .ours:
                #expect(established == 2)
                #expect(answers.reduce(0, +) <= 1_460)
                let counters = result.network.fastJoinCounters(result.network.server)
                #expect(counters.accepted + counters.outOfWindow == 2)
                if isUpload { #expect(result.resume <= .milliseconds(32)) }
            }
        }
    }

    /// Copies overtake the original. Where a number counts once, the original comes too late and is
    /// lost; with us four are served at once, and behind more than that it is a standard join.
    @Test("5: race for the number", arguments: [1, 3, 4])
    func raceForNumber(copies: Int) {
        for acceptor in Acceptor.allCases {
            let result = handover { network in
                replay(
                    network, from: Self.strangers[..<copies], after: 5, at: .ours,
                    passesOriginal: { acceptor == .ours })
            }
            result.network.expectIntact()
            let counters = result.network.fastJoinCounters(result.network.server)
            let established = result.network.log.last {
                $0.host == result.network.client && $0.event.name == "subflow_established"
            }
            let time = (established?.event.time ?? .zero) - Instant.zero
            switch acceptor {
            case .naive:
                // The bytes came with a copy; the subflow has to wait for the SYN's timeout.
                #expect(time > .milliseconds(1_710))
            case .ours:
                #expect(counters.accepted == min(copies + 1, 4))
                #expect(counters.badMAC == 0)
                #expect(time > .milliseconds(710) && time < .milliseconds(840))
            }
        }
    }

    /// A bit of payload, data sequence number or MAC is changed on the way: the join is the standard
    /// one, and nothing of the SYN is believed.
    @Test("6: changed SYN", arguments: ["payload", "number", "mac", "address ID", "FIN"])
    func changedSYN(what: String) {
        let result = handover { network in
            network.filter { segment, link, _ in
                if link == 1, segment.isSYN { change(what, of: &segment) }
                return true
            }
        }
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(152))
        let counters = result.network.fastJoinCounters(result.network.server)
        #expect(counters.accepted == 0)
        #expect(counters.badMAC + counters.outOfWindow == 1)
        #expect(counters.bytesEarly == 0)
    }

    /// The same without a MAC: the application gets what the attacker wrote.
    @Test("6: changed SYN at a naive acceptor") func changedSYNBelieved() {
        let result = handover { network in
            network.filter { [unowned network] segment, link, _ in
                if link == 1, segment.isSYN {
                    change("payload", of: &segment)
                    network.sign(&segment)
                }
                return true
            }
        }
        expectDamage(result.network)
        #expect(result.network.fastJoinCounters(result.network.server).accepted == 1)
    }

    private func change(_ what: String, of segment: inout Segment) {
        guard case .data(let isFollowedByFIN, let number, let mac)? = segment.fastJoin,
            case .join(.syn(let isBackup, _, let token, let nonce)) =
                segment.header.options.mptcp[0]
        else { return }
        switch what {
        case "payload": segment.payload[0] ^= 1
        case "number":
            segment.setFastJoin(
                .data(isFollowedByFIN: false, dataSequenceNumber: number ^ 1, mac: mac))
        case "mac":
            segment.setFastJoin(
                .data(isFollowedByFIN: false, dataSequenceNumber: number, mac: mac ^ 1))
        case "FIN":
            segment.setFastJoin(
                .data(isFollowedByFIN: !isFollowedByFIN, dataSequenceNumber: number, mac: mac))
        default:
            segment.header.options.mptcp[0] = .join(
                .syn(isBackup: isBackup, addressID: AddressID(9), token: token, nonce: nonce))
        }
    }

    /// The stream is turned towards somebody who never asked for it: what he gets before a third packet
    /// for one SYN, which has his address on it and is the attacker's. What was published sends an
    /// initial window; ours three times what came, and one full segment at least, or nothing.
    @Test(
        "7: spoofed source address", arguments: ProvisionalPolicy.allCases, [true, false])
    func spoofedSource(policy: ProvisionalPolicy, isUpload: Bool) {
        var sent: [Segment] = []
        let result = handover(
            isUpload ? .stream : .bulk, isUpload: isUpload, slowdown: 5,
            shaping: { $0.server.connection.fastJoin.provisional = policy }
        ) { network in
            // There is more than enough to send, whatever the SYN is for.
            network.serverApp = Application(total: 800_000, salt: network.serverApp.salt)
            replay(
                network, from: Self.strangers[..<1], after: 5, at: .ours,
                answered: { sent.append($0) })
        }
        result.network.expectIntact()
        let syn = result.network.sightings.first {
            $0.segment.isSYN && $0.segment.fastJoin != nil
        }
        #expect((syn?.segment.payload.isEmpty == false) == isUpload)
        let received = syn?.segment.encodedPacket().count ?? 0
        let segments = sent.filter { !$0.payload.isEmpty }.map { $0.encodedPacket().count }
        #expect(sent.first?.isSYNACK == true)
        switch policy {
        case .strict: #expect(segments.isEmpty)
        case .limited:
            let octets = sent.filter { !$0.isReset }.reduce(0) { $0 + $1.encodedPacket().count }
            let again = sent.dropFirst().filter(\.isSYNACK).count * 80
            #expect(!segments.isEmpty)
            #expect(octets - again <= max(3 * received, 80 + 1_500))
        case .multimob: #expect(segments.count == 10)
        }
    }
}
