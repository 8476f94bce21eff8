package import NetworkPrimitives

/// What sits on a path and touches packets.
///
/// - Inputs: `receive`, `handleDeadline`; both give what leaves the box, in this order.
/// - Queries: `deadline`, when `handleDeadline` is next due; `touched`.
package protocol Middlebox: Sendable {
    /// Packets changed, dropped or made so far.
    var touched: Int { get }
    /// When `handleDeadline` is next due.
    var deadline: Instant? { get }
    /// Takes a packet that comes along.
    mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure]
    /// Does what is due.
    mutating func handleDeadline(now: Instant) -> [Departure]
}

extension Middlebox {
    /// Most boxes hold nothing back.
    package var deadline: Instant? { nil }
    /// Nothing is ever due.
    package mutating func handleDeadline(now: Instant) -> [Departure] { [] }
}

/// A packet that leaves a box.
package struct Departure: Sendable {
    package var packet: TransitPacket
    package var direction: TransitDirection

    package init(_ packet: TransitPacket, _ direction: TransitDirection) {
        self.packet = packet
        self.direction = direction
    }
}

/// The boxes of one path, the one next to the client first. They stand together at the far end of
/// the access link, where an operator has them.
package struct MiddleboxChain: Sendable {
    /// A packet that leaves the chain.
    package struct Emission: Hashable, Sendable {
        package var octets: [UInt8]
        package var direction: TransitDirection
    }

    private var boxes: [any Middlebox]

    /// A chain of these boxes.
    package init(_ boxes: [any Middlebox] = []) { self.boxes = boxes }

    package var isEmpty: Bool { boxes.isEmpty }

    /// Packets that each box has touched.
    package var touched: [Int] { boxes.map(\.touched) }

    /// When `handleDeadline` is next due.
    package var deadline: Instant? { boxes.compactMap(\.deadline).min() }

    /// Takes an IP packet and gives what leaves the chain for it.
    package mutating func receive(
        _ octets: [UInt8], _ direction: TransitDirection, isChecksumReady: Bool = true,
        now: Instant
    ) -> [Emission] {
        guard !boxes.isEmpty,
            let packet = TransitPacket(octets, isChecksumReady: isChecksumReady)
        else { return [Emission(octets: octets, direction: direction)] }
        var emissions: [Emission] = []
        pass(
            packet, direction, to: direction == .up ? 0 : boxes.count - 1, now: now,
            into: &emissions)
        return emissions
    }

    /// Has the boxes do what is due.
    package mutating func handleDeadline(now: Instant) -> [Emission] {
        var emissions: [Emission] = []
        for index in boxes.indices where boxes[index].deadline.map({ $0 <= now }) ?? false {
            for departure in boxes[index].handleDeadline(now: now) {
                leave(departure, index, now: now, into: &emissions)
            }
        }
        return emissions
    }

    private mutating func pass(
        _ packet: TransitPacket, _ direction: TransitDirection, to index: Int, now: Instant,
        into emissions: inout [Emission]
    ) {
        guard boxes.indices.contains(index) else {
            emissions.append(Emission(octets: packet.octets, direction: direction))
            return
        }
        for departure in boxes[index].receive(packet, direction, now: now) {
            leave(departure, index, now: now, into: &emissions)
        }
    }

    private mutating func leave(
        _ departure: Departure, _ index: Int, now: Instant, into emissions: inout [Emission]
    ) {
        pass(
            departure.packet, departure.direction,
            to: departure.direction == .up ? index + 1 : index - 1, now: now, into: &emissions)
    }
}

/// Which packets a box lays hands on.
package struct Selection: Sendable {
    /// The ways it watches.
    package var directions: Set<TransitDirection> = [.up, .down]
    /// Packets of a flow, both ways together, that it leaves alone at first.
    package var skipped = 0
    /// The share of packets that it takes of those.
    package var share = 1.0
    private var generator: SeededGenerator
    private var counts: [FourTuple: Int] = [:]

    /// Every packet, or what the properties say.
    package init(
        _ directions: Set<TransitDirection> = [.up, .down], after skipped: Int = 0,
        share: Double = 1, generator: SeededGenerator = SeededGenerator(seed: 0)
    ) {
        self.directions = directions
        self.skipped = skipped
        self.share = share
        self.generator = generator
    }

    /// Counts a packet; whether it is one to take. Asked once for each packet that comes along.
    mutating func takes(_ packet: TransitPacket, _ direction: TransitDirection) -> Bool {
        if skipped > 0 {
            let flow = packet.flow(direction)
            let count = packet.isSYN ? 1 : (counts[flow] ?? 0) + 1
            counts[flow] = count
            guard count > skipped else { return false }
        }
        guard directions.contains(direction) else { return false }
        return share >= 1 || generator.unitInterval() < share
    }
}
