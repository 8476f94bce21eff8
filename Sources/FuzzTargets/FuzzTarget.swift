internal import NetworkPrimitives
internal import Topology
internal import TraceAnalysis
internal import WireFormat

/// What can be fed with octets from anywhere. Each must take all of them without a trap, and keep
/// what it promises.
package enum FuzzTarget: String, Hashable, Sendable, CaseIterable {
    /// An IP packet: parsed in every way; what is parsed and written again is the same.
    case packet
    /// TCP options alone.
    case options
    /// Packets, each behind its length in two octets: analysed as a capture.
    case trace
    /// The text of a testbed file.
    case testbed
    /// Operations on two stacks and the hostile wire between them.
    case conversation

    /// Feeds it; returns what was not kept.
    package func run(_ bytes: UnsafeRawBufferPointer) -> [String] {
        switch self {
        case .packet: PacketFuzzing.run(bytes)
        case .options: PacketFuzzing.runOptions(bytes)
        case .trace: TraceFuzzing.run(bytes)
        case .testbed: TestbedFuzzing.run(bytes)
        case .conversation: ConversationFuzzing.run(bytes)
        }
    }

    /// Whether the input gets past the first check: what does not says little about the rest.
    package func accepts(_ bytes: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .packet:
            (try? SegmentView(parsing: bytes, verification: .checksumNotReady)) != nil
                || (try? ICMPError(parsing: bytes, isVerified: false)) != nil
        case .options: TCPOptions(parsing: bytes) != TCPOptions()
        case .testbed:
            (try? Topology(parsing: String(decoding: bytes, as: UTF8.self), file: "f")) != nil
        case .trace, .conversation: true
        }
    }
}

/// The formats on the wire.
private enum PacketFuzzing {
    static func run(_ bytes: UnsafeRawBufferPointer) -> [String] {
        _ = try? SegmentView(parsing: bytes, verification: .checksum)
        _ = try? SegmentView(parsing: bytes, verification: .cutCapture)
        _ = try? EthernetHeader(parsing: bytes)
        _ = try? ARPPacket(parsing: bytes)
        for isVerified in [true, false] {
            _ = try? ICMPError(parsing: bytes, isVerified: isVerified)
        }
        guard let view = try? SegmentView(parsing: bytes, verification: .checksumNotReady) else {
            return []
        }
        if view.payload.upperBound > bytes.count { return ["payload outside of the packet"] }
        guard let segment = try? Segment(parsing: bytes, verification: .checksumNotReady),
            segment.header.options.fits
        else { return [] }
        let again = try? Segment(parsing: segment.encodedPacket())
        return again == giveWay(segment, to: again) ? [] : ["a segment changed on its way"]
    }

    static func runOptions(_ bytes: UnsafeRawBufferPointer) -> [String] {
        let options = TCPOptions(parsing: bytes)
        guard options.fits else { return [] }
        var header = SegmentHeader(
            sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(0),
            acknowledgment: SequenceNumber(0), flags: [.ack], window: 0)
        header.options = options
        let segment = Segment(source: .v4(1), destination: .v4(2), header: header)
        let again = try? Segment(parsing: segment.encodedPacket())
        return again == giveWay(segment, to: again) ? [] : ["options changed on their way"]
    }

    /// SACK blocks give way to MPTCP options: as many as came through are compared.
    private static func giveWay(_ segment: Segment, to again: Segment?) -> Segment {
        var expected = segment
        expected.header.options.sack = segment.header.options.sack.prefix(
            again?.header.options.sack.count ?? 0)
        return expected
    }
}

/// The analyser of captures.
private enum TraceFuzzing {
    static func run(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var analyzer = TraceAnalyzer(points: ["here"])
        var position = 0
        var time: Int64 = 0
        while position + 3 <= bytes.count {
            // Two octets of length, one of time.
            let length = Int(bytes[position]) << 8 | Int(bytes[position + 1])
            time += Int64(bytes[position + 2]) * 100_000
            position += 3
            let end = min(position + length, bytes.count)
            analyzer.add(
                TracePacket(
                    time: time, point: 0, bytes: Array(bytes[position..<end]), wireLength: length))
            position = end
        }
        let report = analyzer.finish()
        var faults: [String] = []
        let once = report.connections.map(\.index)
        if Set(once).count != once.count { faults.append("two connections have one number") }
        let counts = report.counts
        let kinds = [
            counts.segments, counts.otherProtocols, counts.fragments, counts.malformed,
            counts.headersCut,
        ]
        if counts.packets != kinds.reduce(0, +) {
            faults.append("\(counts) do not add up")
        }
        for connection in report.connections {
            for direction in TraceDirection.allCases {
                let payload = connection.subflows.reduce(0) { sum, subflow in
                    sum + (direction == .upload ? subflow.client : subflow.server).payload
                }
                faults += contradictions(in: connection[direction], payload: payload).map {
                    "connection \(connection.index), \(direction): \($0)"
                }
            }
        }
        return faults
    }

    /// Sums of octets that do not fit together.
    private static func contradictions(in direction: DirectionTrace, payload: Int) -> [String] {
        var faults: [String] = []
        var arrived = 0
        var carried = direction.unmapped
        for transmission in direction.transmissions {
            arrived += transmission.newOctets
            carried += transmission.range.count
            if !(0...transmission.range.count).contains(transmission.newOctets) {
                faults.append("\(transmission.newOctets) of \(transmission.range) are new")
            }
        }
        if arrived > direction.sentOctets {
            faults.append("\(direction.sentOctets) octets were sent, \(arrived) arrived")
        }
        if carried > payload { faults.append("\(payload) octets were carried, \(carried) told of") }
        for reinjection in direction.reinjections
        where reinjection.useful < 0 || reinjection.redundant < 0 || reinjection.neverArrived < 0 {
            faults.append("\(reinjection) does not add up")
        }
        for (earlier, later) in zip(direction.progress, direction.progress.dropFirst())
        where later.time < earlier.time || later.offset <= earlier.offset {
            faults.append("progress went from \(earlier) to \(later)")
        }
        return faults
    }
}

/// Testbed files.
private enum TestbedFuzzing {
    static func run(_ bytes: UnsafeRawBufferPointer) -> [String] {
        do throws(TopologyError) {
            let topology = try Topology(parsing: String(decoding: bytes, as: UTF8.self), file: "f")
            // What was accepted can be planned.
            _ = TestbedPlan(topology, emulation: .relay)
            return topology.paths.isEmpty ? ["a testbed without a path was accepted"] : []
        } catch {
            return []
        }
    }
}
