import HostStack
import LinkModel
import MPTCP
import Middlebox
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

/// How a connection fared on a path with boxes on it.
enum PathVerdict: Hashable {
    /// MPTCP to the end, every byte as it was sent, no subflow lost.
    case intact
    /// MPTCP to the end, every byte as it was sent; a subflow ended early or never began.
    case degraded
    /// Plain TCP, every byte as the path delivers it.
    case fallback
    /// Both ends know that it failed, and what was delivered is right.
    case reset
    /// Plain TCP over a box that acknowledged what it then lost: the receiver knows, the sender cannot.
    case betrayed
    /// A byte is wrong, or one end thinks that all is well and the other does not.
    case silentlyWrong
    /// It was not over in time.
    case stalled
}

extension TwoPathNetwork {
    /// Puts boxes on a path, the one next to the client first.
    func insert(_ boxes: [any Middlebox], on link: Int) {
        simulation.links[link].middleboxes = MiddleboxChain(boxes)
    }

    /// The address that a NAT on a path shows.
    func insertTranslator(
        _ address: IPAddress, forgetting: AddressTranslator.Forgetting = .init(),
        refuses: Bool = false, on link: Int
    ) {
        let port = SimulatedPort(host: client, interface: InterfaceID(Int32(link + 1)))
        simulation.addresses[port, default: []].append(address)
        insert(
            [AddressTranslator(address: address, forgetting: forgetting, refuses: refuses)],
            on: link)
    }

    /// With `changesText` a box changes the stream: plain TCP delivers what the box makes of it.
    func verdict(changesText: Bool = false) -> PathVerdict {
        let isFallback = count("fallback", client) + count("fallback", server) > 0
        let isChanged = changesText && isFallback
        if clientApp.firstWrong != nil || serverApp.firstWrong != nil, !isChanged {
            return .silentlyWrong
        }
        guard let clientReason = clientApp.closed else { return .stalled }
        guard let serverReason = serverApp.closed else {
            return serverApp.handle == nil && clientReason != .finished ? .reset : .stalled
        }
        let isComplete =
            serverApp.received == clientApp.total && clientApp.received == serverApp.total
        guard clientReason == .finished, serverReason == .finished else {
            if clientReason != .finished && serverReason != .finished || isComplete {
                return .reset
            }
            return isFallback ? .betrayed : .silentlyWrong
        }
        guard isComplete || isChanged else { return .silentlyWrong }
        if isFallback { return .fallback }
        let names: Set = ["subflow_reset", "join_failed", "no_subflow_left"]
        let hasLostSubflow = log.contains { _, event in
            names.contains(event.name)
                || event.fields.contains { $0.name == "reason" && $0.value == .text("refused") }
        }
        return hasLostSubflow ? .degraded : .intact
    }
}

/// The behaviours of middleboxes, each with what the stack makes of it: alone on the only path, on
/// the first of two paths, and on the path of the joined subflow.
@Suite struct MiddleboxScenarios {
    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        /// On the only path; on the first of two; on the second.
        var expected: [Set<PathVerdict>]
        var usesChecksum = false
        var changesText = false
        var isServerMultipath = true
        /// Where the boxes have something to do.
        var acts: Set<Placement> = [.alone, .first, .second]
        var boxes: @Sendable (SeededGenerator) -> [any Middlebox]

        var testDescription: String { name }

