internal import NetworkPrimitives
internal import WireFormat

/// One packet, wherever it was seen.
struct ObservedPacket {
    /// The first sighting.
    var segment: SegmentRecord
    /// Whether the flow's first end sent it.
    var isFromFirst: Bool
}

/// One TCP connection: a four-tuple from one SYN to the next.
struct Flow {
    /// Its first end as `local`: the one that opened it, as far as that is known.
    var tuple: FourTuple
    /// Numbers of its packets, in the order of their first sightings.
    var packets: [Int] = []
    /// Number of the SYN by which later SYNs are known to be new.
    var synSequence: SequenceNumber?
    /// What has been seen of each end, the first one's before the other's.
    fileprivate var isSeen = (false, false)
    fileprivate var hasEnded = (false, false)

    /// Whether both ends talk: then an end that gets a SYN answers with an ACK, and nothing begins.
    fileprivate var isLive: Bool {
        isSeen.0 && isSeen.1 && !(hasEnded.0 && hasEnded.1)
    }

    fileprivate mutating func note(_ record: SegmentRecord, isFromFirst: Bool) {
        if isFromFirst { isSeen.0 = true } else { isSeen.1 = true }
        if record.isReset { hasEnded = (true, true) }
        guard record.flags.contains(.fin) else { return }
        if isFromFirst { hasEnded.0 = true } else { hasEnded.1 = true }
    }
}

/// Sorts sightings into flows, and finds the same packet again at other points.
struct FlowTable {
    private(set) var flows: [Flow] = []
    private(set) var packets: [ObservedPacket] = []
    private(set) var repeated = 0
    /// For each packet when and at which points it was seen.
    private var sightings = PointLists<Int64>()
    private var current: [FourTuple: Int] = [:]
    /// SYNs that nobody answered on a tuple in use.
    private var strays: [OpeningNumber: Int] = [:]
    /// What SYN/ACKs acknowledge, by the tuple of the SYN; each sorted.
    private var answers: [FourTuple: [UInt32]] = [:]
    /// Sightings of what looks the same: a number for each look.
    private var looks: [Identity: Int] = [:]
    /// For each look and point how many there were, and when the last one was.
    private var marks = PointLists<(count: Int32, last: Int64)>()
    /// For each look its first packet, and the later ones by their order.
    private var firstPackets: [Int] = []
    private var laterPackets: [Occurrence: Int] = [:]

    /// Two sightings of the same octets at the same point closer than this are one packet.
    private static let repetitionSpan: Int64 = 20_000

    /// What makes a packet the same at another point.
    private struct Identity: Hashable {
        var flowAndFlags: UInt64
        var numbers: UInt64
        var timestamps: UInt64
        var rest: UInt64

        init(_ record: SegmentRecord, flow: Int, isFromFirst: Bool) {
            flowAndFlags =
                UInt64(flow) << 32 | UInt64(record.flags.rawValue) << 1 | (isFromFirst ? 1 : 0)
            numbers =
                UInt64(record.sequence.rawValue) << 32 | UInt64(record.acknowledgment.rawValue)
            let timestamps = record.options.timestamps
            self.timestamps = UInt64(timestamps?.value ?? 0) << 32 | UInt64(timestamps?.echo ?? 0)
            rest =
                UInt64(record.identification) << 48
                ^ UInt64(truncatingIfNeeded: record.payload) << 32 ^ UInt64(record.window) << 16
                ^ Self.dataACK(record.options.dss) &* 0x9e37_79b9_7f4a_7c15
                ^ Self.signals(record.options.mptcp) &* 0xbf58_476d_1ce4_e5b9
            // A DATA_FIN may leave right behind an ACK that is otherwise the same.
            if record.options.dss?.isDataFIN == true { rest ^= 1 }
        }

        /// Several ACKs that differ in their signals only may leave at once.
        private static func signals(_ options: [MPTCPOption]) -> UInt64 {
            options.reduce(0) { $0 << 16 ^ UInt64($1.mark) << 8 ^ UInt64($1.encodedLength) }
        }

        /// One number for the hasher: this is where most of the time of an analysis would go.
        func hash(into hasher: inout Hasher) {
            var mixed = flowAndFlags ^ numbers &* 0x9e37_79b9_7f4a_7c15
            mixed = (mixed ^ mixed >> 32) &* 0xbf58_476d_1ce4_e5b9 ^ timestamps
            mixed = (mixed ^ mixed >> 29) &* 0x94d0_49bb_1331_11eb ^ rest
            hasher.combine(mixed)
        }

        private static func dataACK(_ dss: DSS?) -> UInt64 {
            switch dss?.dataACK {
            case .low32(let value): UInt64(value)
            case .full(let value): value
            case nil: 0
            }
        }
    }

    private struct OpeningNumber: Hashable {
        var tuple: FourTuple
        var sequence: SequenceNumber
    }

    private struct Occurrence: Hashable {
        var look: Int
        var number: Int32
    }

