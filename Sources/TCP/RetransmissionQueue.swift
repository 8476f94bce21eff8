internal import DequeModule
internal import NetworkPrimitives

/// The segments between SND.UNA and SND.NXT with the scoreboard of RFC 2018 and the loss detection
/// of RACK (RFC 8985).
struct RetransmissionQueue: Sendable {
    private(set) var segments: Deque<SentSegment> = []
    /// Sequence numbers in flight: neither acknowledged, sacked nor taken for lost ("pipe").
    private(set) var inFlight = 0
    private(set) var lostCount = 0
    /// Segments ever taken for lost.
    private(set) var lossTotal = 0
    private(set) var sackedCount = 0
    /// Sequence numbers that are sacked.
    private(set) var sackedLength = 0
    private(set) var rack = RACKState()
    /// Before this index no segment is lost.
    private var lostCursor = 0
    private var sackedRuns = SackedRuns()
    private var order = TransmissionOrder()

    var isEmpty: Bool { segments.isEmpty }
    var count: Int { segments.count }

    /// What an ACK said about the queue.
    struct Outcome {
        /// The least round trip so far: nothing sent again comes back sooner.
        var minimumRTT: Int64 = 0
        /// The echoed timestamp, its offset taken off.
        var echo: UInt32?
        /// Octets of payload newly acknowledged in order.
        var acknowledgedBytes = 0
        /// Sequence numbers newly acknowledged in order or sacked (RFC 9937: DeliveredData).
        var delivered = 0
        var newlySacked = false
        /// Whether, without SACK, the ACK says that something behind a hole has arrived.
        var isDuplicateACK = false
        /// Age of the most recently sent segment that was sent once and is now known to have arrived.
        var rttSample: Int64?
        var newestSample: Int64 = .min
        /// The block that reports a duplicate (RFC 2883).
        var duplicate: (left: SequenceNumber, right: SequenceNumber)?

        /// Whether the echoed timestamp is older than what was sent at `instant`.
        func answersEarlier(than instant: Int64) -> Bool {
            guard let echo else { return false }
            return Int32(bitPattern: echo &- TimestampState.tick(instant)) < 0
        }
    }

    mutating func append(_ segment: SentSegment) {
        segments.append(segment)
        inFlight += segment.sequenceLength
        order.insert(segment)
    }

    /// Adds new data as segments of at most `size` octets: the pieces of a super-segment.
    mutating func append(_ whole: SentSegment, cutAt size: Int) {
        guard whole.length > size else { return append(whole) }
        let pieces = (0..<((whole.length + size - 1) / size)).lazy.map { number in
            SentSegment(
                sequence: whole.sequence + number * size,
                length: min(size, whole.length - number * size), mapping: whole.mapping,
                sent: whole.lastSent)
        }
        segments.append(contentsOf: pieces)
        inFlight += whole.length
        order.append(pieces)
    }

    // MARK: Arrivals

    /// Removes what `una` covers. A segment covered in part is shortened; its mapping stays.
    mutating func acknowledge(
        upTo una: SequenceNumber, now: Int64, outcome: inout Outcome
    ) {
        order.removeFirst(upTo: una)
        sackedRuns.removeAll(upTo: una)
        var removed = 0
        while removed < segments.count, segments[removed].sequence.precedes(una) {
            let first = segments[removed]
            let covered = min(first.sequence.distance(to: una), first.sequenceLength)
            noteDelivered(first, now: now, &outcome)
            if first.isSacked { sackedLength -= covered } else { outcome.delivered += covered }
            if first.isInFlight { inFlight -= covered }
            if covered < first.sequenceLength {
                segments[removed].sequence = first.sequence + covered
                segments[removed].length -= covered
                outcome.acknowledgedBytes += covered
                break
            }
            outcome.acknowledgedBytes += first.length
            if first.isLost { lostCount -= 1 }
            if first.isSacked { sackedCount -= 1 }
            removed += 1
        }
        segments.removeFirst(removed)
        lostCursor = max(lostCursor - removed, 0)
    }

    /// Marks what lies in `left..<right`.
    mutating func sack(
        _ left: SequenceNumber, _ right: SequenceNumber, now: Int64, outcome: inout Outcome
    ) {
        let first = firstIndex(at: left)
        var index = first
        while index < segments.count, segments[index].end.precedesOrEquals(right) {
            let segment = segments[index]
            if segment.isSacked, let end = sackedRuns.end(at: segment.sequence) {
                index = firstIndex(at: end)
                continue
            }
            if !segment.isSacked {
                noteDelivered(segment, now: now, &outcome)
                if segment.isInFlight { inFlight -= segment.sequenceLength }
                if segment.isLost { lostCount -= 1 }
                segments[index].isLost = false
                segments[index].isSacked = true
                sackedCount += 1
                sackedLength += segment.sequenceLength
                outcome.delivered += segment.sequenceLength
                outcome.newlySacked = true
            }
            index += 1
        }
        if first < index { sackedRuns.insert(segments[first].sequence, segments[index - 1].end) }
    }

    /// Index of the first segment that starts at or behind `sequence`.
    private func firstIndex(at sequence: SequenceNumber) -> Int {
        segments.partitionPoint { !$0.sequence.precedes(sequence) }
    }