        init(
            _ name: String, _ alone: Set<PathVerdict>, _ first: Set<PathVerdict>,
            _ second: Set<PathVerdict>, checksum: Bool = false, changesText: Bool = false,
            isServerMultipath: Bool = true,
            acts: Set<Placement> = [.alone, .first, .second],
            boxes: @escaping @Sendable (SeededGenerator) -> [any Middlebox]
        ) {
            self.name = name
            expected = [alone, first, second]
            usesChecksum = checksum
            self.changesText = changesText
            self.isServerMultipath = isServerMultipath
            self.acts = acts
            self.boxes = boxes
        }
    }

    enum Placement: Int, CaseIterable {
        case alone, first, second
    }

    static let cases = optionCases + flowCases + textCases

    @Test(arguments: cases, Placement.allCases)
    func reaction(_ each: Case, _ placement: Placement) {
        let network = network(each, placement)
        // What never comes through is given up after some doublings of the timeout.
        network.run(.seconds(1_000))
        #expect(network.violationsSoFar.isEmpty, "\(network.violationsSoFar)")
        let verdict = network.verdict(changesText: each.changesText)
        let expected = each.expected[placement.rawValue]
        #expect(
            expected.contains(verdict),
            """
            \(verdict), not \(expected): \(network.clientApp.closed as Any), \
            \(network.serverApp.closed as Any), \(network.serverApp.received), \
            \(network.clientApp.received), \(network.simulation.now)
            """)
        network.expectNoLivelock(100_000)
        let link = placement == .second ? 1 : 0
        let touched = network.simulation.links[link].middleboxes.touched
        #expect(!each.acts.contains(placement) || touched.contains { $0 > 0 })
    }

    /// R1: what is sent again is what was sent before, on every subflow.
    @Test func retransmissionsAreAsTheFirstCopy() {
        let network = TwoPathNetwork(.full, upload: 1_000_000, download: 1_000_000)
        for link in 0...1 {
            network.insert([RetransmissionNormalizer(), Self.lossy(0.03)], on: link)
        }
        network.run(.seconds(120))
        network.expectIntact()
        for link in network.simulation.links {
            #expect(link.middleboxes.touched[0] == 0)
            #expect(link.middleboxes.touched[1] > 10)
        }
        #expect(network.verdict() == .intact)
    }

    /// Octets each way: more than what the boxes that wait for packets let pass first.
    private static let total = 250_000

    func network(_ each: Case, _ placement: Placement) -> TwoPathNetwork {
        var shape = placement == .alone ? TwoPathNetwork.Shape.breakBeforeMake : .full
        shape.client.connection.usesChecksum = each.usesChecksum
        shape.server.connection.isMultipath = each.isServerMultipath
        for path in [\TwoPathNetwork.Shape.client, \.server] {
            shape[keyPath: path].connection.graceTime = .seconds(5)
            // The second path carries its part.
            if placement == .second { shape[keyPath: path].connection.scheduler = .roundRobin }
            // An end that only waits must learn that the other has given up.
            shape[keyPath: path].connection.tcp.keepAliveIdle = .seconds(10)
            shape[keyPath: path].connection.tcp.keepAliveInterval = .seconds(1)
            shape[keyPath: path].connection.tcp.maximumRetransmissions = 6
        }
        let network = TwoPathNetwork(shape, upload: Self.total, download: Self.total)
        network.insert(
            each.boxes(SeededGenerator(seed: 7)), on: placement == .second ? 1 : 0)
        if placement == .second {
            // The applications start once the join is done, or has failed.
            network.clientApp.released = 0
            network.serverApp.released = 0
            network.at(500) { network in
                for host in [network.client, network.server] { network.release(host, Self.total) }
            }
        }
        return network
    }
}

extension MiddleboxScenarios {
    /// What happens to options.
    static let optionCases: [Case] = [
        Case("O1 options taken out of SYN", [.fallback], [.fallback], [.degraded]) { _ in
            [OptionFilter([.mptcp], on: [.syn])]
        },
        Case("O2 options taken out of SYN/ACK", [.fallback], [.fallback], [.degraded]) { _ in
            [OptionFilter([.mptcp], on: [.synACK])]
        },
        Case(
            "O3 options taken out of the third ACK", [.fallback, .intact], [.fallback, .intact],
            [.degraded]
        ) { _ in
            [OptionFilter([.mptcp], on: [.thirdACK])]
        },
        Case(
            "O4 options taken out from the fourth packet on", [.fallback], [.fallback, .reset],
            [.degraded, .intact],
            acts: [.alone, .first, .second]
        ) { _ in
            [OptionFilter([.mptcp], selection: Selection(after: 3))]
        },
        Case("O4 the same upwards", [.fallback], [.fallback, .reset], [.degraded, .intact]) { _ in
            [OptionFilter([.mptcp], selection: Selection([.up], after: 3))]
        },
        Case("O4 the same downwards", [.fallback], [.fallback, .reset], [.degraded, .intact]) { _ in
            [OptionFilter([.mptcp], selection: Selection([.down], after: 3))]
        },
        Case(
            "O5 options taken out in the middle", [.reset, .degraded], [.degraded, .intact],
            [.degraded, .intact], acts: [.alone, .first]
        ) { _ in
            [OptionFilter([.mptcp], selection: Selection(after: 100))]
        },
        Case("O6 MP_JOIN taken out of SYN", [.intact], [.intact], [.degraded], acts: [.second]) {
            _ in
            [OptionFilter([.join], on: [.syn])]
        },
        Case("O7 MP_JOIN taken out of SYN/ACK", [.intact], [.intact], [.degraded], acts: [.second])
        { _ in
            [OptionFilter([.join], on: [.synACK])]
        },
        Case(
            "O7 MP_JOIN taken out of the third ACK", [.intact], [.intact], [.degraded],
            acts: [.second]
        ) { _ in
            [OptionFilter([.join], on: [.thirdACK])]
        },
        Case(
            "O8 DSS taken out", [.fallback, .reset], [.fallback, .reset, .degraded],
            [.degraded, .intact]
        ) {
            _ in
            [OptionFilter([.dss])]
        },
        Case("O9 no options at all after SYN", [.fallback], [.fallback], [.degraded, .intact]) {
            _ in
            [OptionFilter(Set(OptionName.allCases), on: [.thirdACK, .data, .ack])]
        },
        // On the first path only, the second one is tried, too, and answers first.
        Case("O10 segments with MPTCP vanish", [.fallback], [.intact], [.degraded, .intact]) {
            _ in
            [OptionFilter([.mptcp], .drop)]
        },
        Case("O11 RST for MPTCP", [.reset], [.reset], [.degraded]) { _ in
            [OptionFilter([.mptcp], .reset)]
        },
        Case(
            "O12 a box mirrors options", [.fallback], [.fallback], [.fallback],
            isServerMultipath: false, acts: [.alone, .first]
        ) { _ in [OptionMirror()] },
        Case("S1 the sender's clock is moved", [.intact], [.intact], [.intact]) { _ in
            [TimestampRewriter(step: 1_000_000_000, selection: Selection([.down]))]
        },
        Case("S2 no SACK, no window scale", [.intact], [.intact], [.intact]) { _ in
            [OptionFilter([.sackPermitted, .windowScale], on: [.syn, .synACK])]
        },
        Case("S3 small MSS", [.intact], [.intact], [.intact]) { _ in [MSSClamp(limit: 536)] },
    ]

