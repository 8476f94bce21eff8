/// When which path is used.
public enum SwitchPolicy: String, Sendable, CaseIterable {
    /// Break-before-make: one path; another is joined when the interface goes away or a new one
    /// arrives.
    case singlePath = "single-path"
    /// Every interface is joined; all but the first as backup.
    case backup
    /// Every interface is joined and used.
    case full
    /// Every interface is joined, and every octet goes over each of them.
    case redundant
    /// One path until the oracle, the idle timer or two timeouts in a row suspect it, or it is lost;
    /// then another is joined. The first path is used again as soon as it is heard (fast-join, 2.4).
    case multimob
    /// Every interface is joined; all but the first as backup, which takes over by the rules of iOS
    /// for interactive traffic (handover-experiments, I.1).
    case ios
    /// Joins are accepted, none is opened.
    case acceptOnly = "accept-only"
}

extension ConnectionConfiguration {
    /// Takes a policy with everything that goes with it: scheduler, oracle and idle signal of whoever
    /// opens the connection. The peer is told on its own.
    public mutating func use(_ policy: SwitchPolicy) {
        self.policy = policy
        scheduler = policy == .redundant ? .redundant : .lowestRTT
        signalsIdle = policy == .multimob
        oracle = policy == .multimob ? OracleThresholds() : nil
    }
}

/// Why a path counts as potentially failed.
public enum SuspicionReason: String, Sendable, CaseIterable {
    /// Too much of what is on its way is lost.
    case oracleLoss = "oracle-loss"
    /// Too much of what is sent is sent again.
    case oracleRetransmission = "oracle-retransmission"
    /// The retransmission timeout is too long. Another subflow is asked for, but data still goes here.
    case oracleTimeout = "oracle-timeout"
    /// The peer announced more data, and it does not come.
    case idleTimer = "idle-timer"
    /// Two retransmission timeouts in a row.
    case timeouts = "rto"
}

/// Why data moves between the primary and the backup under the rules of iOS, which look in this order.
public enum InteractiveReason: String, Sendable, CaseIterable {
    /// The smoothed round-trip time of the primary is above 600 ms, and the backup's is not.
    case roundTrip = "round-trip"
    /// The primary is in a retransmission timeout, and there is new data to send.
    case timeout
    /// The retransmission timeout of the primary is above 1500 ms, and the backup's is lower.
    case longTimeout = "long-timeout"
}

/// How often paths were suspected, and how often data moved, by reason.
public struct SwitchCounters: Hashable, Sendable {
    /// `SuspicionReason.oracleLoss`.
    public var oracleLosses = 0
    /// `SuspicionReason.oracleRetransmission`.
    public var oracleRetransmissions = 0
    /// `SuspicionReason.oracleTimeout`.
    public var oracleTimeouts = 0
    /// `SuspicionReason.idleTimer`.
    public var idleTimers = 0
    /// `SuspicionReason.timeouts`.
    public var timeouts = 0
    /// Moves to the backup for `InteractiveReason.roundTrip`.
    public var roundTripSwitches = 0
    /// Moves to the backup for `InteractiveReason.timeout`.
    public var timeoutSwitches = 0
    /// Moves to the backup for `InteractiveReason.longTimeout`.
    public var longTimeoutSwitches = 0
    /// Moves back to the primary, because no reason holds any more.
    public var returns = 0

    /// Nothing happened yet.
    public init() {}

    mutating func count(_ reason: SuspicionReason) {
        switch reason {
        case .oracleLoss: oracleLosses += 1
        case .oracleRetransmission: oracleRetransmissions += 1
        case .oracleTimeout: oracleTimeouts += 1
        case .idleTimer: idleTimers += 1
        case .timeouts: timeouts += 1
        }
    }

    mutating func count(_ reason: InteractiveReason) {
        switch reason {
        case .roundTrip: roundTripSwitches += 1
        case .timeout: timeoutSwitches += 1
        case .longTimeout: longTimeoutSwitches += 1
        }
    }
}
