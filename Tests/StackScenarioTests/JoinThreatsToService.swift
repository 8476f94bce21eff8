import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// The threats of data in SYN+MP_JOIN against time and memory, and boxes that mean no harm, by the rows
/// of the table in fast-join, 4. WiFi breaks at 510 ms and LTE comes up at 710 ms.
@Suite("Threats of data in SYN+MP_JOIN: service") struct JoinThreatsToService {
    private func handover(
        _ workload: WorkloadKind = .stream, isUpload: Bool = true, join: JoinVariant = .synData,
        shaping: (inout TwoPathNetwork.Shape) -> Void = { _ in },
        prepare: (TwoPathNetwork) -> Void
    ) -> HandoverScenarios.Result {
        HandoverScenarios().run(
            makeFirst: false, .linkDown, isUpload: isUpload, workload, join: join,
            shaping: shaping
        ) {
            $0.recordsPackets = true
            $0.route(JoinThreats.strangers)
            prepare($0)
        }
    }

    // MARK: 8

    /// A SYN with a large payload and a wrong MAC, and an RST that makes room for the next one.
    private func flood(_ network: TwoPathNetwork, _ number: Int, from source: IPAddress) {
        guard let token = network.information(network.server)?.localToken else { return }
        var header = SegmentHeader(
            sourcePort: UInt16(2_000 + number % 60_000),
            destinationPort: TwoPathNetwork.serverEndpoint.port,
            sequence: SequenceNumber(UInt32(number)), flags: .syn, window: 65_535)
        header.options.mptcp = [
            .join(.syn(isBackup: false, addressID: AddressID(7), token: token, nonce: 5)),
            .fastJoin(
                .data(
                    isFollowedByFIN: false, dataSequenceNumber: network.expectedNumber,
                    mac: UInt64(number))),
        ]
        let server = TwoPathNetwork.serverEndpoint.address
        let payload = [UInt8](repeating: 0x41, count: 1_360)
        network.inject(
            Segment(source: source, destination: server, header: header, payload: payload),
            to: .ours)
        header.flags = .rst
        header.sequence += 1
        header.options = TCPOptions()
        network.inject(Segment(source: source, destination: server, header: header), to: .ours)
    }

    /// A thousand SYNs in the half second around the join: at a naive acceptor each costs a MAC over
    /// 1.4 kB, with us those that a second allows. The client's own join is the fast one while the
    /// flood has one source, and the standard one when it has used up what all sources have together.
    @Test("8: flood of bad MACs", arguments: [1, 1_000], Acceptor.allCases)
    func floodOfMACs(sources: Int, acceptor: Acceptor) {
        let flood = 1_200
        let result = handover(shaping: {
            if acceptor == .naive {
                $0.server.connection.fastJoin.verificationsPerSecond = .max
                $0.server.connection.fastJoin.verificationsPerSource = .max
            }
        }) { network in
            for number in 0..<flood {
                network.at(450 + number / 4) { network in
                    let source = IPAddress.v4(0xc0a8_0000 + UInt32(number % sources))
                    self.flood(network, number, from: source)
                    let subflows = network.information(network.server)?.subflows.count ?? 0
                    #expect(subflows <= 2 + 8)
                }
            }
        }
        result.network.expectIntact()
        let counters = result.network.fastJoinCounters(result.network.server)
        switch (acceptor, sources) {
        case (.naive, _): #expect(counters.badMAC == flood)
        case (.ours, 1): #expect(counters.badMAC == 20)
        case (.ours, _): #expect(counters.badMAC == 1_000)
        }
        let isFast = acceptor == .naive || sources == 1
        #expect(counters.accepted == (isFast ? 1 : 0))
        #expect(result.resume <= .milliseconds(isFast ? 32 : 152))
        #expect(result.network.count("subflow_established", result.network.server) == 2)
    }

    // MARK: 9

