internal import NetworkPrimitives
internal import WireFormat

/// A flow as part of a connection.
struct GroupedFlow {
    var facts: FlowFacts
    /// Whether the connection's client opened the flow.
    var isOpenedByClient: Bool
    var membership: SubflowMembership

    /// The client's end as `local`.
    var tuple: FourTuple { isOpenedByClient ? facts.tuple : facts.tuple.reversed }

    /// What the client or the server said.
    func end(isClient: Bool) -> EndFacts { facts[end: isClient == isOpenedByClient] }

    /// Whether the client sent the packet.
    func isFromClient(_ packet: ObservedPacket) -> Bool {
        facts.isFromOpener(packet) == isOpenedByClient
    }
}

/// The flows of one connection.
struct FlowGroup {
    var flows: [GroupedFlow]
    var version: MPTCPVersion?
    /// Whether any of it is MPTCP.
    var isMultipath: Bool
    var clientKey: Key?
    var serverKey: Key?

    var digest: KeyDigest? { version.map(KeyDigest.init) }

    func token(isClient: Bool) -> Token? {
        guard let key = isClient ? clientKey : serverKey, let digest else { return nil }
        return digest.token(of: key)
    }

    /// The number of the octet before the first one of the stream, from the key.
    func initialNumber(isClient: Bool) -> DataSequenceNumber? {
        guard let key = isClient ? clientKey : serverKey, let digest else { return nil }
        return digest.initialDataSequenceNumber(of: key)
    }

    /// Some data sequence number that this end used.
    fileprivate func sample(isClient: Bool) -> DataSequenceNumber? {
        if let initial = initialNumber(isClient: isClient) { return initial }
        for flow in flows {
            if let sample = flow.end(isClient: isClient).dataSample { return sample }
        }
        return nil
    }
}

/// Puts flows together to connections: by the keys of MP_CAPABLE and the tokens of MP_JOIN, else by a
/// token that joins share, else by data sequence numbers that lie near each other.
struct FlowGrouping {
    private(set) var groups: [FlowGroup] = []
    /// Connections by the rough place of a data sequence number of theirs.
    private var byNumber: [UInt64: Set<Int>] = [:]

    init(_ table: FlowTable) {
        let all = table.flows.indices.map { FlowFacts($0, in: table) }
        for facts in all where !facts.isJoin && (facts.isCapable || !facts.hasDSS) {
            groups.append(Self.newGroup(facts))
        }
        for index in groups.indices { remember(index) }
        let tokens = knownTokens()
        var orphans: [FlowFacts] = []
        for facts in all where facts.isJoin {
            if !addByToken(facts, tokens) { orphans.append(facts) }
        }
        addOrphanJoins(orphans)
        byNumber = [:]
        for index in groups.indices { remember(index) }
        // What is left carries DSS, and its handshake is not in the captures.
        for facts in all where !facts.isJoin && !facts.isCapable && facts.hasDSS {
            if addByNumbers(facts) { continue }
            groups.append(Self.newGroup(facts))
            remember(groups.count - 1)
        }
        orderByTime(table)
    }

    private static func newGroup(_ facts: FlowFacts) -> FlowGroup {
        let capables = [facts.capableACK, facts.capableSYNACK, facts.capableSYN]
        let version = capables.lazy.compactMap { $0 }.first.flatMap {
            MPTCPVersion(rawValue: $0.version)
        }
        return FlowGroup(
            flows: [GroupedFlow(facts: facts, isOpenedByClient: true, membership: .first)],
            version: version, isMultipath: facts.isCapable || facts.isJoin || facts.hasDSS,
            clientKey: facts.capableACK?.senderKey ?? facts.capableSYN?.senderKey,
            serverKey: facts.capableSYNACK?.senderKey ?? facts.capableACK?.receiverKey)
    }

    /// Whose tokens these are: of which connection, and of its server or its client.
    private func knownTokens() -> [Token: (group: Int, isServer: Bool)] {
        var result: [Token: (group: Int, isServer: Bool)] = [:]
        for index in groups.indices where groups[index].isMultipath {
            if let token = groups[index].token(isClient: true) { result[token] = (index, false) }
            if let token = groups[index].token(isClient: false) { result[token] = (index, true) }
        }
        return result
    }

