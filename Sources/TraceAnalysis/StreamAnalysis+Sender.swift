internal import NetworkPrimitives
internal import WireFormat

extension StreamAnalysis {
    /// Who carried a range first.
    private struct Carriers: Equatable {
        var first: Int
        var firstSent: Int64
    }

    private enum Step {
        case acknowledgment(Int)
        case data(Int)
    }

    /// Step 2: what the sender sent, knowing the DATA_ACKs that had reached it.
    mutating func sendAll() {
        var carriers = RangeTable<Carriers>()
        var sent = [RangeSet](repeating: RangeSet(), count: flows.count)
        var acknowledged = Int.min
        var highest = 0
        var spaces = acknowledgmentSpaces()
        for step in senderSteps() {
            switch step {
            case .acknowledgment(let index):
                guard let offset = acknowledgedOffset(index, near: highest, &spaces),
                    offset > acknowledged
                else { continue }
                acknowledged = offset
                trace.dataACKs.append(
                    DataACKStep(
                        times: packets[index].times, offset: offset, subflow: packets[index].flow))
            case .data(let index):
                let first = trace.transmissions.count
                send(index, &carriers, &sent, acknowledged: acknowledged)
                for transmission in trace.transmissions[first...] {
                    highest = max(highest, transmission.range.upperBound)
                }
            }
        }
    }

    private func senderSteps() -> [Step] {
        var steps: [(time: Int64, kind: Int, index: Int)] = []
        for index in packets.indices {
            let packet = packets[index]
            let segment = segment(index)
            if packet.isFromClient == isFromClient {
                // A SYN of a join whose payload nobody took sent nothing of the stream.
                let isVoid = segment.isSYN && segment.join != nil && ownMappings[index] == nil
                if segment.payload > 0, !isVoid { steps.append((packet.sentTime, 1, index)) }
            } else if segment.isAcknowledgment, let time = acknowledgmentTime(packet) {
                steps.append((time, 0, index))
            }
        }
        steps.sort { ($0.time, $0.kind, $0.index) < ($1.time, $1.kind, $1.index) }
        return steps.map { $0.kind == 0 ? .acknowledgment($0.index) : .data($0.index) }
    }

    /// When an acknowledgment was at the sender of the data; `nil` if it was lost on the way.
    private func acknowledgmentTime(_ packet: ConnectionPacket) -> Int64? {
        packet.times.arrived ?? (packet.times.sent == nil ? packet.firstTime : nil)
    }

    /// Positions of acknowledgment numbers count as those of the sender's octets.
    func acknowledgmentSpaces() -> [SequenceSpace] {
        flows.map { flow in
            let end = flow.end(isClient: isFromClient)
            return SequenceSpace(
                initial: end.initialSequence ?? (end.firstSequence ?? SequenceNumber(0)) - 1)
        }
    }

    /// What the receiver's packet acknowledges of the stream; `nil` if it does not say.
    func acknowledgedOffset(
        _ index: Int, near highest: Int, _ spaces: inout [SequenceSpace]
    ) -> Int? {
        let segment = segment(index)
        if let number = segment.dataACK {
            return offset(of: number, near: highest)
        }
        let flow = packets[index].flow
        guard isLinear, !segment.isReset, let linear = mappings[flow].linear else { return nil }
        let position = spaces[flow].position(of: segment.acknowledgment)
        guard position >= linear.from else { return nil }
        // The FIN takes a number too.
        return min(position + linear.shift, trace.dataFIN?.offset ?? .max)
    }

