internal import WireFormat

/// What a joining subflow may carry when.
public enum JoinVariant: String, Sendable, CaseIterable {
    /// Data after the fourth packet (RFC 8684, 3.2).
    case standard
    /// Data right behind the third packet (fast-join, 5.6a).
    case earlyData = "early-data"
    /// Data in the SYN (fast-join, 5.2).
    case synData = "syn-data"
}

/// How the SYN of a join carries data.
public enum FastJoinProfile: String, Sendable, CaseIterable {
    /// Beside MP_JOIN, once both ends have said that they can (fast-join, 5).
    case compat
    /// In MP_JOIN's place, as published (fast-join, 2): both ends have to be told, and share its
    /// weaknesses (fast-join, 4).
    case multimob
}

/// What an acceptor sends on a subflow whose third packet has not come (fast-join, 5.5 rule 9).
public enum ProvisionalPolicy: String, Sendable, CaseIterable {
    /// Nothing.
    case strict
    /// Three times what it received, and one full segment at least.
    case limited
    /// An initial window: what was published, and an amplifier for whoever replays a SYN.
    case multimob
}

/// How a connection joins, and which joins it takes. Both ends have to speak of it first (CAPS), but
/// for the profile `multimob`; a peer that does not gets the join of RFC 8684.
public struct FastJoinConfiguration: Sendable {
    /// How this side joins; what the peer may do is the same.
    public var variant = JoinVariant.standard
    /// How data comes with a SYN, of `synData`.
    public var profile = FastJoinProfile.compat
    /// What this side sends on a subflow that the peer has yet to prove.
    public var provisional = ProvisionalPolicy.limited
    /// Subflows at once that the peer has yet to prove and whose SYN was believed.
    public var maximumProvisional = 4
    /// How long such a subflow has what `provisional` allows: then it is a join as any other.
    public var provisionalTimeout = Duration.seconds(3)
    /// Octets of the largest payload of a SYN that this side takes; CAPS says it in units of 64.
    public var maximumPayload = 1_408

    /// MACs that a host verifies in a second, so that a flood of bad ones costs it little. A SYN
    /// beyond that is the join of RFC 8684.
    public var verificationsPerSecond = 1_000
    /// MACs of one source that it verifies in a second.
    public var verificationsPerSource = 20

    /// The defaults: RFC 8684.
    public init() {}

    /// Whether SYNs with data are those that were published.
    public var speaksMultiMob: Bool { variant == .synData && profile == .multimob }

    /// What leaves before the third packet: as published, an initial window.
    var effectiveProvisional: ProvisionalPolicy { speaksMultiMob ? .multimob : provisional }

    /// What CAPS says of this side.
    var features: FastJoinFeatures {
        if speaksMultiMob { return [] }
        return switch variant {
        case .standard: []
        case .earlyData: .earlyData
        case .synData: [.data, .resume, .earlyData]
        }
    }
}

/// What happened to fast joins, both directions together (fast-join, 5.7).
public struct FastJoinCounters: Hashable, Sendable {
    /// SYNs with FJ-DATA or FJ-RESUME sent.
    public var sent = 0
    /// SYNs of the peer's that were believed.
    public var accepted = 0
    /// Our SYNs whose peer took the join and not what came with it.
    public var ignored = 0
    /// SYNs with a wrong MAC.
    public var badMAC = 0
    /// SYNs whose number lies outside of the window.
    public var outOfWindow = 0
    /// SYNs that brought nothing that had not arrived before.
    public var replayed = 0
    /// SYNs of ours that had to be repeated without their payload.
    public var synTimeouts = 0
    /// Subflows whose third packet did not come in time.
    public var provisionalExpired = 0
    /// Octets that came in SYNs and were new.
    public var bytesEarly = 0
    /// Subflows on which data had to wait for the third packet.
    public var amplificationBlocked = 0

    /// Nothing happened yet.
    public init() {}

    /// Adds what happened elsewhere.
    public mutating func add(_ other: FastJoinCounters) {
        sent += other.sent
        accepted += other.accepted
        ignored += other.ignored
        badMAC += other.badMAC
        outOfWindow += other.outOfWindow
        replayed += other.replayed
        synTimeouts += other.synTimeouts
        provisionalExpired += other.provisionalExpired
        bytesEarly += other.bytesEarly
        amplificationBlocked += other.amplificationBlocked
    }
}
