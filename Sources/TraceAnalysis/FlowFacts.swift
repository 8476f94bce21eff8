internal import NetworkPrimitives
internal import WireFormat

/// What one end of a flow said in its handshake, and what it sent.
struct EndFacts {
    /// The number of its SYN.
    var initialSequence: SequenceNumber?
    var maximumSegmentSize: UInt16?
    var windowScale: UInt8?
    var isSACKPermitted: Bool?
    /// A data sequence number of what this end sends, in full.
    var dataSample: DataSequenceNumber?
    var hasFIN = false
    var reset: (packet: Int, reason: MPTCPReset?)?
    var packetCount = 0
    var payload = 0
    /// Whether a packet behind the handshake had payload.
    var hasSentData = false
    /// The number of the first segment seen.
    var firstSequence: SequenceNumber?
}

/// What the handshake of a flow tells, and its ends.
struct FlowFacts {
    /// Number of the flow.
    var flow: Int
    /// `local` opened the flow.
    var tuple: FourTuple
    var isOpenerKnown: Bool
    /// Whether the flow's first end is the opener.
    var isFirstOpener: Bool
    var syns: [Int] = []
    var synACKs: [Int] = []
    /// The third packet of the handshake.
    var thirdACK: Int?
    var capableSYN: MPCapable?
    var capableSYNACK: MPCapable?
    var capableACK: MPCapable?
    var joinSYN: MPJoin?
    var joinSYNACK: MPJoin?
    var joinACK: MPJoin?
    /// Fast Join as published.
    var multimobSYN: MultiMobOption?
    var multimobSYNACK: MultiMobOption?
    /// Packets with the third form of MP_JOIN.
    var joinACKs: [Int] = []
    var hasDSS = false
    var opener = EndFacts()
    var listener = EndFacts()

    var isJoin: Bool {
        joinSYN != nil || joinSYNACK != nil || joinACK != nil || multimobSYN != nil
            || multimobSYNACK != nil
    }

    /// What the SYN of a join says, of either kind.
    var joinRequest: (isBackup: Bool, addressID: AddressID, token: Token)? {
        if case .syn(let isBackup, let id, let token, _)? = joinSYN { return (isBackup, id, token) }
        return switch multimobSYN {
        case .outSYN(let isBackup, let id, let token, _, _, _, _),
            .inSYN(let isBackup, let id, let token, _, _):
            (isBackup, id, token)
        case .outSYNACK, .inSYNACK, nil: nil
        }
    }

    /// What the SYN/ACK of a join says, of either kind.
    var joinAnswer: (isBackup: Bool, addressID: AddressID)? {
        if case .synACK(let isBackup, let id, _, _)? = joinSYNACK { return (isBackup, id) }
        return switch multimobSYNACK {
        case .outSYNACK(let isBackup, let id, _, _), .inSYNACK(let isBackup, let id, _, _):
            (isBackup, id)
        case .outSYN, .inSYN, nil: nil
        }
    }

    /// Whether the handshake began as MPTCP.
    var isCapable: Bool { capableSYN != nil || capableSYNACK != nil || capableACK != nil }

    subscript(end isOpener: Bool) -> EndFacts {
        get { isOpener ? opener : listener }
        set { if isOpener { opener = newValue } else { listener = newValue } }
    }

    /// Reads the packets of one flow.
    init(_ number: Int, in table: FlowTable) {
        flow = number
        let flow = table.flows[number]
        let first = Self.opener(of: flow, in: table)
        isFirstOpener = first.isFirst
        isOpenerKnown = first.isKnown
        tuple = first.isFirst ? flow.tuple : flow.tuple.reversed
        for packet in flow.packets {
            let observed = table.packets[packet]
            let fromOpener = observed.isFromFirst == isFirstOpener
            take(observed.segment, packet, fromOpener: fromOpener)
        }
    }

    /// Whether the given packet comes from the opener of the flow.
    func isFromOpener(_ packet: ObservedPacket) -> Bool { packet.isFromFirst == isFirstOpener }

    /// Who opened the flow: the handshake tells, else the lower port is taken for the listener's.
    private static func opener(
        of flow: Flow, in table: FlowTable
    ) -> (isFirst: Bool, isKnown: Bool) {
        for packet in flow.packets {
            let observed = table.packets[packet]
            let segment = observed.segment
            if segment.isSYN { return (observed.isFromFirst, true) }
            if segment.isSYNACK { return (!observed.isFromFirst, true) }
            if segment.capable?.receiverKey != nil { return (observed.isFromFirst, true) }
            if case .ack = segment.join { return (observed.isFromFirst, true) }
        }
        return (flow.tuple.remote.port <= flow.tuple.local.port, false)
    }

    private mutating func take(_ segment: SegmentRecord, _ packet: Int, fromOpener: Bool) {
        note(segment, packet, in: &self[end: fromOpener])
        if segment.isSYN {
            syns.append(packet)
            capableSYN = capableSYN ?? segment.capable
            joinSYN = joinSYN ?? segment.join
            multimobSYN = multimobSYN ?? segment.multimob
        } else if segment.isSYNACK {
            synACKs.append(packet)
            capableSYNACK = capableSYNACK ?? segment.capable
            joinSYNACK = joinSYNACK ?? segment.join
            multimobSYNACK = multimobSYNACK ?? segment.multimob
        } else if !segment.isReset {
            if fromOpener, thirdACK == nil, !synACKs.isEmpty { thirdACK = packet }
            if fromOpener, segment.capable?.receiverKey != nil, capableACK == nil {
                capableACK = segment.capable
            }
            if case .ack = segment.join, fromOpener {
                joinACK = joinACK ?? segment.join
                joinACKs.append(packet)
            }
        }
        guard let dss = segment.options.dss else { return }
        hasDSS = true
        if case .full(let number) = dss.mapping?.dataSequenceNumber {
            let sample = self[end: fromOpener].dataSample
            self[end: fromOpener].dataSample = sample ?? DataSequenceNumber(number)
        }
        if case .full(let number) = dss.dataACK {
            let sample = self[end: !fromOpener].dataSample
            self[end: !fromOpener].dataSample = sample ?? DataSequenceNumber(number)
        }
    }

    private func note(_ segment: SegmentRecord, _ packet: Int, in end: inout EndFacts) {
        end.packetCount += 1
        end.payload += segment.payload
        if segment.payload > 0, !segment.flags.contains(.syn) { end.hasSentData = true }
        if end.firstSequence == nil, !segment.isReset { end.firstSequence = segment.sequence }
        if segment.flags.contains(.syn), end.initialSequence == nil {
            end.initialSequence = segment.sequence
            end.maximumSegmentSize = segment.options.maximumSegmentSize
            end.windowScale = segment.options.windowScale
            end.isSACKPermitted = segment.options.isSACKPermitted
        }
        if segment.flags.contains(.fin) { end.hasFIN = true }
        if segment.isReset, end.reset == nil { end.reset = (packet, segment.resetReason) }
    }
}