    private mutating func addByToken(
        _ facts: FlowFacts, _ tokens: [Token: (group: Int, isServer: Bool)]
    ) -> Bool {
        guard let token = facts.joinRequest?.token else { return addByNumbers(facts) }
        guard let owner = tokens[token] else { return false }
        // The token is the listener's: so the opener is the other end.
        groups[owner.group].flows.append(
            GroupedFlow(facts: facts, isOpenedByClient: owner.isServer, membership: .token))
        return true
    }

    /// Joins whose connection's keys are nowhere: those of one token belong together.
    private mutating func addOrphanJoins(_ orphans: [FlowFacts]) {
        var byToken: [(token: Token, group: Int)] = []
        for facts in orphans {
            guard let token = facts.joinRequest?.token else {
                groups.append(Self.newGroup(facts))
                continue
            }
            if let known = byToken.first(where: { $0.token == token }) {
                groups[known.group].flows.append(
                    GroupedFlow(facts: facts, isOpenedByClient: true, membership: .sharedToken))
            } else {
                byToken.append((token, groups.count))
                groups.append(Self.newGroup(facts))
            }
        }
    }

    /// Data sequence numbers start at random in 64 bits: two flows whose numbers lie within half of a
    /// 32-bit space of each other carry the same stream.
    private mutating func addByNumbers(_ facts: FlowFacts) -> Bool {
        for index in candidates(facts) where groups[index].isMultipath {
            for isOpenedByClient in [true, false] {
                let pairs = [true, false].compactMap { isClient in
                    Self.areNear(
                        facts[end: isClient == isOpenedByClient].dataSample,
                        groups[index].sample(isClient: isClient))
                }
                guard !pairs.isEmpty, pairs.allSatisfy(\.self) else { continue }
                groups[index].flows.append(
                    GroupedFlow(
                        facts: facts, isOpenedByClient: isOpenedByClient, membership: .dataSequence)
                )
                remember(index)
                return true
            }
        }
        return false
    }

    /// Numbers that are near each other lie in the same piece of this size or in neighbours.
    private static let pieceBits = 31

    private mutating func remember(_ index: Int) {
        for isClient in [true, false] {
            guard let sample = groups[index].sample(isClient: isClient) else { continue }
            byNumber[sample.rawValue >> Self.pieceBits, default: []].insert(index)
        }
    }

    /// The connections that may have a number near one of these, in order.
    private func candidates(_ facts: FlowFacts) -> [Int] {
        let pieces = UInt64.max >> Self.pieceBits
        var found: Set<Int> = []
        for sample in [facts.opener.dataSample, facts.listener.dataSample].compactMap(\.self) {
            let piece = sample.rawValue >> Self.pieceBits
            for near in [piece &- 1, piece, piece &+ 1] {
                found.formUnion(byNumber[near & pieces] ?? [])
            }
        }
        return found.sorted()
    }

    private static func areNear(_ first: DataSequenceNumber?, _ second: DataSequenceNumber?)
        -> Bool?
    {
        guard let first, let second else { return nil }
        return first.distance(to: second).magnitude < 1 << 31
    }

    /// Flows and connections in the order of their first packets. A connection keeps its first
    /// subflow first even where a capture point saw a join before it.
    private mutating func orderByTime(_ table: FlowTable) {
        func start(_ flow: GroupedFlow) -> (Int64, Int) {
            let first = table.flows[flow.facts.flow].packets.first
            return (first.map { table.firstTime(of: $0) } ?? 0, flow.facts.flow)
        }
        for index in groups.indices {
            let isFirst = { (flow: GroupedFlow) in
                flow.membership == .first && !flow.facts.isJoin ? 0 : 1
            }
            groups[index].flows.sort {
                (isFirst($0), start($0).0, start($0).1) < (isFirst($1), start($1).0, start($1).1)
            }
        }
        let starts = groups.map { group in group.flows.map(start).min { $0 < $1 } ?? (0, 0) }
        groups = groups.indices.sorted { starts[$0] < starts[$1] }.map { groups[$0] }
    }
}
