internal import NetworkPrimitives
internal import WireFormat

/// A packet of a connection with its times.
struct ConnectionPacket {
    /// Its number in the flow table.
    var number: Int
    /// The subflow.
    var flow: Int
    var isFromClient: Bool
    var times: PacketTimes
    /// The first sighting anywhere.
    var firstTime: Int64
    /// Whether the point where its sender's packets leave, which is not the only one, did not see it:
    /// it is a piece, or a merger, of packets that did leave, or the capture there dropped it.
    var isMissingAtSender = false

    var sentTime: Int64 { times.sent ?? firstTime }
}

/// Sequence numbers of one end of a subflow as positions: the octet behind the SYN is 1.
struct SequenceSpace {
    private var reference: SequenceNumber
    private var position = 0

    init(initial: SequenceNumber) { reference = initial }

    /// The position of a sequence number, nearest to the last one asked for.
    mutating func position(of sequence: SequenceNumber) -> Int {
        position += reference.distance(to: sequence)
        reference = sequence
        return position
    }
}

/// The analysis of one direction of a connection's stream, in three steps: mappings, what the sender
/// did, what the receiver got.
struct StreamAnalysis {
    let flows: [GroupedFlow]
    let packets: [ConnectionPacket]
    let table: FlowTable
    let isFromClient: Bool
    /// Whether octets without mapping are part of the stream: TCP, or MPTCP that fell back.
    let isLinear: Bool
    private(set) var infiniteMapping: Int64?
    var trace: DirectionTrace
    var mappings: [SubflowMappings]
    /// For each packet of the sender its position in the subflow, and the mapping that it carries.
    var positions: [Int]
    var ownMappings: [StreamMapping?]
    /// For each transmission its positions in the subflow.
    var transmittedPositions: [Range<Int>] = []
    /// For each subflow from when on the receiver does not take its data.
    var refusedFrom: [Int64?]
    /// For each subflow the packets, and their payload, that hold nothing but octets that other
    /// packets had carried when they left: pieces and mergers of those.
    var resegmented: [(packets: Int, octets: Int)]

    /// Offsets beyond this lie outside of any stream: a damaged option.
    static let offsetBound = 1 << 46
    /// RFC 8684, 3.3.1: no window reaches further than half of the short form.
    static let windowBound = 1 << 31

    init(
        _ group: FlowGroup, packets: [ConnectionPacket], table: FlowTable, isFromClient: Bool,
        isLinear: Bool
    ) {
        flows = group.flows
        self.packets = packets
        self.table = table
        self.isFromClient = isFromClient
        self.isLinear = isLinear
        mappings = [SubflowMappings](repeating: SubflowMappings(), count: flows.count)
        positions = [Int](repeating: 0, count: packets.count)
        ownMappings = [StreamMapping?](repeating: nil, count: packets.count)
        refusedFrom = [Int64?](repeating: nil, count: flows.count)
        resegmented = [(packets: Int, octets: Int)](repeating: (0, 0), count: flows.count)
        trace = Self.origin(group, packets, table, isFromClient)
        collectMappings()
        trace.mappingCounts = mappings.map(\.all.count)
        sendAll()
        receiveAll()
    }

    /// Offset 0: behind the number that the key gives, else the first number in the captures.
    private static func origin(
        _ group: FlowGroup, _ packets: [ConnectionPacket], _ table: FlowTable, _ isFromClient: Bool
    ) -> DirectionTrace {
        if !group.isMultipath {
            let hasStart =
                group.flows.first?.end(isClient: isFromClient).initialSequence != nil
            return DirectionTrace(isOriginInitial: hasStart)
        }
        if let initial = group.initialNumber(isClient: isFromClient) {
            return DirectionTrace(
                origin: initial + 1, isOriginInitial: true, isHighHalfKnown: true)
        }
        var short: DataSequenceNumber?
        var acknowledged: DataSequenceNumber?
        for packet in packets {
            let dss = table.packets[packet.number].segment.options.dss
            let number =
                packet.isFromClient == isFromClient ? dss?.mapping?.dataSequenceNumber : nil
            let ack = packet.isFromClient == isFromClient ? nil : dss?.dataACK
            switch number {
            case .full(let value):
                return DirectionTrace(origin: DataSequenceNumber(value), isHighHalfKnown: true)
            case .low32(let value): short = short ?? DataSequenceNumber(UInt64(value))
            case nil: break
            }
            if case .full(let value) = ack, acknowledged == nil {
                acknowledged = DataSequenceNumber(value)
            }
        }
        if let short, let acknowledged {
            return DirectionTrace(
                origin: DataSequenceNumber(expanding: short.low32, near: acknowledged),
                isHighHalfKnown: true)
        }
        return DirectionTrace(
            origin: acknowledged ?? short, isHighHalfKnown: acknowledged != nil)
    }

    func segment(_ index: Int) -> SegmentRecord { table.packets[packets[index].number].segment }

