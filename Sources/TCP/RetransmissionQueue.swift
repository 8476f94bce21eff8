internal import DequeModule
internal import NetworkPrimitives

/// One segment that was sent and is not cumulatively acknowledged.
struct SentSegment: Sendable {
    var sequence: SequenceNumber
    /// Octets of payload.
    var length: Int
    var isFIN = false
    var mapping: SegmentMapping?
    var firstSent: Int64
    var lastSent: Int64
    var transmissions = 1
    var isSacked = false
    /// Taken for lost and not retransmitted since.
    var isLost = false

    var sequenceLength: Int { length + (isFIN ? 1 : 0) }
    var end: SequenceNumber { sequence + sequenceLength }
    var isInFlight: Bool { !isSacked && !isLost }
}

/// The segments between SND.UNA and SND.NXT with the scoreboard of RFC 2018 and the loss detection
/// of RACK (RFC 8985).
struct RetransmissionQueue: Sendable {
    private(set) var segments: Deque<SentSegment> = []
    /// Sequence numbers in flight: neither acknowledged, sacked nor taken for lost ("pipe").
    private(set) var inFlight = 0
    private(set) var lostCount = 0
    private(set) var sackedCount = 0

    /// The most recently sent segment known to have arrived (RFC 8985, 6.2 step 2).
    private var rackSent: Int64 = .min
    private var rackEnd = SequenceNumber(0)
    private var rackRTT: Int64 = 0
    private var highestAcknowledged: SequenceNumber?
    private var sawReordering = false
    private var reorderingMultiplier: Int64 = 1

    var isEmpty: Bool { segments.isEmpty }
    var count: Int { segments.count }

    /// What an ACK said about the queue.
    struct Outcome {
        var acknowledgedBytes = 0
        var newlySacked = false
        var sawDSACK = false
        /// Age of the most recently sent segment that was sent once and is now known to have arrived.
        var rttSample: Int64?
        var newestSample: Int64 = .min
        /// The least round trip so far: nothing sent again comes back sooner.
        var minimumRTT: Int64 = 0
    }

    mutating func append(_ segment: SentSegment) {
        segments.append(segment)
        inFlight += segment.sequenceLength
    }

    /// Removes what `una` covers. A segment covered in part is shortened; its mapping stays.
    mutating func acknowledge(
        upTo una: SequenceNumber, now: Int64, outcome: inout Outcome
    ) {
        while let first = segments.first, first.sequence.precedes(una) {
            let covered = min(first.sequence.distance(to: una), first.sequenceLength)
            noteDelivered(first, now: now, &outcome)
            if covered < first.sequenceLength {
                if first.isInFlight { inFlight -= covered }
                segments[0].sequence = first.sequence + covered
                segments[0].length -= covered
                outcome.acknowledgedBytes += covered
                return
            }
            outcome.acknowledgedBytes += first.length
            if first.isInFlight { inFlight -= first.sequenceLength }
            if first.isLost { lostCount -= 1 }
            if first.isSacked { sackedCount -= 1 }
            segments.removeFirst()
        }
    }

    /// Marks what lies in `left..<right`.
    mutating func sack(
        _ left: SequenceNumber, _ right: SequenceNumber, now: Int64, outcome: inout Outcome
    ) {
        var index = firstIndex(at: left)
        while index < segments.count, segments[index].end.precedesOrEquals(right) {
            let segment = segments[index]
            if !segment.isSacked {
                noteDelivered(segment, now: now, &outcome)
                if segment.isInFlight { inFlight -= segment.sequenceLength }
                if segment.isLost { lostCount -= 1 }
                segments[index].isLost = false
                segments[index].isSacked = true
                sackedCount += 1
                outcome.newlySacked = true
            }
            index += 1
        }
    }

    /// Index of the first segment that starts at or behind `sequence`.
    private func firstIndex(at sequence: SequenceNumber) -> Int {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].sequence.precedes(sequence) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    private mutating func noteDelivered(
        _ segment: SentSegment, now: Int64, _ outcome: inout Outcome
    ) {
        guard !segment.isSacked else { return }
        let age = now - segment.lastSent
        if segment.transmissions == 1 {
            if segment.lastSent >= outcome.newestSample {
                outcome.newestSample = segment.lastSent
                outcome.rttSample = age
            }
            // RFC 8985, 6.2 step 3: arrived behind something sent later, and never resent.
            if let highest = highestAcknowledged, segment.end.precedes(highest) {
                sawReordering = true
            }
        }
        if highestAcknowledged.map({ $0.precedes(segment.end) }) ?? true {
            highestAcknowledged = segment.end
        }
        // RFC 8985, 6.2 step 2: the ACK of a retransmission that came back too fast is the
        // original's.
        if segment.transmissions > 1, age < outcome.minimumRTT { return }
        if segment.lastSent > rackSent
            || segment.lastSent == rackSent && rackEnd.precedes(segment.end)
        {
            rackSent = segment.lastSent
            rackEnd = segment.end
            rackRTT = age
        }
    }

