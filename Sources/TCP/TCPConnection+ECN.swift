internal import CongestionControl
internal import NetworkPrimitives
internal import WireFormat

/// Explicit congestion notification (RFC 3168, 6.1).
extension TCPConnection {
    /// The flags of a SYN or SYN/ACK, ECN's included.
    func synFlags(isAnswer: Bool) -> TCPFlags {
        if isAnswer { return ecn.isEnabled ? [.syn, .ack, .ece] : [.syn, .ack] }
        // RFC 3168, 6.1.1.1: a path that drops such a SYN gets a plain one next.
        let asks = configuration.ecn == .request && snd.synTransmissions <= 1
        return asks ? [.syn, .ece, .cwr] : .syn
    }

    /// What the peer's SYN or SYN/ACK says about ECN.
    mutating func negotiateECN(_ flags: TCPFlags) {
        if flags.contains(.ack) {
            // RFC 3168, 6.1.1: not once a SYN went out that did not ask.
            ecn.isEnabled =
                configuration.ecn == .request && snd.synTransmissions == 1
                && flags.contains(.ece) && !flags.contains(.cwr)
        } else {
            ecn.isEnabled = configuration.ecn != .off && flags.isSuperset(of: [.ece, .cwr])
        }
    }

    /// A segment with text came: what its packet met on the way, and whether the peer has reacted.
    mutating func noteCongestionMarks(_ flags: TCPFlags, isCongestionExperienced: Bool) {
        guard ecn.isEnabled else { return }
        if flags.contains(.cwr) { ecn.echoes = false }
        if isCongestionExperienced {
            counters.congestionExperienced += 1
            ecn.echoes = true
            acknowledgment.need = .immediate
        }
    }

    /// The peer echoes congestion: one reduction for what is out now, nothing is sent again.
    mutating func receiveCongestionEcho(_ flags: TCPFlags, delivered: Int, now: Instant) {
        guard ecn.isEnabled, flags.contains(.ece), recovery.phase == .open, !queue.isEmpty
        else { return }
        counters.congestionEchoes += 1
        recovery.phase = .reduction
        recovery.point = snd.nxt
        // The path said so itself: an undone loss from before must not bring the window back.
        recovery.undo = UndoState()
        beginReduction(delivered: delivered, now: now)
    }

    /// The marks of new data. A window probe has none (RFC 3168, 6.1.6).
    mutating func markNewData(
        _ header: inout SegmentHeader, isWindowProbe: Bool
    ) -> ECNCodepoint {
        guard ecn.isEnabled, !isWindowProbe else { return .notECT }
        if ecn.isReductionAnnounced {
            ecn.isReductionAnnounced = false
            header.flags.insert(.cwr)
        }
        return .ect0
    }
}