    /// Takes all sightings.
    init(_ records: [SegmentRecord]) {
        let order = records.indices.sorted {
            (records[$0].time, records[$0].point, $0) < (records[$1].time, records[$1].point, $1)
        }
        packets.reserveCapacity(records.count)
        looks.reserveCapacity(records.count)
        for record in records where record.isSYNACK {
            answers[record.tuple.reversed, default: []].append(record.acknowledgment.rawValue)
        }
        for tuple in answers.keys { answers[tuple]?.sort() }
        for index in order { take(records[index]) }
        (answers, strays) = ([:], [:])
        looks = [:]
        (marks, firstPackets, laterPackets) = (PointLists(), [], [:])
    }

    /// When the packet was seen at the point.
    func time(of packet: Int, at point: Int) -> Int64? { sightings[packet, point] }

    /// The points that saw the packet, in no order.
    func points(of packet: Int) -> [Int] { sightings.points(of: packet) }

    /// The first sighting.
    func firstTime(of packet: Int) -> Int64 { packets[packet].segment.time }

    private mutating func take(_ record: SegmentRecord) {
        let (flow, isFromFirst) = flow(of: record)
        let look = look(of: Identity(record, flow: flow, isFromFirst: isFromFirst))
        let mark = marks[look, record.point]
        // A retransmission of Linux has an identification of its own; one that has none comes later
        // than a repeated sighting.
        if let mark,
            record.identification != 0 || record.time - mark.last < Self.repetitionSpan
        {
            repeated += 1
            return
        }
        let count = (mark?.count ?? 0) + 1
        marks[look, record.point] = (count, record.time)
        if let known = packet(look, count) {
            sightings[known, record.point] = record.time
            return
        }
        let number = packets.count
        if count == 1 {
            firstPackets[look] = number
        } else {
            laterPackets[Occurrence(look: look, number: count)] = number
        }
        packets.append(ObservedPacket(segment: record, isFromFirst: isFromFirst))
        sightings.append()
        sightings[number, record.point] = record.time
        flows[flow].packets.append(number)
    }

    private mutating func look(of identity: Identity) -> Int {
        let new = firstPackets.count
        let look = looks[identity, default: new]
        if look < new { return look }
        looks[identity] = new
        firstPackets.append(-1)
        marks.append()
        return new
    }

    private func packet(_ look: Int, _ occurrence: Int32) -> Int? {
        if occurrence > 1 { return laterPackets[Occurrence(look: look, number: occurrence)] }
        return firstPackets[look] < 0 ? nil : firstPackets[look]
    }

    private mutating func flow(of record: SegmentRecord) -> (flow: Int, isFromFirst: Bool) {
        let forward = current[record.tuple]
        if let index = forward ?? current[record.tuple.reversed] {
            guard record.isSYN, isReuse(of: index, by: record) else {
                let isFromFirst = forward != nil
                if record.isSYN, isFromFirst { flows[index].synSequence = record.sequence }
                flows[index].note(record, isFromFirst: isFromFirst)
                return (index, isFromFirst)
            }
            if flows[index].isLive, !isAnswered(record) { return (stray(record), true) }
        }
        current[record.tuple.reversed] = nil
        current[record.tuple] = flows.count
        return (newFlow(record), true)
    }

    private mutating func newFlow(_ record: SegmentRecord) -> Int {
        var flow = Flow(
            tuple: record.tuple, synSequence: record.isSYN ? record.sequence : nil)
        flow.note(record, isFromFirst: true)
        flows.append(flow)
        return flows.count - 1
    }

    /// A SYN that opens nothing is a flow of its own, and the one that is there goes on.
    private mutating func stray(_ record: SegmentRecord) -> Int {
        let number = OpeningNumber(tuple: record.tuple, sequence: record.sequence)
        if let known = strays[number] { return known }
        let flow = newFlow(record)
        strays[number] = flow
        return flow
    }

    /// Whether this SYN is another one than that of the flow on the tuple.
    private func isReuse(of index: Int, by record: SegmentRecord) -> Bool {
        if let known = flows[index].synSequence { return known != record.sequence }
        return !flows[index].packets.isEmpty
    }

    /// Whether a SYN/ACK of any time acknowledges this SYN, with or without its payload.
    private func isAnswered(_ record: SegmentRecord) -> Bool {
        guard let numbers = answers[record.tuple] else { return false }
        let first = (record.sequence + 1).rawValue
        // The first one that is not before it, or else, as they go round, the least.
        let index = numbers.partitionPoint { $0 >= first }
        return numbers[index == numbers.count ? 0 : index] &- first <= UInt32(record.payload)
    }
}

extension MPTCPOption {
    /// A number for each kind of option.
    fileprivate var mark: UInt8 {
        switch self {
        case .capable: 1
        case .join: 2
        case .dss: 3
        case .addAddress: 4
        case .removeAddress: 5
        case .priority: 6
        case .fail: 7
        case .fastClose: 8
        case .reset: 9
        case .fastJoin: 10
        case .multimob: 11
        case .unknown(let subtype, _, _): 12 + subtype
        }
    }
}