    private mutating func send(
        _ index: Int, _ carriers: inout RangeTable<Carriers>, _ sent: inout [RangeSet],
        acknowledged: Int
    ) {
        let packet = packets[index]
        let segment = segment(index)
        let positions = positions[index]..<(positions[index] + segment.payload)
        let fresh = sent[packet.flow].missing(in: positions)
        if packet.isMissingAtSender, fresh.isEmpty {
            resegmented[packet.flow].packets += 1
            resegmented[packet.flow].octets += segment.payload
        }
        sent[packet.flow].insert(positions)
        var pieces: [(Range<Int>, Range<Int>)] = []
        let unmapped = mappings[packet.flow].resolve(positions, own: ownMappings[index]) {
            pieces.append(($0, $1))
        }
        // Data of the SYN of Fast Open is outside of the stream.
        if !segment.flags.contains(.syn) { trace.unmapped += unmapped }
        for (positions, offsets) in pieces {
            guard offsets.lowerBound.magnitude < Self.offsetBound else { continue }
            var covered = positions.lowerBound
            func carry(until end: Int, isRepeated: Bool) {
                let part = covered..<end
                covered = end
                if part.isEmpty { return }
                let start = offsets.lowerBound + part.lowerBound - positions.lowerBound
                self.carry(
                    part, start..<(start + part.count), packet, isRepeated: isRepeated, &carriers,
                    acknowledged: acknowledged)
            }
            for new in fresh {
                let part = new.clamped(to: positions)
                if part.isEmpty { continue }
                carry(until: part.lowerBound, isRepeated: true)
                carry(until: part.upperBound, isRepeated: false)
            }
            carry(until: positions.upperBound, isRepeated: true)
        }
    }

    /// Octets at positions that this subflow has carried before (`isRepeated`) or has not. Repeated
    /// positions with octets of the stream that nobody has carried are no retransmission: the sender
    /// or somebody on the way maps them differently now.
    private mutating func carry(
        _ positions: Range<Int>, _ offsets: Range<Int>, _ packet: ConnectionPacket,
        isRepeated: Bool, _ carriers: inout RangeTable<Carriers>, acknowledged: Int
    ) {
        // They left already, in packets that were seen leaving.
        if isRepeated, packet.isMissingAtSender {
            let arrival = Transmission(
                subflow: packet.flow, times: packet.times, range: offsets, kind: .arrival)
            return append(arrival, at: positions)
        }
        var parts: [(range: Range<Int>, kind: TransmissionKind, original: Carriers?)] = []
        func note(_ range: Range<Int>, _ kind: TransmissionKind, _ original: Carriers?) {
            if let last = parts.last, last.kind == kind, last.original == original,
                last.range.upperBound == range.lowerBound
            {
                parts[parts.count - 1].range = last.range.lowerBound..<range.upperBound
            } else {
                parts.append((range, kind, original))
            }
        }
        carriers.update(offsets) { range, value in
            guard let known = value else {
                value = Carriers(first: packet.flow, firstSent: packet.sentTime)
                note(range, .first, nil)
                return
            }
            // A second reinjection on the same subflow, at a new position in it, is one too: only
            // where the data was first is it a retransmission.
            if isRepeated || known.first == packet.flow {
                note(range, .retransmission, nil)
            } else {
                let split = min(max(acknowledged, range.lowerBound), range.upperBound)
                if range.lowerBound < split {
                    note(range.lowerBound..<split, .lateReinjection, known)
                }
                if split < range.upperBound { note(split..<range.upperBound, .reinjection, known) }
            }
        }
        for part in parts {
            let start = positions.lowerBound + part.range.lowerBound - offsets.lowerBound
            append(
                Transmission(
                    subflow: packet.flow, times: packet.times, range: part.range, kind: part.kind,
                    original: part.original?.first), at: start..<(start + part.range.count))
            if part.kind == .reinjection, let original = part.original {
                trace.reinjections.append(
                    ReinjectionTrace(
                        transmission: trace.transmissions.count - 1, range: part.range,
                        from: original.first, to: packet.flow, times: packet.times,
                        originalSent: original.firstSent, useful: 0, redundant: 0))
            }
        }
    }

    private mutating func append(_ transmission: Transmission, at positions: Range<Int>) {
        trace.transmissions.append(transmission)
        transmittedPositions.append(positions)
    }
}
