import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Fast Join as published (fast-join, 2): what it gains, what it says on the wire, and that whoever
/// does not take it loses nothing.
@Suite("The profile multimob") struct PublishedJoinScenarios {
    private func handover(
        _ kind: BreakKind = .linkDown, makeFirst: Bool = false, isUpload: Bool = true,
        _ workload: WorkloadKind = .stream,
        profiles: (client: FastJoinProfile, server: FastJoinProfile) = (.multimob, .multimob),
        server: JoinVariant = .synData, version: VersionPolicy = .v1, slowdown: Int = 1,
        prepare: (TwoPathNetwork) -> Void = { _ in }
    ) -> HandoverScenarios.Result {
        HandoverScenarios().run(
            makeFirst: makeFirst, kind, isUpload: isUpload, workload, join: .synData,
            serverJoin: server, slowdown: slowdown,
            shaping: {
                $0.client.connection.fastJoin.profile = profiles.client
                $0.server.connection.fastJoin.profile = profiles.server
                $0.client.connection.versions = version
                $0.server.connection.versions = .any
            }
        ) {
            $0.recordsPackets = true
            prepare($0)
        }
    }

    private func options(_ network: TwoPathNetwork) -> [MultiMobOption] {
        network.sightings.filter(\.isEntering).compactMap(\.segment.multimob)
    }