    /// RFC 8985, 6.2 steps 4 and 5. Returns how long to wait for reordered segments, if any.
    mutating func detectLoss(
        now: Int64, minimumRTT: Int64, smoothedRTT: Int64, isInRecovery: Bool
    ) -> Int64? {
        guard rackSent != .min, sackedCount > 0 || sawReordering || isInRecovery else { return nil }
        let window: Int64 =
            !sawReordering && (isInRecovery || sackedCount >= 3)
            ? 0 : min(reorderingMultiplier * (minimumRTT / 4), smoothedRTT)
        var timeout: Int64?
        for index in segments.indices {
            let segment = segments[index]
            guard segment.isInFlight else { continue }
            guard
                segment.lastSent < rackSent
                    || segment.lastSent == rackSent && segment.end.precedes(rackEnd)
            else {
                // First transmissions go out in order: behind the newest one nothing is older.
                if segment.transmissions == 1, segment.lastSent > rackSent { break }
                continue
            }
            let remaining = segment.lastSent + rackRTT + window - now
            if remaining <= 0 {
                markLost(index)
            } else {
                timeout = max(timeout ?? 0, remaining)
            }
        }
        return timeout
    }

    /// A duplicate was reported: the reordering window was too small (RFC 8985, 6.2 step 4).
    mutating func noteSpuriousRetransmission() {
        reorderingMultiplier = min(reorderingMultiplier + 1, 16)
    }

    private mutating func markLost(_ index: Int) {
        guard segments[index].isInFlight else { return }
        segments[index].isLost = true
        lostCount += 1
        inFlight -= segments[index].sequenceLength
    }

    /// Takes the first segment for lost: three duplicate ACKs without SACK, or a partial ACK.
    mutating func markFirstLost() {
        if !segments.isEmpty { markLost(0) }
    }

    /// Takes for lost what the path cannot carry any more. Returns whether there was anything.
    mutating func markLost(longerThan size: Int) -> Bool {
        let before = lostCount
        for index in segments.indices where segments[index].length > size { markLost(index) }
        return lostCount > before
    }

    /// After a timeout everything that is not sacked counts as lost. RFC 2018, 8: a sacked head
    /// means that the receiver reneged.
    mutating func markAllLost() {
        let isReneging = segments.first?.isSacked == true
        for index in segments.indices {
            if isReneging, segments[index].isSacked {
                segments[index].isSacked = false
                sackedCount -= 1
                inFlight += segments[index].sequenceLength
            }
            markLost(index)
        }
    }

    /// How far behind SND.UNA the first segment ends.
    func firstEnd(from una: SequenceNumber) -> Int {
        segments.first.map { una.distance(to: $0.end) } ?? 0
    }

    /// The first segment to retransmit.
    func firstLostIndex() -> Int? {
        lostCount == 0 ? nil : segments.firstIndex(where: \.isLost)
    }

    /// The highest segment, for a tail loss probe.
    var lastUnsackedIndex: Int? { segments.lastIndex(where: { !$0.isSacked }) }

    subscript(index: Int) -> SentSegment { segments[index] }

    /// Cuts a segment in two at `length`; both parts keep the mapping.
    mutating func split(_ index: Int, at length: Int) {
        let whole = segments[index]
        guard length > 0, length < whole.length else { return }
        var tail = whole
        tail.sequence = whole.sequence + length
        tail.length -= length
        segments[index].length = length
        segments[index].isFIN = false
        segments.insert(tail, at: index + 1)
        if whole.isLost { lostCount += 1 }
        if whole.isSacked { sackedCount += 1 }
    }

    mutating func noteRetransmission(_ index: Int, now: Int64) {
        if segments[index].isLost {
            segments[index].isLost = false
            lostCount -= 1
            inFlight += segments[index].sequenceLength
        }
        segments[index].transmissions += 1
        segments[index].lastSent = now
    }

    /// Gives memory back that nothing needs now.
    mutating func releaseIfEmpty() {
        if segments.isEmpty { segments = [] }
    }

    mutating func removeAll() {
        segments.removeAll()
        (inFlight, lostCount, sackedCount) = (0, 0, 0)
    }
}
