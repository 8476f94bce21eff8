internal import NetworkPrimitives
internal import WireFormat

/// What the SYN of a join said beside MP_JOIN (fast-join, 5.2), or in its place (2), and what became
/// of it.
package struct FastJoinTrace: Hashable, Sendable {
    /// What it offers.
    package enum Offer: Hashable, Sendable {
        /// FJ-DATA, or Fast Join Out, with so many octets.
        case data(octets: Int)
        /// FJ-RESUME, or Fast Join In.
        case resume
    }

    package var offer: Offer
    /// Whether it is Fast Join as published.
    package var isMultiMob: Bool
    /// Whether the SYN/ACK took it; `nil` without SYN/ACK in the captures.
    package var isTaken: Bool?
}

extension FlowFacts {
    /// What the first SYN of a join with more to say than MP_JOIN offers.
    private struct Offer {
        var packet: Int
        var isMultiMob: Bool
        /// The number of the first octet of its payload; `nil` if it asks for data.
        var start: DataNumber?
    }

    private func fastJoinOffer(_ table: FlowTable) -> Offer? {
        guard isJoin else { return nil }
        for packet in syns {
            for option in table.packets[packet].segment.options.mptcp {
                switch option {
                case .fastJoin(.data(_, let number, _)):
                    return Offer(packet: packet, isMultiMob: false, start: .low32(number))
                case .fastJoin(.resume):
                    return Offer(packet: packet, isMultiMob: false)
                case .multimob(.outSYN(_, _, _, let number, _, _, _)):
                    return Offer(packet: packet, isMultiMob: true, start: .low32(number))
                case .multimob(.inSYN):
                    return Offer(packet: packet, isMultiMob: true)
                default: continue
                }
            }
        }
        return nil
    }

    /// What the SYN of a join offered.
    func fastJoin(_ table: FlowTable) -> FastJoinTrace? {
        guard let offer = fastJoinOffer(table) else { return nil }
        let syn = table.packets[offer.packet].segment
        let answer = synACKs.first.map { table.packets[$0].segment }
        let isTaken = answer.map { answer in
            guard offer.isMultiMob == (answer.multimob != nil) else { return false }
            if offer.start != nil { return acceptedOctets(of: syn, by: answer) >= syn.payload }
            return offer.isMultiMob || answer.dataACK != nil
        }
        return FastJoinTrace(
            offer: offer.start == nil ? .resume : .data(octets: syn.payload),
            isMultiMob: offer.isMultiMob, isTaken: isTaken)
    }

    /// Where the payload of a SYN of a join that was acknowledged lies in the sender's data.
    func acceptedSYNData(_ table: FlowTable) -> (packet: Int, start: DataNumber, octets: Int)? {
        guard let offer = fastJoinOffer(table), let start = offer.start,
            let synACK = synACKs.first
        else { return nil }
        let octets = acceptedOctets(
            of: table.packets[offer.packet].segment, by: table.packets[synACK].segment)
        return octets > 0 ? (offer.packet, start, octets) : nil
    }

    /// Octets of a SYN that the SYN/ACK acknowledges.
    func acceptedOctets(of syn: SegmentRecord, by synACK: SegmentRecord) -> Int {
        let accepted = syn.sequence.distance(to: synACK.acknowledgment) - 1
        return min(max(accepted, 0), syn.payload)
    }
}
