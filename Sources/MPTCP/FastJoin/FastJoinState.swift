internal import NetworkPrimitives
internal import WireFormat

/// What a connection knows of the peer's fast joins (fast-join, 5.1).
struct FastJoinState: Sendable {
    /// What the peer's CAPS said.
    var peerFeatures: FastJoinFeatures?
    /// Octets of the largest payload of a SYN that the peer takes.
    var peerMaximum = 0
    /// Octets of a full segment to the peer, as the first subflow has them.
    var peerSegment = 1_220
    /// Whether the peer said that it received our CAPS.
    var isKnownToPeer = false
    /// CAPS sent.
    var announcements = 0
    /// When CAPS goes out again.
    var deadline: Instant?
    /// What the peer's SYNs as published have used: numbers of data, and DATA_ACKs.
    var spentOut = SpentNumbers()
    var spentIn = SpentNumbers()
    /// Whether the peer answered such a SYN of ours as one without MPTCP.
    var isMultiMobIgnored = false

    init() {}
}

/// What a join has of its own because the peer's CAPS, or ours, allow it.
struct SubflowFastJoin: Sendable {
    /// What our SYN says beside MP_JOIN.
    enum Offer: Sendable {
        /// FJ-DATA: these octets of ours are its payload.
        case data(Range<Int>)
        /// FJ-RESUME.
        case resume
    }

    /// A join as published: Out or In, and the number of its SYN, which the answer's HMAC covers.
    struct MultiMob: Sendable {
        var isOut: Bool
        var number: UInt32
    }

    /// A segment that came before the third packet.
    struct HeldSegment: Sendable {
        var header: SegmentHeader
        var payload: [UInt8]
        var ecn: ECNCodepoint
    }

    /// What the path took when the host last used it.
    var expectedRoundTrip: Duration?
    /// What the first SYN of ours carries.
    var offer: Offer?
    /// How it says so in the profile `multimob`; `nil` once the peer has answered MP_JOIN.
    var multimob: MultiMob?
    /// Whether the acceptor of the join took what came in the SYN.
    var isAccepted = false
    /// Whether this side may send data before both ends are proved.
    var maySendEarly = false
    /// Until when a subflow that was believed may have what the provisional policy allows.
    var provisionalDeadline: Instant?
    /// Octets of IP packets that may yet leave before the third packet.
    var budget = 0
    /// Whether a segment with data has left before the third packet.
    var hasAnswered = false
    /// Whether data had to wait for the third packet.
    var isBlocked = false
    /// Data that overtook the third packet: neither acknowledged nor delivered.
    var held: [HeldSegment] = []
    /// Octets of the SYN that somebody acknowledged without a DATA_ACK: their mapping has to follow.
    var unmapped: Range<Int>?
    /// When a subflow is given up whose peer does not DATA_ACK those octets.
    var mappingDeadline: Instant?

    init() {}

    /// Octets held at most (fast-join, 5.5 rule 9).
    static let heldLimit = 16_384
}
