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
    /// Octets of the SYN that the peer took.
    var earlyAccepted = 0
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
    func value(now: Instant) -> UInt32 {
        offset &+ UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000)
    }
}

/// Where loss recovery stands.
struct RecoveryState: Sendable {
    enum Phase: Sendable {
        case open
        /// Fast recovery until `point` is acknowledged.
        case recovery
        /// After a timeout, until `point` is acknowledged.
        case loss
    }

    var phase = Phase.open
    var point = SequenceNumber(0)
    var duplicateACKs = 0
    var consecutiveTimeouts = 0
    /// A retransmission may exceed the window once: the first one of a recovery.
    var isForced = false
    /// SND.NXT when the tail loss probe went out (RFC 8985, 7.3).
    var probeEnd: SequenceNumber?
    var isProbeRetransmission = false
    var isProbePending = false
    var isPersistPending = false
    var persistBackoff = 0
    var keepAlivesSent = 0
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