    /// The table of fast-join, 1.1, for one direction: half a round trip is 30 ms.
    @Test(arguments: [VersionPolicy.v1, .v0], [true, false])
    func streamResumesAtTheLimit(version: VersionPolicy, isUpload: Bool) {
        let result = handover(isUpload: isUpload, version: version)
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(isUpload ? 32 : 62))
        let options = options(result.network)
        switch (options.first, options.last) {
        case (.outSYN(_, _, _, _, _, let length, _)?, .outSYNACK?):
            #expect(isUpload && length > 0)
        case (.inSYN?, .inSYNACK?): #expect(!isUpload)
        default: Issue.record("\(options)")
        }
        #expect(options.count == 2)
        // No CAPS, no MP_JOIN, and no HMAC in the third packet.
        for sighting in result.network.sightings {
            #expect(sighting.segment.fastJoin == nil && !sighting.segment.isJoin)
        }
        for host in [result.network.client, result.network.server] {
            #expect(result.network.count("subflow_established", host) == 2)
        }
    }

    /// Every workload, wherever the break and whatever carries the data.
    @Test(
        arguments: BreakKind.allCases,
        WorkloadKind.allCases)
    func everyHandoverIsIntact(kind: BreakKind, workload: WorkloadKind) {
        for makeFirst in [true, false] {
            for isUpload in [true, false] {
                handover(
                    kind, makeFirst: makeFirst, isUpload: isUpload, workload, slowdown: 5
                ).network.expectIntact()
            }
        }
    }

    /// A server that does not speak it answers as if the SYN were a new connection's: the client resets
    /// that and joins by MP_JOIN, and knows better the next time.
    @Test(arguments: [JoinVariant.standard, .synData], [true, false])
    func peerWithoutProfile(server: JoinVariant, isUpload: Bool) {
        let result = handover(
            isUpload: isUpload, profiles: (.multimob, .compat), server: server
        ) { network in
            network.clientApp.finishes = false
            network.at(3_000) { $0.setInterface(1, isUp: false) }
            network.at(3_100) { $0.setInterface(1, isUp: true) }
            network.at(5_000) {
                $0.clientApp.finishes = true
                $0.release($0.client, 0)
            }
        }
        let network = result.network
        network.expectIntact()
        #expect(result.resume <= .milliseconds(60 + (isUpload ? 152 : 122)))
        let counters = network.fastJoinCounters(network.client)
        #expect(counters.sent == 1 && counters.ignored == 1)
        #expect(network.fastJoinCounters(network.server).accepted == 0)
        #expect(network.count("subflow_established", network.client) == 3)
        // The half-open connection was the application's at no time.
        #expect(network.log.count { $0.event.name == "connection_established" } == 2)
    }

    /// The other way round: who is told to take it gets the join that the client knows.
    @Test func clientWithoutProfile() {
        let result = handover(profiles: (.compat, .multimob))
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(152))
        #expect(options(result.network).isEmpty)
    }

    /// A stranger sends the options to an end that does not speak the profile, as it would have to be:
    /// it does what it does with an option that it does not know.
    @Test(arguments: [true, false])
    func offMeansUnknown(isListening: Bool) {
        var answers: [Segment] = []
        let result = HandoverScenarios().run(
            makeFirst: false, .linkDown, isUpload: true, .stream, join: .synData,
            shaping: { _ in }
        ) { network in
            let stranger = JoinThreats.strangers[0]
            network.route([stranger])
            network.filter { segment, _, isForward in
                guard !isForward, segment.destination == stranger else { return true }
                answers.append(segment)
                return false
            }
            network.at(337) { network in
                guard let token = network.information(network.server)?.localToken else { return }
                var header = SegmentHeader(
                    sourcePort: 6_666,
                    destinationPort: isListening ? TwoPathNetwork.serverEndpoint.port : 5_999,
                    sequence: SequenceNumber(99), flags: .syn, window: 65_535)
                header.options.mptcp = [
                    .multimob(
                        .inSYN(
                            isBackup: false, addressID: AddressID(7), token: token, dataACK: 1,
                            hmac: 1))
                ]
                let syn = Segment(
                    source: stranger, destination: TwoPathNetwork.serverEndpoint.address,
                    header: header)
                network.inject(syn, to: .ours)
            }
        }
        result.network.expectIntact()
        #expect(answers.first?.hasMPTCP == false)
        #expect(answers.first?.isSYNACK == isListening)
        #expect(answers.first?.isReset == !isListening)
        let counters = result.network.fastJoinCounters(result.network.server)
        #expect(counters.badMAC == 0 && counters.outOfWindow == 0)
    }

    /// A packet of the handshake is lost once. Without an answer the SYN goes again as MP_JOIN, on the
    /// same ports: the server that has answered says once more what it said.
    @Test(arguments: ["SYN", "SYN/ACK", "third ACK"], [true, false])
    func lostHandshakePacket(name: String, isUpload: Bool) {
        let result = handover(isUpload: isUpload) {
            $0.lose { segment, link, isForward in
                guard link == 1 else { return false }
                return switch name {
                case "SYN": segment.isSYN
                case "SYN/ACK": segment.isSYNACK
                default: isForward && !segment.isSYN && segment.payload.isEmpty
                }
            }
        }
        let network = result.network
        network.expectIntact()
        let syns = network.sightings.filter {
            $0.link == 1 && $0.isEntering && $0.segment.isSYN
        }.map(\.segment)
        #expect(syns.count == (name == "third ACK" ? 1 : 2))
        #expect(syns.first?.multimob != nil && syns.last?.isJoin == (syns.count == 2))
        #expect(Set(syns.map(\.header.sourcePort)).count == 1)
        #expect(network.count("join_sent", network.client) == 1)
        let accepted = network.fastJoinCounters(network.server).accepted
        #expect(accepted == (name == "SYN" ? 0 : 1))
        // An upload is there with the SYN; a download waits for the client's timer at worst.
        if isUpload, name != "SYN" { #expect(result.resume <= .milliseconds(32)) }
        #expect(result.resume <= .milliseconds(1_152))
    }

    /// Random loss of every packet, many seeds: no octet is missing or twice.
    @Test func randomLoss() {
        for seed in 1...10 {
            for isUpload in [true, false] {
                var generator = SeededGenerator(seed: UInt64(seed))
                let result = handover(isUpload: isUpload) {
                    $0.filter { _, link, _ in link == 0 || generator.next() % 10 > 1 }
                }
                result.network.expectIntact()
            }
        }
    }

    /// What an acceptor cannot believe it refuses, and MP_JOIN follows: the length is not that of the
    /// payload, the checksum is wrong, the number lies outside of the window, In has a payload, or
    /// something of the answer was changed.
    @Test(
        arguments: [
            "length", "checksum", "far number", "no payload", "In with payload", "SYN/ACK HMAC",
            "SYN/ACK number",
        ])
    func unbelievable(what: String) {
        let isUpload = what != "In with payload"
        let result = handover(isUpload: isUpload) { network in
            // A refused subflow is the end of LTE for now.
            network.at(2_000) { $0.setInterface(0, isUp: true) }
            network.filter { segment, link, _ in
                if link == 1 { change(what, of: &segment) }
                return true
            }
        }
        let network = result.network
        network.expectIntact()
        let isAnswer = what.hasPrefix("SYN/ACK")
        #expect(network.fastJoinCounters(network.server).accepted == (isAnswer ? 1 : 0))
        // The RST acknowledges octets that a client with In never sent: its timer has to tell.
        let refusal = isUpload ? 60 : 1_000
        if !isAnswer { #expect(result.resume <= .milliseconds(refusal + 152)) }
        let isRefusedByClient = network.sightings.contains {
            $0.link == 1 && $0.isForward && $0.segment.isReset
        }
        #expect(isRefusedByClient == isAnswer)
    }

    private func change(_ what: String, of segment: inout Segment) {
        switch (what, segment.multimob) {
        case ("In with payload", .inSYN?): segment.payload = [1, 2, 3]
        case ("no payload", .outSYN?): segment.payload = []
        case (_, .outSYN(let isBackup, let id, let token, let number, let hmac, let n, let sum)?):
            segment.header.options.mptcp = [
                .multimob(
                    .outSYN(
                        isBackup: isBackup, addressID: id, token: token,
                        dataSequenceNumber: what == "far number" ? number &+ 100_000_000 : number,
                        hmac: hmac, length: what == "length" ? n &+ 1 : n,
                        checksum: what == "checksum" ? sum ^ 1 : sum))
            ]
        case (_, .outSYNACK(let isBackup, let id, let hmac, .low32(let ack))?):
            segment.header.options.mptcp = [
                .multimob(
                    .outSYNACK(
                        isBackup: isBackup, addressID: id,
                        hmac: what == "SYN/ACK HMAC" ? hmac ^ 1 : hmac,
                        dataACK: .low32(what == "SYN/ACK number" ? ack &- 1 : ack)))
            ]
        default: break
        }
    }

    /// The same seed is the same run.
    @Test(arguments: [true, false])
    func isDeterministic(isUpload: Bool) {
        let runs = (0..<2).map { _ in handover(isUpload: isUpload).network.sightings }
        #expect(runs[0].map(\.time) == runs[1].map(\.time))
        #expect(runs[0].map(\.segment) == runs[1].map(\.segment))
    }
}

extension Segment {
    var multimob: MultiMobOption? {
        for case .multimob(let option) in header.options.mptcp { return option }
        return nil
    }
}
