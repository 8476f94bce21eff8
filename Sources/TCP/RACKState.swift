internal import NetworkPrimitives

/// What RACK remembers between ACKs (RFC 8985, 5.2 and 5.3), times in nanoseconds.
struct RACKState: Sendable {
    /// When the most recently sent segment known to have arrived was sent; `.min` before the first.
    private(set) var sent: Int64 = .min
    private(set) var end = SequenceNumber(0)
    /// How long that segment took.
    private(set) var roundTrip: Int64 = 0
    /// The highest sequence number known to have arrived (RACK.fack).
    private var forwardEnd: SequenceNumber?
    private(set) var sawReordering = false
    private var multiplier: Int64 = 1
    private var persistence = Self.persistence
    /// SND.NXT at the last DSACK that widened the window: once per round trip.
    private var duplicateRound: SequenceNumber?

    /// RFC 8985, 6.2 step 4: recoveries for which a widened window lasts.
    private static let persistence = 16

    /// Whether anything at all arrived that was not lost.
    var hasEvidence: Bool { sent != .min }

    /// Steps 2 and 3: a segment arrived.
    ///
    /// - Parameters:
    ///   - age: how long ago it was last sent.
    ///   - isAmbiguous: the ACK may be that of an earlier transmission.
    mutating func noteDelivered(_ segment: SentSegment, age: Int64, isAmbiguous: Bool) {
        if let forwardEnd, segment.end.precedes(forwardEnd) {
            // It came behind something sent later, and only once.
            if !segment.wasRetransmitted { sawReordering = true }
        } else {
            forwardEnd = segment.end
        }
        guard !isAmbiguous else { return }
        if segment.lastSent > sent || segment.lastSent == sent && end.precedes(segment.end) {
            sent = segment.lastSent
            end = segment.end
            roundTrip = age
        }
    }

    /// Step 4: a DSACK says that the window was too small for this path.
    mutating func noteDuplicate(una: SequenceNumber, nxt: SequenceNumber) {
        if let round = duplicateRound, una.precedes(round) { return }
        duplicateRound = nxt
        multiplier = min(multiplier + 1, 64)
        persistence = Self.persistence
    }

    /// Step 4: without DSACKs the window narrows again in time.
    mutating func noteRecoveryEnd() {
        persistence -= 1
        if persistence <= 0 {
            multiplier = 1
            persistence = Self.persistence
        }
    }

    /// Step 4: how long a segment may be overtaken before it counts as lost.
    func reorderingWindow(
        minimumRTT: Int64, smoothedRTT: Int64, isInRecovery: Bool, sackedCount: Int
    ) -> Int64 {
        if !sawReordering, isInRecovery || sackedCount >= 3 { return 0 }
        return min(multiplier * (minimumRTT / 4), smoothedRTT)
    }

    /// Step 5: whether a segment was sent before the newest one that arrived.
    func wasOvertaken(_ segment: SentSegment) -> Bool {
        segment.lastSent < sent || segment.lastSent == sent && segment.end.precedes(end)
    }
}
