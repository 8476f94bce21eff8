package import NetworkPrimitives
internal import WireFormat

/// Lets some packets not pass (N3, X1, X4, and blocking by address).
package struct Firewall: Middlebox {
    /// What is not let through. A packet that any of these is for is dropped.
    package struct Rules: Sendable {
        /// Packets from or to these addresses.
        package var addresses: Set<IPAddress> = []
        /// Packets from or to these ports.
        package var ports: Set<UInt16> = []
        /// SYNs from the server's side.
        package var blocksInboundSYN = false
        /// Packets of flows whose SYN did not come by.
        package var requiresSYN = false
        /// Everything that `selection` takes.
        package var blocksAll = false

        package init() {}
    }

    private let rules: Rules
    /// Whether the sender of a dropped packet gets an RST.
    private let refuses: Bool
    private var selection: Selection
    private var known: Set<FourTuple> = []
    package private(set) var touched = 0

    package init(_ rules: Rules, refuses: Bool = false, selection: Selection = Selection()) {
        self.rules = rules
        self.refuses = refuses
        self.selection = selection
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        let flow = packet.flow(direction)
        if packet.isSYN { known.insert(flow) }
        guard selection.takes(packet, direction), blocks(packet, direction, flow) else {
            return [Departure(packet, direction)]
        }
        touched += 1
        return refuses && !packet.isReset
            ? [Departure(packet.refusal, direction.opposite)] : []
    }

    private func blocks(
        _ packet: TransitPacket, _ direction: TransitDirection, _ flow: FourTuple
    ) -> Bool {
        let ends = [flow.local, flow.remote]
        return rules.blocksAll
            || ends.contains {
                rules.addresses.contains($0.address) || rules.ports.contains($0.port)
            }
            || rules.blocksInboundSYN && direction == .down && packet.isSYN
            || rules.requiresSYN && !known.contains(flow)
    }
}

/// Puts RSTs into flows (X2).
package struct ResetInjector: Middlebox {
    /// How well the sender of the RST knows the flow.
    package enum Aim: String, Hashable, Sendable, CaseIterable {
        /// It sees the flow: the sequence number is the one that the receiver expects.
        case exact
        /// It guesses a number inside the window.
        case window
        /// It guesses a number outside.
        case outside
    }

    private let aim: Aim
    private var selection: Selection
    private let limit: Int
    private var injected: [FourTuple: Int] = [:]
    package private(set) var touched = 0

    /// - Parameters:
    ///   - selection: The packets behind each of which comes an RST in the same direction.
    ///   - limit: RSTs per flow.
    package init(_ aim: Aim, selection: Selection, limit: Int = 1) {
        self.aim = aim
        self.selection = selection
        self.limit = limit
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        let flow = packet.flow(direction)
        guard selection.takes(packet, direction), injected[flow] ?? 0 < limit,
            packet.flags.isDisjoint(with: [.syn, .rst])
        else { return [Departure(packet, direction)] }
        injected[flow, default: 0] += 1
        touched += 1
        var header = SegmentHeader(
            sourcePort: packet.segment.header.sourcePort,
            destinationPort: packet.segment.header.destinationPort, sequence: packet.end,
            flags: .rst, window: 0)
        switch aim {
        case .exact: break
        case .window: header.sequence += 1_000
        case .outside: header.sequence = header.sequence + (1 << 30)
        }
        let reset = TransitPacket(
            Segment(
                source: packet.segment.source, destination: packet.segment.destination,
                header: header))
        return [Departure(packet, direction), Departure(reset, direction)]
    }
}
