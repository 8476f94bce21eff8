/// The value of an option that is on or off.
package enum Toggle: String, Hashable, Sendable, CaseIterable {
    case on
    case off
}

/// What has a client look for another path, and how surely its peer hears that one is gone.
package struct SwitchOptions: Hashable, Sendable {
    /// `--oracle`; `nil` follows from the policy.
    package var requestedOracle: Toggle?
    /// From one look of the oracle to the next.
    package var oraclePeriod = Duration.milliseconds(500)
    /// Percent of what is on its way that may be lost.
    package var oracleLoss = 25.0
    /// Percent of what is sent that may be sent again.
    package var oracleRetransmission = 50.0
    /// The longest retransmission timeout.
    package var oracleTimeout = Duration.milliseconds(1_500)
    /// `--idle-signal`; `nil` follows from the policy.
    package var requestedIdleSignal: Toggle?
    /// Whether REMOVE_ADDR is repeated.
    package var removalRepeat = Toggle.on

    package init() {}
}

// MARK: - What follows from the options

extension HandoverScenario {
    /// The policy in force.
    package var policy: PathPolicy {
        requestedPolicy ?? (mode == .breakBeforeMake ? .singlePath : .backup)
    }

    /// The client's scheduler.
    package var scheduler: SchedulerName {
        requestedScheduler ?? (policy == .redundant ? .redundant : .lowestRTT)
    }

    /// The server's: that of MultiMob follows the client.
    package var serverScheduler: SchedulerName {
        requestedScheduler ?? (policy == .multimob ? .followClient : scheduler)
    }

    /// Whether the client has an oracle.
    package var oracle: Toggle { switching.requestedOracle ?? (policy == .multimob ? .on : .off) }

    /// Whether both ends speak of idleness; the kernel does not.
    package var idleSignal: Toggle {
        let isPossible = client == .swift && server == .swift
        return switching.requestedIdleSignal ?? (policy == .multimob && isPossible ? .on : .off)
    }

    /// Whether the new path is joined only once something has told of the break.
    package var joinsAfterBreak: Bool {
        mode == .breakBeforeMake || policy == .singlePath || policy == .multimob
    }

    /// Whether something tells the client that the old path is gone, at `t0` or when the new one comes
    /// up. MultiMob's client joins no path because it is there.
    package var hasEventToJoin: Bool {
        isClientToldOfBreak || mode == .breakBeforeMake && policy != .multimob
    }
}

// MARK: - Validation

extension HandoverScenario {
    /// What is wrong with policy, scheduler and triggers.
    var switchProblems: [ScenarioProblem] {
        var result: [ScenarioProblem] = []
        let hasKernel = client == .kernel || server == .kernel
        if client == .kernel, [.redundant, .multimob, .ios].contains(policy) {
            result.append(
                .init(
                    "--policy",
                    "'\(policy.rawValue)' needs --client swift; the kernel's path manager has "
                        + "single-path, backup and full"))
        } else if server == .kernel, policy == .redundant {
            result.append(
                .init(
                    "--policy",
                    "the kernel has no redundant scheduler: 'redundant' needs --server swift"))
        }
        if let requestedScheduler, requestedScheduler != .lowestRTT, hasKernel {
            result.append(
                .init(
                    "--scheduler",
                    "the kernel has its own (sysctl net.mptcp.scheduler): "
                        + "'\(requestedScheduler.rawValue)' needs --client swift and "
                        + "--server swift"))
        }
        if switching.requestedOracle == .on, client == .kernel {
            result.append(.init("--oracle", "the kernel has none; use --client swift"))
        }
        if switching.requestedIdleSignal == .on, hasKernel {
            result.append(
                .init(
                    "--idle-signal",
                    "both ends have to speak it: use --client swift and --server swift"))
        }
        if switching.removalRepeat == .off, client == .kernel {
            result.append(
                .init(
                    "--removal-repeat",
                    "it is the client's REMOVE_ADDR, and the kernel never repeats it; use --client "
                        + "swift"))
        }
        return result + switching.thresholdProblems
    }
}

extension SwitchOptions {
    /// The shortest period of the oracle.
    package static let leastPeriod = Duration.milliseconds(1)

    /// Thresholds that cannot be.
    package var thresholdProblems: [ScenarioProblem] {
        var result: [ScenarioProblem] = []
        if oraclePeriod < Self.leastPeriod {
            result.append(.init("--oracle-period", "must be at least 1 ms"))
        }
        for (option, percent) in [
            ("--oracle-loss", oracleLoss), ("--oracle-retransmission", oracleRetransmission),
        ] where !(percent > 0 && percent <= 100) {
            result.append(.init(option, "must be above 0 and at most 100 percent"))
        }
        if oracleTimeout <= .zero {
            result.append(.init("--oracle-timeout", "must be positive"))
        }
        return result
    }
}