    /// What happens to addresses, numbers and whole flows.
    static let flowCases: [Case] = [
        Case("N1 NAT of ports", [.intact], [.intact], [.intact]) { _ in [AddressTranslator()] },
        Case(
            "N2 NAT forgets, and refuses", [.degraded, .intact], [.degraded, .intact],
            [.degraded, .intact]
        ) { _ in
            [AddressTranslator(forgetting: .init(packets: 100), refuses: true)]
        },
        Case(
            "N2 NAT forgets in silence", [.degraded, .intact], [.degraded, .intact],
            [.degraded, .intact]
        ) { _ in
            [AddressTranslator(forgetting: .init(packets: 100))]
        },
        Case(
            "N3: SYNs from the server's side are blocked", [.intact], [.intact], [.intact], acts: []
        ) {
            _ in
            var rules = Firewall.Rules()
            rules.blocksInboundSYN = true
            return [Firewall(rules)]
        },
        Case("Q1 other sequence numbers, SACK forgotten", [.intact], [.intact], [.intact]) {
            [SequenceRewriter(fixesSACK: false, generator: $0)]
        },
        Case("Q1 other sequence numbers", [.intact], [.intact], [.intact]) {
            [SequenceRewriter(fixesSACK: true, generator: $0)]
        },
        Case("Q2 nothing passes behind a hole", [.intact], [.intact], [.intact]) { _ in
            [lossy(0.02), HoleBlocker(), lossy(0.02)]
        },
        Case("Q3 ACKs of unseen text vanish", [.intact], [.intact], [.intact]) { _ in
            [lossy(0.02), HoleBlocker(unseenACKs: .drop), lossy(0.02)]
        },
        Case("Q3 ACKs of unseen text are lowered", [.intact], [.intact], [.intact]) { _ in
            [lossy(0.02), HoleBlocker(unseenACKs: .clamp), lossy(0.02)]
        },
        Case("Q4 small windows", [.intact], [.intact], [.intact]) { _ in
            [WindowRewriter(limit: 64)]
        },
        Case("Q4 windows that shut at times", [.intact], [.intact], [.intact]) {
            [WindowRewriter(limit: 0, selection: Selection(after: 4, share: 0.3, generator: $0))]
        },
        Case(
            "A1 a proxy acknowledges first", [.intact, .fallback], [.intact, .fallback], [.intact]
        ) {
            [AcknowledgingProxy(.up, delay: .milliseconds(15), generator: $0)]
        },
        Case("A1 downwards", [.intact, .fallback], [.intact, .fallback], [.intact, .degraded]) {
            [AcknowledgingProxy(.down, delay: .milliseconds(15), generator: $0)]
        },
        Case(
            "A1 a proxy acknowledges and loses", [.betrayed], [.betrayed],
            [.degraded, .intact]
        ) {
            [AcknowledgingProxy(.up, delay: .milliseconds(5), lostShare: 0.05, generator: $0)]
        },
        Case("X1 flows must start with SYN", [.intact], [.intact], [.intact]) { _ in
            var rules = Firewall.Rules()
            rules.requiresSYN = true
            return [Firewall(rules), HoleBlocker(), MSSClamp(limit: 1_400)]
        },
        Case(
            "X2 RST with the right number", [.degraded, .intact], [.degraded, .intact],
            [.degraded, .intact], acts: [.alone, .first]
        ) { _ in
            [ResetInjector(.exact, selection: Selection([.down], after: 100))]
        },
        Case("X2 RST inside the window", [.intact], [.intact], [.intact]) { _ in
            [ResetInjector(.window, selection: Selection(after: 60), limit: 50)]
        },
        Case("X2 RST outside the window", [.intact], [.intact], [.intact]) { _ in
            [ResetInjector(.outside, selection: Selection(after: 60), limit: 50)]
        },
        Case(
            "X4 nothing passes upwards any more", [.reset, .degraded], [.degraded, .intact],
            [.degraded, .intact], acts: [.alone, .first]
        ) { _ in
            var rules = Firewall.Rules()
            rules.blocksAll = true
            return [Firewall(rules, selection: Selection([.up], after: 100))]
        },
        Case(
            "X4 nothing passes downwards any more", [.reset, .degraded], [.degraded, .intact],
            [.degraded, .intact], acts: [.alone, .first]
        ) { _ in
            var rules = Firewall.Rules()
            rules.blocksAll = true
            return [Firewall(rules, selection: Selection([.down], after: 100))]
        },
        Case("the server's address is blocked", [.reset], [.intact], [.intact, .degraded]) { _ in
            var rules = Firewall.Rules()
            rules.addresses = [TwoPathNetwork.serverEndpoint.address]
            return [Firewall(rules)]
        },
        Case("the server's address is refused", [.reset], [.reset], [.degraded]) { _ in
            var rules = Firewall.Rules()
            rules.addresses = [TwoPathNetwork.serverEndpoint.address]
            return [Firewall(rules, refuses: true)]
        },
    ]