    /// The sequence space of an end of a flow. Without SYN it follows from the mappings, which count
    /// from it: the lowest number that one of them gives, as a mapping never begins behind the
    /// segment that carries it.
    private func sequenceSpace(of flow: Int) -> SequenceSpace {
        let end = flows[flow].end(isClient: isFromClient)
        if let initial = end.initialSequence {
            return SequenceSpace(initial: initial + acceptedEarlyData(of: flow))
        }
        var lowest: SequenceNumber?
        for index in packets.indices
        where packets[index].flow == flow && packets[index].isFromClient == isFromClient {
            let segment = segment(index)
            guard segment.payload > 0, let mapping = segment.options.dss?.mapping,
                !mapping.isInfinite
            else { continue }
            let candidate = SequenceNumber(
                segment.sequence.rawValue &- mapping.subflowSequenceNumber)
            if let known = lowest, !candidate.precedes(known) { continue }
            lowest = candidate
        }
        return SequenceSpace(initial: lowest ?? (end.firstSequence ?? SequenceNumber(0)) - 1)
    }

    /// Octets of the SYN that the SYN/ACK acknowledged: they are outside of the data sequence space
    /// (RFC 8684, B).
    private func acceptedEarlyData(of flow: Int) -> Int {
        let facts = flows[flow].facts
        guard flows[flow].isOpenedByClient == isFromClient, facts.isCapable,
            let syn = facts.syns.first, let synACK = facts.synACKs.first
        else { return 0 }
        return facts.acceptedOctets(
            of: table.packets[syn].segment, by: table.packets[synACK].segment)
    }

    /// Step 1: which octet of the stream each position of each subflow is.
    private mutating func collectMappings() {
        var spaces = flows.indices.map { sequenceSpace(of: $0) }
        var highest = 0
        for index in packets.indices where packets[index].isFromClient == isFromClient {
            let segment = segment(index)
            let flow = packets[index].flow
            // A reset may stand anywhere, and an early SYN before everything.
            if segment.isReset, segment.payload == 0 { continue }
            let position = spaces[flow].position(of: segment.sequence)
            positions[index] = position + (segment.flags.contains(.syn) ? 1 : 0)
            guard let mapping = mapping(of: segment, at: position, near: highest, index) else {
                continue
            }
            highest = max(highest, mapping.offset + mapping.length)
            ownMappings[index] = mapping
            mappings[flow].add(mapping)
        }
        guard isLinear else { return }
        for flow in flows.indices where mappings[flow].linear == nil {
            let last = mappings[flow].all.last
            mappings[flow].linear =
                last.map { ($0.positions.upperBound, $0.offset - $0.position) } ?? (Int.min, -1)
        }
        noteEndOfLinearStream()
    }

    /// Without DATA_FIN the FIN ends the stream.
    private mutating func noteEndOfLinearStream() {
        for index in packets.indices where packets[index].isFromClient == isFromClient {
            let segment = segment(index)
            guard segment.flags.contains(.fin), let linear = mappings[packets[index].flow].linear
            else { continue }
            let offset = positions[index] + segment.payload + linear.shift
            noteDataFIN(ProgressStep(time: packets[index].sentTime, offset: offset))
        }
    }

    /// The mapping that a segment carries, if it maps any octet.
    private mutating func mapping(
        of segment: SegmentRecord, at position: Int, near highest: Int, _ index: Int
    ) -> StreamMapping? {
        if let length = segment.capable?.dataLength {
            // RFC 8684, 3.1: MP_CAPABLE with data maps the first octets.
            return StreamMapping(position: 1, length: Int(length), offset: 0)
        }
        if segment.isSYN, segment.join != nil || segment.multimob != nil {
            guard let data = flows[packets[index].flow].facts.acceptedSYNData(table),
                data.packet == packets[index].number,
                let offset = offset(of: data.start, near: highest)
            else { return nil }
            return StreamMapping(position: position + 1, length: data.octets, offset: offset)
        }
        guard let dss = segment.options.dss, let mapping = dss.mapping else { return nil }
        guard let offset = offset(of: mapping.dataSequenceNumber, near: highest) else {
            trace.implausibleMappings += 1
            return nil
        }
        let relative = UInt32(truncatingIfNeeded: position)
        let start =
            position + Int(Int32(bitPattern: mapping.subflowSequenceNumber &- relative))
        if mapping.isInfinite {
            infiniteMapping = infiniteMapping ?? packets[index].sentTime
            mappings[packets[index].flow].linear = (start, offset - start)
            return nil
        }
        var length = Int(mapping.length)
        if dss.isDataFIN {
            length -= 1
            noteDataFIN(ProgressStep(time: packets[index].sentTime, offset: offset + length))
        }
        if length == 0 { return nil }
        return StreamMapping(position: start, length: length, offset: offset)
    }

    private mutating func noteDataFIN(_ step: ProgressStep) {
        if trace.dataFIN == nil { trace.dataFIN = step }
    }

    /// The offset of a data sequence number; `nil` if it lies outside of any window.
    func offset(of number: DataNumber, near highest: Int) -> Int? {
        guard let origin = trace.origin else { return nil }
        let offset = origin.distance(to: number.expanded(near: origin + highest))
        guard offset.magnitude < Self.offsetBound,
            (offset - highest).magnitude < Self.windowBound
        else { return nil }
        return offset
    }
}
