internal import WireFormat

/// Packets in, report out: connections, subflows, joins, mappings, reinjections, gaps.
///
/// Inputs: `add`, in any order. Output: `finish`, which may be called more than once.
/// The captures may begin in the middle, hold one direction or one point only, be cut, or be made by
/// a sender that leaves segmentation and checksums to its hardware: what they do not tell is `nil`
/// or `Known.unknown` with the reason.
package struct TraceAnalyzer {
    private var points: [TracePoint]
    private var counts = PacketCounts()
    private var records: [SegmentRecord] = []

    /// An Ethernet frame's payload: what is larger is cut into pieces behind the capture point.
    private static let largestPacket = 1_500
    /// Points beyond the declared ones get a name; beyond this many a packet is malformed.
    private static let pointLimit = 1_024

    package init(points: [TracePoint]) { self.points = points }

    /// Points of unknown place.
    package init(points: [String]) { self.init(points: points.map { TracePoint($0) }) }

    /// Takes a packet.
    package mutating func add(_ packet: TracePacket) {
        counts.packets += 1
        guard (0..<Self.pointLimit).contains(packet.point) else {
            counts.malformed += 1
            return
        }
        while points.count <= packet.point { points.append(TracePoint("point \(points.count)")) }
        switch SegmentRecord.parse(packet) {
        case .success(let record):
            counts.segments += 1
            if record.isCut { counts.cut += 1 }
            if record.packetLength > Self.largestPacket { counts.superPackets += 1 }
            records.append(record)
        case .failure(.notTCP): counts.otherProtocols += 1
        case .failure(.fragment): counts.fragments += 1
        case .failure(.truncated) where packet.bytes.count < packet.wireLength:
            counts.headersCut += 1
        case .failure(.truncated), .failure(.unsupported), .failure(.badLength),
            .failure(.badChecksum):
            counts.malformed += 1
        }
    }

    /// Analyses everything that was added.
    package func finish() -> TraceReport {
        let table = FlowTable(uniformRecords)
        var counts = counts
        counts.repeated = table.repeated
        let groups = FlowGrouping(table).groups
        let connections = groups.enumerated().map { index, group in
            ConnectionAnalysis(group, in: table, points: points).trace(index: index)
        }
        return TraceReport(points: points, counts: counts, connections: connections)
    }

    /// The sightings, with each flow under one name at all points.
    private var uniformRecords: [SegmentRecord] {
        let rewritten = RewrittenFlows(records, points: points)
        if rewritten.isEmpty { return records }
        return records.map { record in
            points[record.point].place == .atServer ? rewritten.original(record) : record
        }
    }
}
