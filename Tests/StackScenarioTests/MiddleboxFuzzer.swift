import Foundation
import HostStack
import LinkModel
import MPTCP
import Middlebox
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing

/// Random commands to two stacks, random boxes on both paths, random loss and outages. Every byte that
/// is delivered is right, both ends come to an end, and neither believes in a success that the other
/// did not have. `MPTCPCTL_MIDDLEBOX_FUZZ` sets the number of sequences.
@Suite struct MiddleboxFuzzer {
    static let count =
        ProcessInfo.processInfo.environment["MPTCPCTL_MIDDLEBOX_FUZZ"].flatMap { Int($0) } ?? 400
    static let first =
        ProcessInfo.processInfo.environment["MPTCPCTL_MIDDLEBOX_FIRST"].flatMap { Int($0) } ?? 0
    static let chunks = 4
    private static let stepLimit = 200_000

    @Test(arguments: 0..<chunks)
    func intactOrReset(chunk: Int) {
        for number in Self.first..<(Self.first + Self.count) where number % Self.chunks == chunk {
            let sequence = sequence(number)
            let network = sequence.network
            runToEnd(network)
            let problems = network.violationsSoFar + sequence.problems
            #expect(problems.isEmpty, "sequence \(number): \(problems); \(sequence.story)")
        }
    }

    /// Where boxes drop half of what enters both ways, TCP goes from one timeout of two minutes to the
    /// next (RFC 6298, 5.5), and plain TCP is no faster: a run goes on while octets still arrive.
    private func runToEnd(_ network: TwoPathNetwork) {
        var received = -1
        while received < network.clientApp.received + network.serverApp.received {
            received = network.clientApp.received + network.serverApp.received
            if network.run(.seconds(3_000)) { return }
        }
    }

    /// One sequence, ready to run.
    struct Sequence {
        var network: TwoPathNetwork
        var boxes: [String] = []
        /// Whether a box changes text: then wrong bytes are no fault of plain TCP's.
        var changesText = false
        var usesChecksum = false
        /// Whether a box acknowledges what it never delivers: plain TCP cannot notice.
        var betraysTCP = false

        /// What a failure needs to be understood.
        var story: String {
            var lines = ["boxes \(boxes)", "checksum \(usesChecksum)"]
            for (app, host) in [
                (network.clientApp, network.client), (network.serverApp, network.server),
            ] {
                let subflows = network.information(host)?.subflows ?? []
                lines.append(
                    """
                    \(host): sent \(app.sent) of \(app.total), received \(app.received), \
                    paused \(app.isPaused), closed \(app.closed?.rawValue ?? "no"), \
                    last \(network.names(host).suffix(8)), \
                    \(subflows.map { "\($0.tuple) \($0.state) \($0.counters)" })
                    """)
            }
            return lines.joined(separator: "; ") + "; at \(network.simulation.now)"
        }

        var problems: [String] {
            var problems: [String] = []
            if network.simulation.steps > MiddleboxFuzzer.stepLimit { problems.append("is busy") }
            let isFallback = network.log.contains { $0.event.name == "fallback" }
            let mayBeWrong = changesText && (isFallback || !usesChecksum)
            for (app, name) in [(network.clientApp, "client"), (network.serverApp, "server")] {
                if let wrong = app.firstWrong, !mayBeWrong {
                    problems.append("\(name): byte \(wrong) is wrong")
                }
            }
            guard let clientReason = network.clientApp.closed else {
                return problems + ["the client does not end"]
            }
            if network.serverApp.handle != nil, network.serverApp.closed == nil {
                problems.append("the server does not end")
            }
            if mayBeWrong || betraysTCP && isFallback { return problems }
            let ends = [
                (network.clientApp, network.serverApp, clientReason as CloseReason?, "client"),
                (network.serverApp, network.clientApp, network.serverApp.closed, "server"),
            ]
            for (own, other, reason, name) in ends where reason == .finished {
                // What an application did not fetch before the end is its own affair.
                if own.received != other.total, !own.isPaused, !own.hasAborted {
                    problems.append("\(name) finished too early")
                }
                if other.received != own.total, !other.isPaused, !other.hasAborted {
                    problems.append("\(name) finished, but its peer lacks bytes")
                }
            }
            return problems
        }
    }