    /// What happens to text.
    static let textCases: [Case] = [
        Case("T1 segments cut in pieces, options on all", [.intact], [.intact], [.intact]) { _ in
            [Splitter(size: 500, options: .all)]
        },
        Case("T1 options on the first piece", [.intact], [.intact], [.intact]) { _ in
            [Splitter(size: 500, options: .first)]
        },
        Case(
            "T1 options on the last piece", [.intact, .fallback], [.intact, .fallback],
            [.intact, .degraded]
        ) { _ in
            [Splitter(size: 500, options: .last)]
        },
        Case("T1 cut in pieces, with checksums", [.intact], [.intact], [.intact], checksum: true) {
            _ in
            [Splitter(size: 500, options: .first)]
        },
        Case(
            "T2 segments merged", [.fallback], [.fallback], [.intact, .degraded]
        ) {
            _ in
            [Coalescer(limit: 4_000, holdTime: .milliseconds(2), selection: Selection(after: 3))]
        },
        Case("T2 merged where options are equal", [.intact], [.intact], [.intact]) { _ in
            [
                Splitter(size: 400, options: .all),
                Coalescer(limit: 1_500, holdTime: .milliseconds(2), onlyEqual: true),
            ]
        },
        Case(
            "P1 text changed, with checksums", [.fallback], [.fallback], [.degraded],
            checksum: true, changesText: true
        ) { _ in
            [PayloadRewriter(.replace(word, with: word.map { $0 ^ 0xff }), .up, limit: 1)]
        },
        Case(
            "P2 text made longer, with checksums", [.fallback], [.fallback], [.degraded],
            checksum: true, changesText: true
        ) { _ in
            [PayloadRewriter(.replace(word, with: word + word), .up, limit: 1)]
        },
        Case("P2 text made longer", [.silentlyWrong], [.silentlyWrong], [.silentlyWrong]) { _ in
            [PayloadRewriter(.replace(word, with: word + word), .up, limit: 1)]
        },
        Case(
            "P3 a header before the text", [.fallback], [.fallback], [.degraded],
            checksum: true, changesText: true
        ) { _ in
            [PayloadRewriter(.prepend([UInt8]("Via: box\r\n".utf8)), .up)]
        },
        Case("D1: SYN with text vanishes", [.intact], [.intact], [.intact], acts: []) { _ in
            [HandshakeTextFilter(.drop)]
        },
        Case("D2: the text of SYN vanishes", [.intact], [.intact], [.intact], acts: []) { _ in
            [HandshakeTextFilter(.trim)]
        },
    ]

    /// Some octets that the upload has.
    private static let word = (90_000..<90_008).map { Pattern.byte($0, 0x55) }
}

extension MiddleboxScenarios {
    /// Loses a share of the packets.
    private static func lossy(_ share: Double) -> Firewall {
        var rules = Firewall.Rules()
        rules.blocksAll = true
        return Firewall(
            rules, selection: Selection(share: share, generator: SeededGenerator(seed: 3)))
    }
}