    /// A box strips every option of the SYN, and what is left looks like a new connection. Who takes
    /// data in SYNs has the application read the middle of a stream as a request; ours takes none, and
    /// the client resets what has no MP_JOIN. WiFi comes back at 2 s.
    @Test("9: stripped options", arguments: Acceptor.allCases)
    func strippedOptions(acceptor: Acceptor) {
        var handle: ConnectionHandle?
        let result = handover { network in
            network.at(700) { handle = $0.serverApp.handle }
            network.at(2_000) { $0.setInterface(0, isUp: true) }
            var taken: [UInt8] = []
            network.filter { [unowned network] segment, link, isForward in
                guard link == 1 else { return true }
                if segment.isSYN {
                    segment.stripMPTCP()
                    taken = segment.payload
                    if acceptor == .naive { segment.payload = [] }
                } else if segment.isSYNACK, acceptor == .naive {
                    var header = SegmentHeader(
                        sourcePort: segment.header.destinationPort,
                        destinationPort: segment.header.sourcePort,
                        sequence: segment.header.acknowledgment,
                        acknowledgment: segment.header.sequence + 1, flags: .ack, window: 65_535)
                    header.options = TCPOptions()
                    let data = Segment(
                        source: segment.destination, destination: segment.source, header: header,
                        payload: taken)
                    network.simulation.at(network.simulation.now) { _ in
                        network.inject(data, to: .ours)
                    }
                }
                return true
            }
        }
        let network = result.network
        switch acceptor {
        case .naive: #expect(network.serverApp.handle != handle)
        case .ours:
            #expect(network.serverApp.handle == handle)
            network.expectIntact()
            let isReset = network.sightings.contains {
                $0.link == 1 && $0.isForward && $0.segment.isReset
            }
            #expect(isReset)
            // The path is known for it: no second SYN with data.
            let offers = network.sightings.count {
                $0.link == 1 && $0.isEntering && $0.segment.isSYN && !$0.segment.payload.isEmpty
            }
            #expect(offers == 1)
        }
    }

    // MARK: 10

    /// Copies of the SYN come from forty addresses, before the original arrives or after. Who asks for
    /// no third packet has eight of them as subflows, and no place for the client; with us four are
    /// believed, eight wait at all, and whoever waits for a second makes room for the next.
    @Test("10: half-open subflows", arguments: [5, 45], Acceptor.allCases)
    func halfOpenSubflows(delay: Int, acceptor: Acceptor) {
        let strangers = JoinThreats.strangers[..<40]
        var original: Segment?
        var most = 0
        var provisional = 0
        var left: [Int] = []
        let result = handover { network in
            network.clientApp.finishes = false
            network.filter { [unowned network] segment, link, isForward in
                guard link == 1 else { return true }
                if !isForward, strangers.contains(segment.destination) {
                    if acceptor == .naive, segment.isSYNACK, var syn = original {
                        syn.source = segment.destination
                        network.prove(syn, answeredBy: segment)
                    }
                    return false
                }
                guard segment.isSYN, segment.fastJoin != nil, original == nil else { return true }
                let syn = segment
                original = syn
                for (number, stranger) in strangers.enumerated() {
                    let time = Duration.microseconds(delay * 1_000 + number * 10)
                    network.simulation.at(network.simulation.now + time) { _ in
                        var copy = syn
                        copy.source = stranger
                        network.inject(copy, to: .ours)
                    }
                }
                return true
            }
            for time in stride(from: 715, to: 1_500, by: 5) {
                network.at(time) {
                    most = max(most, $0.information($0.server)?.subflows.count ?? 0)
                }
            }
            network.at(1_500) {
                provisional = $0.fastJoinCounters($0.server).accepted
            }
            for time in [6_000, 20_000] {
                network.at(time) {
                    left.append($0.information($0.server)?.subflows.count ?? 0)
                }
            }
            network.at(20_000) {
                $0.clientApp.finishes = true
                $0.release($0.client, 0)
            }
        }
        let network = result.network
        let joins = network.log.filter {
            $0.host == network.client && $0.event.name == "subflow_established"
        }.map(\.event.time)
        // WiFi's, until it is given up, and eight.
        #expect(most <= 10)
        switch acceptor {
        case .naive:
            #expect(network.count("subflow_established", network.server) == 1 + 8)
            #expect(joins.count == 1)
            #expect(network.clientApp.closed == nil)
        case .ours:
            network.expectIntact()
            #expect(provisional <= 4)
            #expect(network.fastJoinCounters(network.server).provisionalExpired >= 3)
            // Joins of RFC 8684 by now, with some SYN/ACKs more to come.
            #expect(left[0] <= 1 + 8 && left[1] == 1)
            #expect(joins.count == 2)
            // A second and the attempts that were turned away, or no time at all.
            let limit = network.milliseconds(delay == 5 ? 2_200 : 840)
            #expect(joins.last.map { $0 < limit } == true)
        }
    }