    func sequence(_ number: Int) -> Sequence {
        var generator = SeededGenerator(seed: UInt64(number) &* 15_485_863 &+ 11)
        var shape = TwoPathNetwork.Shape()
        let policies: [SwitchPolicy] = [.full, .full, .backup, .singlePath]
        shape.client.connection.policy = policies.randomElement(using: &generator) ?? .full
        let usesChecksum = Int.random(in: 0..<3, using: &generator) == 0
        shape.client.connection.usesChecksum = usesChecksum
        if Int.random(in: 0..<10, using: &generator) == 0 {
            shape.server.connection.isMultipath = false
        }
        // A generator of its own: the sequences of a number stay what they were.
        var joins = SeededGenerator(seed: UInt64(number) &* 32_452_843 &+ 5)
        for path in [\TwoPathNetwork.Shape.client, \.server] {
            shape[keyPath: path].connection.fastJoin.variant =
                JoinVariant.allCases.randomElement(using: &joins) ?? .standard
            shape[keyPath: path].connection.fastJoin.provisional =
                ProvisionalPolicy.allCases.randomElement(using: &joins) ?? .limited
            shape[keyPath: path].connection.graceTime = .seconds(10)
            shape[keyPath: path].connection.tcp.keepAliveIdle = .seconds(20)
            shape[keyPath: path].connection.tcp.keepAliveInterval = .seconds(2)
            shape[keyPath: path].connection.tcp.maximumRetransmissions = 8
            shape[keyPath: path].connection.tcp.timeWait = .seconds(1)
        }
        if Int.random(in: 0..<4, using: &joins) == 0 {
            shape.client.connection.fastJoin.profile = .multimob
            shape.server.connection.fastJoin.profile = .multimob
        }
        for path in [\TwoPathNetwork.Shape.wifi, \.lte] {
            shape[keyPath: path].oneWayDelay = .milliseconds(
                Int64.random(in: 1...20, using: &generator))
            shape[keyPath: path].loss = .bernoulli(
                [0, 0, 0.01, 0.05].randomElement(using: &generator) ?? 0)
            shape[keyPath: path].reorders = Bool.random(using: &generator)
            shape[keyPath: path].jitter = .milliseconds(Int64.random(in: 0...1, using: &generator))
        }
        let sizes = [0, 1, 3_000, 20_000, 60_000]
        let network = TwoPathNetwork(
            shape, upload: sizes.randomElement(using: &generator) ?? 0,
            download: sizes.randomElement(using: &generator) ?? 0, seed: UInt64(number))
        network.stepLimit = Self.stepLimit
        network.invariantStride = 8
        var sequence = Sequence(network: network, usesChecksum: usesChecksum)
        for link in 0...1 where Int.random(in: 0..<3, using: &generator) > 0 {
            var boxes: [any Middlebox] = []
            for _ in 0..<Int.random(in: 1...2, using: &generator) {
                boxes.append(box(&generator, &sequence))
            }
            sequence.boxes += boxes.map { "\(link): \(type(of: $0))" }
            network.insert(boxes, on: link)
        }
        for _ in 0..<Int.random(in: 0...6, using: &generator) {
            command(network, at: Int.random(in: 1...1_500, using: &generator), &generator)
        }
        // In the end everything works again as far as the boxes let it.
        network.at(2_000) { network in
            for path in 0...1 { network.setInterface(path, isUp: true) }
            for host in [network.client, network.server] {
                if host == network.client {
                    network.clientApp.isPaused = false
                } else {
                    network.serverApp.isPaused = false
                }
                network.simulation.perform(host) { _ in network.pump(host) }
            }
        }
        return sequence
    }

    // MARK: Boxes

    private func box(
        _ generator: inout SeededGenerator, _ sequence: inout Sequence
    ) -> any Middlebox {
        switch Int.random(in: 0..<18, using: &generator) {
        case 0, 1, 2: return optionFilter(&generator)
        case 3: return OptionMirror()
        case 4:
            return SequenceRewriter(
                fixesSACK: Bool.random(using: &generator), generator: generator.split())
        case 5:
            return AddressTranslator(
                forgetting: .init(packets: Int.random(in: 3...60, using: &generator)),
                refuses: Bool.random(using: &generator))
        case 6: return firewall(&generator)
        case 7:
            let aims = ResetInjector.Aim.allCases
            return ResetInjector(
                aims.randomElement(using: &generator) ?? .exact,
                selection: selection(&generator),
                limit: Int.random(in: 1...3, using: &generator))
        case 8:
            return WindowRewriter(
                limit: UInt16.random(in: 0...20, using: &generator),
                selection: Selection(
                    after: 3, share: Double.random(in: 0...0.5, using: &generator),
                    generator: generator.split()))
        case 9: return MSSClamp(limit: UInt16.random(in: 88...1_000, using: &generator))
        case 10:
            return TimestampRewriter(
                step: UInt32.random(in: 1 ... .max, using: &generator),
                selection: Selection(Bool.random(using: &generator) ? [.up] : [.down]))
        case 11, 12:
            return Splitter(
                size: Int.random(in: 100...1_400, using: &generator),
                options: OptionPlacement.allCases.randomElement(using: &generator) ?? .all,
                selection: selection(&generator))
        case 13:
            return Coalescer(
                limit: Int.random(in: 1_500...6_000, using: &generator),
                holdTime: .milliseconds(Int64.random(in: 1...5, using: &generator)),
                onlyEqual: Bool.random(using: &generator), selection: selection(&generator))
        case 14:
            return HoleBlocker(
                unseenACKs: HoleBlocker.ACKPolicy.allCases.randomElement(using: &generator)
                    ?? .pass)
        case 15:
            // What it holds is lost when the link goes down, too.
            sequence.betraysTCP = true
            let lostShare: Double = [0.0, 0.0, 0.02].randomElement(using: &generator) ?? 0
            return AcknowledgingProxy(
                Bool.random(using: &generator) ? .up : .down,
                delay: .milliseconds(Int64.random(in: 0...5, using: &generator)),
                lostShare: lostShare,
                generator: generator.split())
        case 16: return RetransmissionNormalizer()
        default:
            sequence.changesText = true
            return textRewriter(&generator)
        }
    }

