package import NetworkPrimitives
internal import WireFormat

/// Gives each flow other sequence numbers (Q1): an offset on SEQ, taken off ACK on the way back.
package struct SequenceRewriter: Middlebox {
    /// Whether SACK blocks are moved, too; many boxes forget them.
    private let fixesSACK: Bool
    private var generator: SeededGenerator
    private var offsets: [FourTuple: Offsets] = [:]
    package private(set) var touched = 0

    private struct Offsets {
        var up: UInt32
        var down: UInt32
    }

    package init(fixesSACK: Bool, generator: SeededGenerator) {
        self.fixesSACK = fixesSACK
        self.generator = generator
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        let flow = packet.flow(direction)
        let offsets = self.offsets[flow] ?? draw(flow)
        let (own, other) =
            direction == .up ? (offsets.up, offsets.down) : (offsets.down, offsets.up)
        packet.segment.header.sequence += Int(own)
        if packet.flags.contains(.ack) {
            packet.segment.header.acknowledgment =
                packet.segment.header.acknowledgment - Int(other)
        }
        if fixesSACK {
            packet.segment.header.options.sack = SACKBlocks(
                packet.segment.header.options.sack.array.map {
                    SACKBlock(left: $0.left - Int(other), right: $0.right - Int(other))
                })
        }
        touched += 1
        return [Departure(packet, direction)]
    }

    private mutating func draw(_ flow: FourTuple) -> Offsets {
        let random = generator.next()
        let result = Offsets(
            up: UInt32(truncatingIfNeeded: random), down: UInt32(truncatingIfNeeded: random >> 32))
        offsets[flow] = result
        return result
    }
}

/// Lowers the window field (Q4).
package struct WindowRewriter: Middlebox {
    private let limit: UInt16
    private var selection: Selection
    package private(set) var touched = 0

    /// - Parameter limit: The greatest number that the field may hold, not scaled.
    package init(limit: UInt16, selection: Selection = Selection()) {
        self.limit = limit
        self.selection = selection
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        if selection.takes(packet, direction), packet.segment.header.window > limit {
            packet.segment.header.window = limit
            touched += 1
        }
        return [Departure(packet, direction)]
    }
}

/// Lowers the MSS option (S3).
package struct MSSClamp: Middlebox {
    private let limit: UInt16
    package private(set) var touched = 0

    package init(limit: UInt16) { self.limit = limit }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        if let size = packet.segment.header.options.maximumSegmentSize, size > limit {
            packet.segment.header.options.maximumSegmentSize = limit
            touched += 1
        }
        return [Departure(packet, direction)]
    }
}

/// Moves the sender's clock in the timestamps and does not undo it in the echo (S1).
package struct TimestampRewriter: Middlebox {
    private let step: UInt32
    private var selection: Selection
    package private(set) var touched = 0

    package init(step: UInt32, selection: Selection = Selection()) {
        self.step = step
        self.selection = selection
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        if selection.takes(packet, direction), var stamps = packet.segment.header.options.timestamps
        {
            stamps.value &+= step
            packet.segment.header.options.timestamps = stamps
            touched += 1
        }
        return [Departure(packet, direction)]
    }
}

/// Has no patience with text on SYN or SYN/ACK (D1 to D3).
package struct HandshakeTextFilter: Middlebox {
    package enum Action: String, Hashable, Sendable, CaseIterable {
        /// The segment vanishes.
        case drop
        /// The segment goes on without its text.
        case trim
    }

    private let action: Action
    package private(set) var touched = 0

    package init(_ action: Action) { self.action = action }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        guard packet.flags.contains(.syn), packet.hasPayload else {
            return [Departure(packet, direction)]
        }
        touched += 1
        guard action == .trim else { return [] }
        var packet = packet
        packet.setPayload([])
        return [Departure(packet, direction)]
    }
}
