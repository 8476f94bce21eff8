package import NetworkPrimitives
internal import WireFormat

/// Which pieces of a segment that was cut keep its MPTCP options.
package enum OptionPlacement: String, Hashable, Sendable, CaseIterable {
    /// Each piece, as from a network card that segments.
    case all
    case first
    case last
}

/// Cuts segments into pieces of at most `size` octets of text (T1).
package struct Splitter: Middlebox {
    private let size: Int
    private let placement: OptionPlacement
    private var selection: Selection
    package private(set) var touched = 0

    package init(size: Int, options placement: OptionPlacement, selection: Selection = Selection())
    {
        self.size = max(size, 1)
        self.placement = placement
        self.selection = selection
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        let payload = packet.segment.payload
        guard selection.takes(packet, direction), payload.count > size,
            packet.flags.isDisjoint(with: [.syn, .rst])
        else { return [Departure(packet, direction)] }
        touched += 1
        return stride(from: 0, to: payload.count, by: size).map { start in
            let end = min(start + size, payload.count)
            let isLast = end == payload.count
            var piece = packet
            piece.setPayload([UInt8](payload[start..<end]))
            piece.segment.header.sequence += start
            if !isLast { piece.segment.header.flags.subtract([.fin, .psh]) }
            let keeps =
                switch placement {
                case .all: true
                case .first: start == 0
                case .last: isLast
                }
            if !keeps { piece.segment.header.options.removeMPTCP() }
            return Departure(piece, direction)
        }
    }
}

extension TCPOptions {
    fileprivate mutating func removeMPTCP() {
        mptcp = []
        dss = nil
        unknown = []
    }
}

/// Holds segments for a while and merges those that follow each other (T2). The options of the first
/// stay, those of the others are lost.
package struct Coalescer: Middlebox {
    private struct Held {
        var flow: FourTuple
        var direction: TransitDirection
        var packet: TransitPacket
        var due: Instant
    }

    /// The largest IP packet that it makes.
    private let limit: Int
    private let holdTime: Duration
    /// Whether it merges only segments with the same MPTCP options, as LRO does.
    private let onlyEqual: Bool
    private var selection: Selection
    /// At most one for each flow and direction, the longest held first.
    private var held: [Held] = []
    package private(set) var touched = 0

    package init(
        limit: Int = 1_500, holdTime: Duration, onlyEqual: Bool = false,
        selection: Selection = Selection()
    ) {
        self.limit = limit
        self.holdTime = holdTime
        self.onlyEqual = onlyEqual
        self.selection = selection
    }

    package var deadline: Instant? { held.first?.due }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        let flow = packet.flow(direction)
        var departures: [Departure] = []
        if let index = held.firstIndex(where: { $0.flow == flow && $0.direction == direction }) {
            if let merged = merge(held[index].packet, packet) {
                touched += 1
                held[index].packet = merged
                return merged.flags.contains(.fin) ? [release(index)] : []
            }
            departures.append(release(index))
        }
        guard selection.takes(packet, direction), packet.hasPayload,
            packet.flags.isDisjoint(with: [.syn, .rst, .fin, .urg])
        else { return departures + [Departure(packet, direction)] }
        held.append(
            Held(flow: flow, direction: direction, packet: packet, due: now + holdTime))
        return departures
    }

    package mutating func handleDeadline(now: Instant) -> [Departure] {
        var departures: [Departure] = []
        while let first = held.first, first.due <= now { departures.append(release(0)) }
        return departures
    }

    private mutating func release(_ index: Int) -> Departure {
        let entry = held.remove(at: index)
        return Departure(entry.packet, entry.direction)
    }

    private func merge(_ first: TransitPacket, _ second: TransitPacket) -> TransitPacket? {
        let options = (first.segment.header.options, second.segment.header.options)
        guard second.hasPayload, second.segment.header.sequence == first.end,
            second.flags.isDisjoint(with: [.syn, .rst, .urg]),
            !onlyEqual || options.0.mptcp == options.1.mptcp && options.0.dss == options.1.dss,
            first.octets.count + second.segment.payload.count <= limit
        else { return nil }
        var merged = first
        merged.setPayload(first.segment.payload + second.segment.payload)
        merged.segment.header.flags.formUnion(second.flags)
        // The newest acknowledgment and clock.
        merged.segment.header.acknowledgment = second.segment.header.acknowledgment
        merged.segment.header.window = second.segment.header.window
        merged.segment.header.options.timestamps = options.1.timestamps
        return merged
    }
}