    private func selection(_ generator: inout SeededGenerator) -> Selection {
        let ways: [Set<TransitDirection>] = [[.up], [.down], [.up, .down]]
        return Selection(
            ways.randomElement(using: &generator) ?? [.up],
            after: Int.random(in: 0...40, using: &generator),
            share: [1, 1, 0.1, 0.5].randomElement(using: &generator) ?? 1,
            generator: generator.split())
    }

    private func optionFilter(_ generator: inout SeededGenerator) -> OptionFilter {
        let options: [Set<OptionName>] = [
            [.mptcp], [.mptcp], [.join], [.dss], [.capable], [.addAddress, .removeAddress],
            [.sack], [.sackPermitted], [.windowScale], [.timestamps],
            Set(OptionName.allCases).subtracting([.maximumSegmentSize]),
        ]
        var roles = Set(SegmentRole.allCases)
        if Bool.random(using: &generator) {
            roles = [SegmentRole.allCases.randomElement(using: &generator) ?? .syn]
        }
        let actions = [OptionFilter.Action.strip, .strip, .strip, .drop, .reset]
        return OptionFilter(
            options.randomElement(using: &generator) ?? [.mptcp], on: roles,
            actions.randomElement(using: &generator) ?? .strip, selection: selection(&generator))
    }

    private func firewall(_ generator: inout SeededGenerator) -> Firewall {
        var rules = Firewall.Rules()
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: rules.blocksInboundSYN = true
        case 1: rules.requiresSYN = true
        case 2: rules.addresses = [TwoPathNetwork.serverEndpoint.address]
        default: rules.blocksAll = true
        }
        return Firewall(
            rules, refuses: Bool.random(using: &generator), selection: selection(&generator))
    }

    /// A word is replaced by one that has one octet larger by one: then no two edits of a segment make
    /// up for each other in its checksum, which is no security against that (middleboxes, 5).
    private func textRewriter(_ generator: inout SeededGenerator) -> PayloadRewriter {
        let isUp = Bool.random(using: &generator)
        let offset = Int.random(in: 0...2_000, using: &generator)
        let word = (offset..<(offset + 4)).map { Pattern.byte($0, isUp ? 0x55 : 0xaa) }
        let larger = word.min() ?? 0
        let change: PayloadRewriter.Change =
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: .replace(word, with: word.map { $0 == larger ? $0 + 1 : $0 })
            case 1: .replace(word, with: word + word)
            case 2: .replace(word, with: [])
            default: .prepend([1, 2, 3])
            }
        return PayloadRewriter(
            change, isUp ? .up : .down, limit: Int.random(in: 1...3, using: &generator))
    }

    // MARK: Commands

    private func command(
        _ network: TwoPathNetwork, at time: Int, _ generator: inout SeededGenerator
    ) {
        let kind = Int.random(in: 0..<16, using: &generator)
        let path = Int.random(in: 0...1, using: &generator)
        let flag = Bool.random(using: &generator)
        let address = path == 0 ? TwoPathNetwork.wifiAddress : TwoPathNetwork.lteAddress
        network.at(time) { network in
            let now = network.simulation.now
            let host = flag ? network.client : network.server
            switch kind {
            case 0...3: network.setInterface(path, isUp: flag)
            case 4...6: network.cut(path, flag)
            case 7:
                network.simulation.perform(network.client) {
                    $0.giveUpAddress(address, now: now)
                }
            case 8, 9:
                network.simulation.perform(network.client) {
                    $0.setBackup(flag, address: address, now: now)
                }
            case 10:
                let handle = flag ? network.clientApp.handle : network.serverApp.handle
                guard let handle else { return }
                if flag {
                    network.clientApp.hasAborted = true
                } else {
                    network.serverApp.hasAborted = true
                }
                network.simulation.perform(host) { $0.abort(handle, now: now) }
            case 11, 12: network.serverApp.isPaused = flag
            case 13, 14: network.clientApp.isPaused = flag
            default: network.simulation.perform(host) { _ in network.pump(host) }
            }
        }
    }
}
