internal import NetworkPrimitives

/// One segment that was sent and is not cumulatively acknowledged.
///
/// A bulk sender keeps thousands of these and walks them during recovery: 48 octets each.
struct SentSegment: Sendable {
    /// What the scoreboard knows of a segment.
    struct Marks: OptionSet, Sendable {
        let rawValue: UInt8

        static let fin = Marks(rawValue: 1)
        /// Selectively acknowledged.
        static let sacked = Marks(rawValue: 2)
        /// Taken for lost and not retransmitted since.
        static let lost = Marks(rawValue: 4)
    }

    var mapping: SegmentMapping?
    var lastSent: Int64
    var sequence: SequenceNumber
    private var payloadLength: Int32
    private var marks: Marks
    private var retransmissions: UInt8 = 0

    init(
        sequence: SequenceNumber, length: Int, isFIN: Bool = false, mapping: SegmentMapping?,
        sent: Int64
    ) {
        self.sequence = sequence
        payloadLength = Int32(length)
        marks = isFIN ? .fin : []
        self.mapping = mapping
        lastSent = sent
    }

    /// Octets of payload.
    var length: Int {
        get { Int(payloadLength) }
        set { payloadLength = Int32(newValue) }
    }

    var isFIN: Bool {
        get { marks.contains(.fin) }
        set { set(.fin, newValue) }
    }

    var isSacked: Bool {
        get { marks.contains(.sacked) }
        set { set(.sacked, newValue) }
    }

    var isLost: Bool {
        get { marks.contains(.lost) }
        set { set(.lost, newValue) }
    }

    var wasRetransmitted: Bool { retransmissions > 0 }
    var sequenceLength: Int { length + (isFIN ? 1 : 0) }
    var end: SequenceNumber { sequence + sequenceLength }
    var isInFlight: Bool { marks.isDisjoint(with: [.sacked, .lost]) }

    mutating func noteRetransmission(now: Int64) {
        if retransmissions < .max { retransmissions += 1 }
        lastSent = now
    }

    private mutating func set(_ mark: Marks, _ isSet: Bool) {
        if isSet { marks.insert(mark) } else { marks.remove(mark) }
    }
}