/// Passes contiguous flows only (Q2, Q3): nothing behind a hole.
package struct HoleBlocker: Middlebox {
    /// What happens to an acknowledgment of text that the box has not passed.
    package enum ACKPolicy: String, Hashable, Sendable, CaseIterable {
        case pass
        case drop
        /// It is lowered to what was passed.
        case clamp
    }

    private struct Key: Hashable {
        var flow: FourTuple
        var direction: TransitDirection
    }

    private let policy: ACKPolicy
    /// Where each direction of each flow begins.
    private var starts: [Key: SequenceNumber] = [:]
    /// What comes next there.
    private var next: [Key: SequenceNumber] = [:]
    package private(set) var touched = 0

    package init(unseenACKs policy: ACKPolicy = .pass) { self.policy = policy }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        let flow = packet.flow(direction)
        let key = Key(flow: flow, direction: direction)
        if packet.flags.contains(.syn) {
            // One that is sent again starts nothing anew.
            if starts[key] != packet.end {
                starts[key] = packet.end
                next[key] = packet.end
            }
        } else if let expected = next[key], !packet.isReset {
            guard packet.segment.header.sequence.precedesOrEquals(expected) else {
                touched += 1
                return []
            }
            next[key] = expected.later(packet.end)
        }
        let opposite = Key(flow: flow, direction: direction.opposite)
        if policy != .pass, packet.flags.contains(.ack), let seen = next[opposite],
            seen.precedes(packet.segment.header.acknowledgment)
        {
            touched += 1
            if policy == .drop { return [] }
            packet.segment.header.acknowledgment = seen
        }
        return [Departure(packet, direction)]
    }
}

/// Acknowledges text at once in the receiver's name (A1), and delivers it later or, sometimes, never.
package struct AcknowledgingProxy: Middlebox {
    private struct Flow {
        let start: SequenceNumber
        /// What comes next from the sender.
        var next: SequenceNumber
        /// The receiver's last segment: the acknowledgments look like it.
        var receiver: SegmentHeader?
    }

    private struct Held {
        var packet: TransitPacket
        var due: Instant
    }

    /// The direction of the text that it acknowledges.
    private let direction: TransitDirection
    private let delay: Duration
    private let lostShare: Double
    private var generator: SeededGenerator
    private var flows: [FourTuple: Flow] = [:]
    private var held: [Held] = []
    package private(set) var touched = 0

    /// - Parameter lostShare: The share of acknowledged segments that it never delivers.
    package init(
        _ direction: TransitDirection, delay: Duration, lostShare: Double = 0,
        generator: SeededGenerator
    ) {
        self.direction = direction
        self.delay = delay
        self.lostShare = lostShare
        self.generator = generator
    }

    package var deadline: Instant? { held.first?.due }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        let flow = packet.flow(direction)
        guard direction == self.direction else {
            if packet.flags.contains(.ack), !packet.isReset {
                flows[flow]?.receiver = packet.segment.header
            }
            return [Departure(packet, direction)]
        }
        if packet.flags.contains(.syn) {
            if flows[flow]?.start != packet.end {
                flows[flow] = Flow(start: packet.end, next: packet.end, receiver: nil)
            }
            return [Departure(packet, direction)]
        }
        guard packet.hasPayload, let state = flows[flow], let receiver = state.receiver,
            packet.segment.header.sequence == state.next
        else { return hold(packet, now: now) }
        touched += 1
        // A FIN is the receiver's to acknowledge.
        flows[flow]?.next = packet.textStart + packet.segment.payload.count
        let answer = acknowledgment(
            of: packet, like: receiver, upTo: packet.textStart + packet.segment.payload.count)
        let isLost = lostShare > 0 && generator.unitInterval() < lostShare
        return [Departure(answer, direction.opposite)] + (isLost ? [] : hold(packet, now: now))
    }

    package mutating func handleDeadline(now: Instant) -> [Departure] {
        var departures: [Departure] = []
        while let first = held.first, first.due <= now {
            departures.append(Departure(first.packet, direction))
            held.removeFirst()
        }
        return departures
    }

    private mutating func hold(_ packet: TransitPacket, now: Instant) -> [Departure] {
        guard delay > .zero else { return [Departure(packet, direction)] }
        held.append(Held(packet: packet, due: now + delay))
        return []
    }

    private func acknowledgment(
        of packet: TransitPacket, like receiver: SegmentHeader, upTo end: SequenceNumber
    ) -> TransitPacket {
        var header = SegmentHeader(
            sourcePort: packet.segment.header.destinationPort,
            destinationPort: packet.segment.header.sourcePort,
            sequence: packet.segment.header.acknowledgment, acknowledgment: end, flags: .ack,
            window: receiver.window)
        if let stamps = packet.segment.header.options.timestamps,
            let receiverStamps = receiver.options.timestamps
        {
            header.options.timestamps = Timestamps(
                value: receiverStamps.value, echo: stamps.value)
        }
        return TransitPacket(
            Segment(
                source: packet.segment.destination, destination: packet.segment.source,
                header: header))
    }
}
