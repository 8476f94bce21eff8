internal import NetworkPrimitives
internal import WireFormat

extension StreamAnalysis {
    /// The first arrival of an octet.
    struct Arrival: Equatable {
        var subflow: Int
        var time: Int64
    }

    /// What has reached the receiver.
    private struct Receiver {
        /// Octets of the stream, and what brought them first.
        var arrivals = RangeTable<Arrival>()
        /// Positions of each subflow that arrived.
        var positions: [RangeSet]
        /// The first position of each subflow that is not there in order; `nil` before the first
        /// packet where the beginning was not captured.
        var inOrder: [Int?]
        /// Octets that the subflows have handed over.
        var delivered = RangeSet()
        /// The first octet that the application does not have.
        var next: Int?
        var spaces: [SequenceSpace]
    }

    /// Step 3: what arrived when, in order of arrival. TCP hands octets over in the order of their
    /// subflow, and the connection in the order of the stream.
    mutating func receiveAll() {
        let steps = receiverSteps()
        var arrivals = receive(steps)
        // Each pass finds at most one more subflow whose data the receiver no longer takes.
        for _ in flows.indices {
            guard let refusal = refusal(arrivals) else { break }
            refusedFrom[refusal.subflow] = refusal.time
            arrivals = receive(steps)
        }
        judgeReinjections(arrivals)
    }

    private mutating func receive(
        _ steps: [(time: Int64, isArrival: Bool, index: Int)]
    ) -> RangeTable<Arrival> {
        trace.progress = []
        trace.notCaptured = 0
        var receiver = Receiver(
            positions: [RangeSet](repeating: RangeSet(), count: flows.count),
            inOrder: flows.map { $0.end(isClient: isFromClient).initialSequence == nil ? nil : 1 },
            next: startOffset, spaces: acknowledgmentSpaces())
        for step in steps {
            if step.isArrival {
                arrive(step.index, at: step.time, &receiver)
            } else {
                acknowledge(step.index, at: step.time, &receiver)
            }
        }
        return receiver.arrivals
    }

    private func isRefused(_ flow: Int, at time: Int64) -> Bool {
        refusedFrom[flow].map { time >= $0 } ?? false
    }

    /// The first octet of the stream where the captures hold the beginning of the connection.
    private var startOffset: Int? {
        guard trace.isOriginInitial,
            flows.first?.end(isClient: isFromClient).initialSequence != nil
        else { return nil }
        return 0
    }

    private func receiverSteps() -> [(time: Int64, isArrival: Bool, index: Int)] {
        var steps: [(time: Int64, isArrival: Bool, index: Int)] = []
        for index in trace.transmissions.indices {
            if let time = trace.transmissions[index].times.arrived {
                steps.append((time, true, index))
            }
        }
        for index in packets.indices where packets[index].isFromClient != isFromClient {
            guard let time = packets[index].times.sent, segment(index).isAcknowledgment else {
                continue
            }
            steps.append((time, false, index))
        }
        steps.sort {
            ($0.time, $0.isArrival ? 0 : 1, $0.index) < ($1.time, $1.isArrival ? 0 : 1, $1.index)
        }
        return steps
    }

    private mutating func arrive(_ index: Int, at time: Int64, _ receiver: inout Receiver) {
        let transmission = trace.transmissions[index]
        let isTaken = !isRefused(transmission.subflow, at: time)
        trace.transmissions[index].isTaken = isTaken
        trace.transmissions[index].newOctets = 0
        guard isTaken else { return }
        var new = 0
        receiver.arrivals.update(transmission.range) { range, first in
            if first == nil {
                first = Arrival(subflow: transmission.subflow, time: time)
                new += range.count
            }
        }
        trace.transmissions[index].newOctets = new
        let flow = transmission.subflow
        let positions = transmittedPositions[index]
        receiver.positions[flow].insert(positions)
        let start = receiver.inOrder[flow] ?? positions.lowerBound
        let end = receiver.positions[flow].end(of: start)
        handOver(start..<max(start, end), of: flow, at: time, &receiver)
    }

    /// Positions of a subflow that are now there in order.
    private mutating func handOver(
        _ positions: Range<Int>, of flow: Int, at time: Int64, _ receiver: inout Receiver
    ) {
        receiver.inOrder[flow] = positions.upperBound
        if positions.isEmpty { return }
        var pieces: [Range<Int>] = []
        _ = mappings[flow].resolve(positions, own: nil) { pieces.append($1) }
        for piece in pieces where piece.lowerBound.magnitude < Self.offsetBound {
            receiver.delivered.insert(piece)
            if receiver.next == nil { receiver.next = piece.lowerBound }
        }
        advance(at: time, &receiver)
    }

    private mutating func advance(at time: Int64, _ receiver: inout Receiver) {
        guard let next = receiver.next else { return }
        let end = receiver.delivered.end(of: next)
        guard end > next else { return }
        receiver.next = end
        if let last = trace.progress.indices.last, trace.progress[last].time == time {
            trace.progress[last].offset = end
        } else {
            trace.progress.append(ProgressStep(time: time, offset: end))
        }
    }

    /// What the receiver acknowledges it has, even if no capture shows how it came.
    private mutating func acknowledge(_ index: Int, at time: Int64, _ receiver: inout Receiver) {
        let flow = packets[index].flow
        let segment = segment(index)
        if !segment.isReset, !isRefused(flow, at: time) {
            acknowledgeSubflow(flow, segment.acknowledgment, at: time, &receiver)
        }
        guard let number = segment.dataACK,
            var offset = offset(of: number, near: receiver.next ?? 0)
        else { return }
        // The DATA_FIN takes a number too.
        if let end = trace.dataFIN?.offset { offset = min(offset, end) }
        guard let next = receiver.next else {
            receiver.next = offset
            return
        }
        guard offset > next else { return }
        trace.notCaptured += receiver.delivered.missing(in: next..<offset).reduce(0) {
            $0 + $1.count
        }
        receiver.delivered.insert(next..<offset)
        advance(at: time, &receiver)
    }

    private mutating func acknowledgeSubflow(
        _ flow: Int, _ sequence: SequenceNumber, at time: Int64, _ receiver: inout Receiver
    ) {
        let acknowledged = receiver.spaces[flow].position(of: sequence)
        guard let start = receiver.inOrder[flow] else { return }
        guard acknowledged > start, acknowledged - start < Self.windowBound else { return }
        let missing = receiver.positions[flow].missing(in: start..<acknowledged)
        // The FIN's number is no octet.
        guard missing.reduce(0, { $0 + $1.count }) > 1 else { return }
        receiver.positions[flow].insert(start..<acknowledged)
        let end = receiver.positions[flow].end(of: start)
        handOver(start..<max(start, end), of: flow, at: time, &receiver)
    }

    /// By which way the octets of each reinjection came first.
    private mutating func judgeReinjections(_ arrivals: RangeTable<Arrival>) {
        for index in trace.reinjections.indices {
            let subflow = trace.reinjections[index].to
            var useful = 0
            var redundant = 0
            arrivals.forEach(in: trace.reinjections[index].range) { range, first in
                if first.subflow == subflow {
                    useful += range.count
                } else {
                    redundant += range.count
                }
            }
            trace.reinjections[index].useful = useful
            trace.reinjections[index].redundant = redundant
        }
    }
}
