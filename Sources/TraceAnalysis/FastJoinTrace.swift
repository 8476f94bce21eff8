internal import NetworkPrimitives
internal import WireFormat

/// What the SYN of a join said beside MP_JOIN (fast-join, 5.2), and what became of it.
package struct FastJoinTrace: Hashable, Sendable {
    /// What it offers.
    package enum Offer: Hashable, Sendable {
        /// FJ-DATA with so many octets.
        case data(octets: Int)
        /// FJ-RESUME.
        case resume
    }

    package var offer: Offer
    /// Whether the SYN/ACK took it; `nil` without SYN/ACK in the captures.
    package var isTaken: Bool?
}

extension FlowFacts {
    /// The first SYN of a join with an experimental option, and that option.
    func fastJoinSYN(_ table: FlowTable) -> (packet: Int, option: FastJoinOption)? {
        guard isJoin else { return nil }
        for packet in syns {
            for case .fastJoin(let option) in table.packets[packet].segment.options.mptcp {
                return (packet, option)
            }
        }
        return nil
    }

    /// What the SYN of a join offered.
    func fastJoin(_ table: FlowTable) -> FastJoinTrace? {
        guard let (packet, option) = fastJoinSYN(table) else { return nil }
        let syn = table.packets[packet].segment
        let answer = synACKs.first.map { table.packets[$0].segment }
        switch option {
        case .data:
            return FastJoinTrace(
                offer: .data(octets: syn.payload),
                isTaken: answer.map { acceptedOctets(of: syn, by: $0) >= syn.payload })
        case .resume:
            return FastJoinTrace(
                offer: .resume, isTaken: answer.map { $0.options.dss?.dataACK != nil })
        case .capabilities, .timeoutRequest, .timeout: return nil
        }
    }

    /// Where the payload of a SYN of a join that was acknowledged lies in the sender's data.
    func acceptedSYNData(_ table: FlowTable) -> (packet: Int, start: DataNumber, octets: Int)? {
        guard let (packet, option) = fastJoinSYN(table), let synACK = synACKs.first,
            case .data(_, let number, _) = option
        else { return nil }
        let octets = acceptedOctets(
            of: table.packets[packet].segment, by: table.packets[synACK].segment)
        return octets > 0 ? (packet, .low32(number), octets) : nil
    }

    /// Octets of a SYN that the SYN/ACK acknowledges.
    func acceptedOctets(of syn: SegmentRecord, by synACK: SegmentRecord) -> Int {
        let accepted = syn.sequence.distance(to: synACK.acknowledgment) - 1
        return min(max(accepted, 0), syn.payload)
    }
}
