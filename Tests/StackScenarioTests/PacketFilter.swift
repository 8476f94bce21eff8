import MPTCP
import NetworkPrimitives
import NetworkSimulation
import WireFormat

extension TwoPathNetwork {
    /// Puts a middlebox on both paths: `body` may change a segment as it enters a link; it returns
    /// whether the segment goes on.
    func filter(
        _ body: @escaping (_ segment: inout Segment, _ link: Int, _ isForward: Bool) -> Bool
    ) {
        simulation.middlebox = { packet, link, isForward in
            guard var segment = try? Segment(parsing: packet) else { return [packet] }
            let original = segment
            guard body(&segment, link, isForward) else { return [] }
            return [segment == original ? packet : segment.encodedPacket()]
        }
    }

    /// Loses the first `count` segments that match.
    func lose(
        _ count: Int = 1, _ matches: @escaping (Segment, _ link: Int, _ isForward: Bool) -> Bool
    ) {
        var left = count
        filter { segment, link, isForward in
            guard left > 0, matches(segment, link, isForward) else { return true }
            left -= 1
            return false
        }
    }

    func milliseconds(_ value: Int64) -> Instant { Instant(nanoseconds: value * 1_000_000) }
}

extension Segment {
    var isSYN: Bool { header.flags.contains(.syn) && !header.flags.contains(.ack) }
    var isSYNACK: Bool { header.flags.isSuperset(of: [.syn, .ack]) }
    var isReset: Bool { header.flags.contains(.rst) }
    var isDataFIN: Bool { header.options.dss?.isDataFIN == true }
    var hasMPTCP: Bool { header.options.dss != nil || !header.options.mptcp.isEmpty }

    var isJoin: Bool {
        header.options.mptcp.contains { if case .join = $0 { true } else { false } }
    }

    var isJoinACK: Bool {
        header.options.mptcp.contains { if case .join(.ack) = $0 { true } else { false } }
    }

    var isCapable: Bool {
        header.options.mptcp.contains { if case .capable = $0 { true } else { false } }
    }

    var isRemoval: Bool {
        header.options.mptcp.contains { if case .removeAddress = $0 { true } else { false } }
    }

    var isPriority: Bool {
        header.options.mptcp.contains { if case .priority = $0 { true } else { false } }
    }

    var isFail: Bool {
        header.options.mptcp.contains { if case .fail = $0 { true } else { false } }
    }

    var isFastClose: Bool {
        header.options.mptcp.contains { if case .fastClose = $0 { true } else { false } }
    }

    var announcement: AddAddress? {
        for case .addAddress(let option) in header.options.mptcp { return option }
        return nil
    }

    var resetReason: MPTCPReset.Reason? {
        for case .reset(let reset) in header.options.mptcp { return reset.reason }
        return nil
    }

    /// Takes every MPTCP option out.
    mutating func stripMPTCP() {
        header.options.mptcp = []
        header.options.dss = nil
    }
}