    // MARK: 11

    /// Somebody on the new path answers for the server: the subflow is lost, with and without data in
    /// the SYN, and the connection is not. WiFi comes back at 2 s.
    @Test("11: attacker on the new path", arguments: [JoinVariant.standard, .synData])
    func attackerOnPath(variant: JoinVariant) {
        let result = handover(join: variant) { network in
            network.at(2_000) { $0.setInterface(0, isUp: true) }
            network.filter { segment, link, _ in
                guard link == 1, segment.isSYNACK else { return true }
                for (position, option) in segment.header.options.mptcp.enumerated() {
                    guard case .join(.synACK(let isBackup, let id, let hmac, let nonce)) = option
                    else { continue }
                    segment.header.options.mptcp[position] = .join(
                        .synACK(
                            isBackup: isBackup, addressID: id, hmac: hmac ^ 1, nonce: nonce))
                }
                return true
            }
        }
        let network = result.network
        network.expectIntact()
        let established = network.log.filter {
            $0.host == network.client && $0.event.name == "subflow_established"
        }.map(\.event.time)
        #expect(established.count == 2)
        #expect(established.last.map { $0 > network.milliseconds(2_000) } == true)
        #expect(network.count("join_failed", network.client) >= 1)
    }

    // MARK: 12

    /// A box drops SYNs with data. Who repeats them as they are never gets through, which is as if the
    /// box dropped every SYN; ours repeats it without, and the network is remembered.
    @Test("12: SYNs with data are dropped", arguments: Acceptor.allCases)
    func droppedSYNs(joiner: Acceptor) {
        let result = handover { network in
            network.filter { segment, link, _ in
                !(link == 1 && segment.isSYN && (joiner == .naive || !segment.payload.isEmpty))
            }
            network.clientApp.finishes = false
            // LTE goes for a moment, and WiFi comes back.
            network.at(3_000) { $0.setInterface(1, isUp: false) }
            network.at(3_100) { $0.setInterface(1, isUp: true) }
            network.at(5_000) { network in
                network.setInterface(0, isUp: true)
                network.clientApp.finishes = true
                network.release(network.client, 0)
            }
        }
        let network = result.network
        network.expectIntact()
        let counters = network.fastJoinCounters(network.client)
        switch joiner {
        case .naive: #expect(result.resume > .milliseconds(5_000 - 710))
        case .ours:
            #expect(result.resume <= .milliseconds(1_152))
            #expect(counters.sent == 1)
            #expect(counters.synTimeouts == 1)
            let back = network.milliseconds(3_100)
            let joined = network.log.first {
                $0.event.name == "subflow_established" && $0.host == network.client
                    && $0.event.time > back
            }
            #expect(joined.map { $0.event.time - back <= .milliseconds(122) } == true)
        }
    }

    // MARK: 13

    /// The SYN/ACK is lost, and the SYN comes again without its payload. A server that answers as if
    /// there had been none has the client send it twice; ours says what it has.
    @Test("13: payload taken, SYN/ACK lost", arguments: Acceptor.allCases)
    func lostSYNACK(acceptor: Acceptor) {
        var answers = 0
        var initial: SequenceNumber?
        let result = handover { network in
            network.filter { segment, link, _ in
                if link == 1, segment.isSYN { initial = segment.header.sequence }
                guard link == 1, segment.isSYNACK else { return true }
                answers += 1
                if acceptor == .naive, let initial {
                    segment.header.acknowledgment = initial + 1
                    segment.header.options.dss = nil
                }
                return answers > 1
            }
        }
        let network = result.network
        network.expectIntact()
        #expect(result.resume <= .milliseconds(32))
        let again = network.sightings.contains {
            $0.link == 1 && $0.isEntering && $0.isForward && !$0.segment.isSYN
                && !$0.segment.payload.isEmpty
                && $0.segment.header.sequence == initial.map { $0 + 1 }
        }
        #expect(again == (acceptor == .naive))
        #expect(network.fastJoinCounters(network.server).accepted == 1)
    }
}
