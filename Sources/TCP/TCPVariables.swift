internal import NetworkPrimitives
internal import WireFormat

/// SND.* of RFC 9293, 3.3.1.
struct SendVariables: Sendable {
    let initialSequence: SequenceNumber
    var una: SequenceNumber
    var nxt: SequenceNumber
    var window = 0
    var wl1 = SequenceNumber(0)
    var wl2 = SequenceNumber(0)
    var largestWindow = 0
    var windowShift = 0
    var maximumSegmentSize = 536
    /// Stream offset of the first byte never sent.
    var nextOffset = 0
    var isCloseRequested = false
    var isFINSent = false
    var isResetPending = false
    /// The RST carries no ACK.
    var isResetBare = false
    var isSYNPending = true
    var synTransmissions = 0
    var synSentAt: Int64 = 0
    /// What the first SYN or SYN/ACK carries for TCP Fast Open.
    var fastOpenCookie: [UInt8]?
    var earlyOffered = 0
    /// Whether the first SYN has no room for timestamps.
    var isFirstSYNFull = false
    /// How long the first SYN waits for its answer, nanoseconds, if not for the timeout of RFC 6298.
    var earlyTimeout: Int64?
    /// Octets of the SYN that the peer took.
    var earlyAccepted = 0
    /// Octets of payload that may leave in SYN-RECEIVED.
    var earlyAllowance = 0
    var lastDataSent: Int64 = .min

    init(initialSequence: SequenceNumber) {
        self.initialSequence = initialSequence
        una = initialSequence
        nxt = initialSequence
    }

    /// The sequence number of a stream offset.
    func sequence(at offset: Int) -> SequenceNumber {
        initialSequence + 1 + earlyAccepted + offset
    }
}

/// RCV.* of RFC 9293, 3.3.1.
struct ReceiveVariables: Sendable {
    var initialSequence = SequenceNumber(0)
    var nxt = SequenceNumber(0)
    var windowShift = 0
    /// The largest right edge ever advertised (RFC 7323, 2.4).
    var rightEdge = SequenceNumber(0)
    /// Octets that the peer's SYN carried and that were taken.
    var earlyLength = 0
    var finSequence: SequenceNumber?
    var isFINConsumed = false
    var isSACKEnabled = false
    /// Ranges received out of order, most recent first (RFC 2018, 4).
    var recentBlocks = SACKBlocks()
    /// A duplicate to report once (RFC 2883).
    var duplicate: SACKBlock?
}

/// RFC 7323, 3 to 5.
struct TimestampState: Sendable {
    let offset: UInt32
    var isEnabled = false
    var recent: UInt32 = 0
    var recentAge = Instant.zero
    var lastACKSent = SequenceNumber(0)

    init(offset: UInt32) { self.offset = offset }

    /// The clock ticks in milliseconds from a random start.
    func value(now: Instant) -> UInt32 { offset &+ Self.tick(now.nanoseconds) }

    static func tick(_ nanoseconds: Int64) -> UInt32 {
        UInt32(truncatingIfNeeded: nanoseconds / 1_000_000)
    }
}

/// Where loss recovery stands.
struct RecoveryState: Sendable {
    enum Phase: Sendable {
        case open
        /// The window shrinks until `point` is acknowledged although nothing was lost (ECN).
        case reduction
        /// Fast recovery until `point` is acknowledged.
        case recovery
        /// After a timeout, until `point` is acknowledged.
        case loss
    }

    var phase = Phase.open
    var point = SequenceNumber(0)
    var reduction = ProportionalRateReduction()
    var undo = UndoState()
    var duplicateACKs = 0
    /// Without SACK: octets that duplicate ACKs say have arrived (RFC 9937, 7).
    var assumedDelivered = 0
    var consecutiveTimeouts = 0
    /// A retransmission may exceed the window once.
    var isForced = false
    /// SND.NXT at the start of this round trip.
    var roundEnd = SequenceNumber(0)
    /// SND.NXT when the tail loss probe went out (RFC 8985, 7.3).
    var probeEnd: SequenceNumber?
    var isProbeRetransmission = false
    var isProbePending = false
    var isPersistPending = false
    var persistBackoff = 0
    var keepAlivesSent = 0

    /// Whether the window shrinks in proportion to what arrives.
    var isReducing: Bool { phase == .recovery || phase == .reduction }
}

/// What tells a spurious recovery, and that it is not undone yet.
struct UndoState: Sendable {
    /// SND.UNA when the window was reduced; `nil` when there is nothing to undo.
    var start: SequenceNumber?
    /// Sequence numbers sent again since and not reported as duplicates (RFC 3708).
    var unreported = 0
    /// When the first of them was sent (RFC 3522).
    var firstRetransmission: Int64?
    private var endsWithRound = false

    mutating func begin(at una: SequenceNumber) {
        self = UndoState()
        start = una
    }

    mutating func noteRetransmission(_ length: Int, now: Int64) {
        guard start != nil else { return }
        unreported += length
        if firstRetransmission == nil { firstRetransmission = now }
    }

    /// A round trip passed without recovery: after the second it is too late to undo.
    mutating func endRound() {
        if endsWithRound { start = nil }
        endsWithRound = true
    }
}

/// RFC 3168, 6.1.
struct ECNState: Sendable {
    /// Both ends agreed.
    var isEnabled = false
    /// Congestion was experienced on the way here: ECE until the peer says CWR.
    var echoes = false
    /// The next new data says CWR.
    var isReductionAnnounced = false
}

/// What this side owes the peer.
struct AcknowledgmentState: Sendable {
    enum Need: Sendable {
        case none
        case delayed
        case immediate
    }

    var need = Need.none
    var unacknowledgedSegments = 0
    var quickACKs = 16
    var lastReceived = Instant.zero
    var lastChallenge = Instant(nanoseconds: .min / 2)
    /// When an unacceptable segment without text was last answered.
    var lastOutOfWindow = Instant(nanoseconds: .min / 2)
    var isProbePending = false
}

/// Bytes that were given and not yet sent; one unit has one mapping.
struct PendingUnit: Sendable {
    var length: Int
    var mapping: SegmentMapping?
}
