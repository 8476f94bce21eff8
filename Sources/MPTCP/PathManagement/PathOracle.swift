internal import NetworkPrimitives

/// From when on the oracle suspects a path (fast-join, 2.4).
public struct OracleThresholds: Hashable, Sendable {
    /// From one look to the next.
    public var period = Duration.milliseconds(500)
    /// Share of what is on its way that may be lost, 0 to 1.
    public var loss = 0.25
    /// Share of what is sent that may be sent again, 0 to 1.
    public var retransmission = 0.5
    /// The longest retransmission timeout.
    public var timeout = Duration.milliseconds(1_500)

    /// Those of MultiMob.
    public init() {}
}

/// A share of events in a volume, older volumes counting half at each new one: the moving average of
/// fast-join, 2.4, with alpha = 1/2.
struct MovingShare: Hashable, Sendable {
    private var product = 0.0
    private var volume = 0.0

    /// 0 to 1; 0 before the first volume.
    private(set) var value = 0.0

    /// Takes what happened in a period. Without any volume it says nothing. Returns whether the share
    /// grew.
    mutating func take(_ events: Int, of newVolume: Int) -> Bool {
        guard newVolume > 0 else { return false }
        let before = value
        product = (Double(events) + product) / 2
        volume = (Double(newVolume) + volume) / 2
        value = product / volume
        return value > before
    }
}

/// What the oracle makes of one network path, look by look. It suspects it when a value has grown
/// since the last look and reaches its threshold.
struct PathOracle: Hashable, Sendable {
    /// What the subflows of the path say together.
    struct Sight: Hashable, Sendable {
        /// Segments taken for lost since the last look, tail loss probes among them.
        var lost = 0
        /// Segments that were on their way at the last look, or have left since.
        var outstanding = 0
        /// Segments with data sent again since the last look.
        var retransmitted = 0
        /// Segments with data sent since the last look, those sent again included.
        var sent = 0
        /// The longest retransmission timeout.
        var timeout = Duration.zero
    }

    private(set) var loss = MovingShare()
    private(set) var retransmission = MovingShare()
    private(set) var timeout = Duration.zero

    init() {}

    /// Takes a look; returns the first reason for suspicion, if there is one.
    mutating func look(_ sight: Sight, _ thresholds: OracleThresholds) -> SuspicionReason? {
        let lossGrew = loss.take(sight.lost, of: sight.outstanding)
        let retransmissionGrew = retransmission.take(sight.retransmitted, of: sight.sent)
        let timeoutGrew = sight.timeout > timeout
        timeout = sight.timeout
        if lossGrew, loss.value >= thresholds.loss { return .oracleLoss }
        if retransmissionGrew, retransmission.value >= thresholds.retransmission {
            return .oracleRetransmission
        }
        return timeoutGrew && timeout >= thresholds.timeout ? .oracleTimeout : nil
    }
}

/// The oracle of a connection: one entry for each pair of addresses. Connections do not share them.
struct OracleState: Sendable {
    struct Entry: Sendable {
        let local: IPAddress
        let remote: IPAddress
        var oracle = PathOracle()
        var sight = PathOracle.Sight()
    }

    var entries: [Entry] = []
    /// When it looks next; `nil` while nothing is on its way.
    var deadline: Instant?

    init() {}
}

/// The counters of a subflow at the last look.
struct OracleMark: Hashable, Sendable {
    var lost = 0
    var outstanding = 0
    var retransmitted = 0
    var sent = 0
}