    private mutating func noteDelivered(
        _ segment: SentSegment, now: Int64, _ outcome: inout Outcome
    ) {
        guard !segment.isSacked else { return }
        let age = now - segment.lastSent
        if !segment.wasRetransmitted, segment.lastSent >= outcome.newestSample {
            outcome.newestSample = segment.lastSent
            outcome.rttSample = age
        }
        // RFC 8985, 6.2 step 2: the ACK of a retransmission may be the original's.
        let isAmbiguous =
            segment.wasRetransmitted
            && (age < outcome.minimumRTT || outcome.answersEarlier(than: segment.lastSent))
        rack.noteDelivered(segment, age: age, isAmbiguous: isAmbiguous)
    }

    /// A duplicate was reported (RFC 8985, 6.2 step 4).
    mutating func noteDuplicate(una: SequenceNumber, nxt: SequenceNumber) {
        rack.noteDuplicate(una: una, nxt: nxt)
    }

    mutating func noteRecoveryEnd() { rack.noteRecoveryEnd() }

    // MARK: Losses

    /// RFC 8985, 6.2 step 5. Returns how long to wait for reordered segments, if any.
    mutating func detectLoss(now: Int64, reorderingWindow: Int64) -> Int64? {
        guard rack.hasEvidence else { return nil }
        var timeout: Int64?
        var waiting: [TransmissionOrder.Entry] = []
        while let entry = order.first {
            let index = firstIndex(endingAt: entry.end)
            let isVoid =
                index == segments.count || segments[index].end != entry.end
                || segments[index].lastSent != entry.sent || !segments[index].isInFlight
            if !isVoid, !rack.wasOvertaken(segments[index]) { break }
            order.removeFirst()
            if isVoid { continue }
            let remaining = entry.sent + rack.roundTrip + reorderingWindow - now
            if remaining <= 0 {
                markLost(index)
            } else {
                timeout = remaining
                waiting.append(entry)
            }
        }
        order.restore(waiting)
        return timeout
    }

    /// Index of the first segment that ends at or behind `sequence`.
    private func firstIndex(endingAt sequence: SequenceNumber) -> Int {
        segments.partitionPoint { !$0.end.precedes(sequence) }
    }

    private mutating func markLost(_ index: Int) {
        guard segments[index].isInFlight else { return }
        segments[index].isLost = true
        lostCount += 1
        lossTotal += 1
        lostCursor = lostCount == 1 ? index : min(lostCursor, index)
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

    /// After a timeout the first segment is lost, and what was sent so long ago that its ACK should
    /// be here (RFC 8985, 6.3).
    ///
    /// RFC 2018, 8: a sacked head means that the receiver reneged.
    mutating func markLost(sentBefore limit: Int64) {
        let isReneging = segments.first?.isSacked == true
        for index in segments.indices {
            if isReneging, segments[index].isSacked {
                segments[index].isSacked = false
                sackedCount -= 1
                sackedLength -= segments[index].sequenceLength
                inFlight += segments[index].sequenceLength
            }
            if index == 0 || segments[index].lastSent <= limit { markLost(index) }
        }
        if isReneging {
            sackedRuns.removeAll()
            order.rebuild(from: segments)
        }
    }

    /// Nothing was lost after all: the timeout was spurious.
    mutating func forgetLosses() {
        guard lostCount > 0 else { return }
        for index in segments.indices where segments[index].isLost {
            segments[index].isLost = false
            inFlight += segments[index].sequenceLength
        }
        lostCount = 0
        order.rebuild(from: segments)
    }

    /// How far behind SND.UNA the first segment ends.
    func firstEnd(from una: SequenceNumber) -> Int {
        segments.first.map { una.distance(to: $0.end) } ?? 0
    }

    /// The first segment to retransmit.
    func firstLostIndex() -> Int? {
        guard lostCount > 0 else { return nil }
        return segments[lostCursor...].firstIndex(where: \.isLost)
    }

    /// The highest segment, for a tail loss probe.
    var lastUnsackedIndex: Int? { segments.lastIndex(where: { !$0.isSacked }) }

    /// Whether a segment that was sent again is not known to have arrived.
    var awaitsRetransmission: Bool {
        segments.contains { $0.wasRetransmitted && !$0.isSacked }
    }

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
        if whole.isInFlight { order.insert(segments[index]) }
        if index < lostCursor { lostCursor += 1 }
    }

    /// The first lost segment, or one in flight, goes out again.
    mutating func noteRetransmission(_ index: Int, now: Int64) {
        if segments[index].isLost {
            segments[index].isLost = false
            lostCount -= 1
            lostCursor = index + 1
            inFlight += segments[index].sequenceLength
        }
        segments[index].noteRetransmission(now: now)
        order.insert(segments[index])
    }

    /// Gives memory back that nothing needs now.
    mutating func releaseIfEmpty() {
        guard segments.isEmpty else { return }
        segments = []
        order.removeAll()
        sackedRuns.removeAll()
    }

    mutating func removeAll() {
        segments.removeAll()
        order.removeAll()
        sackedRuns.removeAll()
        (inFlight, lostCount, sackedCount, sackedLength, lostCursor) = (0, 0, 0, 0, 0)
    }
}
