internal import NetworkPrimitives
package import Scenario

/// `results.json`: the schema `mptcpctl.handover/1` of design/cli.md. Names and their order are
/// stable; what is not known is null, and `null_reasons` of the run says why.
package enum JSONRenderer {
    package static let schemaName = "mptcpctl.handover/1"

    /// The whole file.
    package static func results(_ result: ExperimentResult) -> JSONValue {
        .members([
            "schema": .string(schemaName),
            "version": .string(result.environment.version),
            "seed": JSONValue(unsigned: result.scenario.seed),
            "configuration": configuration(result),
            "environment": environment(result.environment),
            "runs": .array(result.runs.map(\.json)),
            "summary": summary(result, result.summary),
            "ended_early": earlyEnd(result),
        ])
    }

    private static func earlyEnd(_ result: ExperimentResult) -> JSONValue {
        switch result.earlyEnd {
        case nil: .null
        case .interrupted: .string("interrupted")
        case .environment(let reason): .string(reason)
        }
    }

    /// The text of the file.
    package static func text(_ result: ExperimentResult) -> String { results(result).pretty }

    private static func milliseconds(_ duration: Duration) -> JSONValue {
        JSONValue(rounding: duration.milliseconds)
    }

    /// Everything that the experiment was told, and what it took where it had the choice.
    static func configuration(_ result: ExperimentResult) -> JSONValue {
        let scenario = result.scenario
        let workload = scenario.workload(seed: scenario.seed)
        return .members([
            "testbed": .string(scenario.testbed),
            "backend": .string(result.backend.rawValue),
            "link_emulation": .string(result.linkEmulation.rawValue),
            "mode": .string(scenario.mode.rawValue),
            "break": .string(scenario.breakKind.rawValue),
            "join": .string(scenario.join.rawValue),
            "fast_join_profile": .string(scenario.fastJoinProfile.rawValue),
            "provisional": .string(scenario.provisional.rawValue),
            "client": .string(scenario.client.rawValue),
            "server": .string(scenario.server.rawValue),
            "workload": .string(scenario.workloadKind.rawValue),
            "direction": .string(scenario.direction.rawValue),
            "size": workload.size > 0 ? .integer(Int64(workload.size)) : .null,
            "interval_ms": scenario.workloadKind == .bulk
                ? .null : milliseconds(workload.interval),
            "background": .integer(Int64(workload.background)),
            "policy": .string(scenario.policy.rawValue),
            "scheduler": .string(scenario.scheduler.rawValue),
            "server_scheduler": .string(scenario.serverScheduler.rawValue),
            "oracle": .string(scenario.oracle.rawValue),
            "oracle_period_ms": milliseconds(scenario.switching.oraclePeriod),
            "oracle_loss_percent": JSONValue(rounding: scenario.switching.oracleLoss),
            "oracle_retransmission_percent": JSONValue(
                rounding: scenario.switching.oracleRetransmission),
            "oracle_timeout_ms": milliseconds(scenario.switching.oracleTimeout),
            "idle_signal": .string(scenario.idleSignal.rawValue),
            "removal_repeat": .string(scenario.switching.removalRepeat.rawValue),
            "congestion_control": .string(scenario.congestionControl.rawValue),
            "kernel_pm": .string(scenario.kernelPathManagement.rawValue),
            "runs": .integer(Int64(scenario.runs)),
            "break_at_ms": milliseconds(scenario.breakAt),
            "make_after_ms": milliseconds(scenario.makeAfter),
            "duration_ms": milliseconds(scenario.duration),
            "null": .bool(scenario.isNull),
            "link_changes": .array(
                scenario.linkChanges.map { change in
                    .object([.init("at_ms", milliseconds(change.at))] + change.fields)
                }),
            "captures": .string(scenario.captures.rawValue),
            "snaplen": .integer(Int64(scenario.snapLength)),
        ])
    }

    /// The machine and the program.
    static func environment(_ environment: RunEnvironment) -> JSONValue {
        .object(
            [
                .init("kernel", .string(environment.kernel)),
                .init("mptcpctl", .string(environment.version)),
            ] + environment.details.map { .init($0.name, .string($0.value)) })
    }

    // MARK: Summary

    /// What all runs together yielded.
    static func summary(_ result: ExperimentResult, _ summary: Summary) -> JSONValue {
        .object(
            [
                .init("completed", .integer(Int64(summary.completed))),
                .init("failed", .integer(Int64(summary.failed))),
            ] + JSONValue.metricMembers { statistics(summary[$0]) } + [
                .init("energy_j", paths(summary.energy)),
                .init("radio_on_ms", paths(summary.radioOn)),
                .init("noise_floor_ms", statistics(result.noiseFloor)),
            ])
    }

    private static func paths(_ numbers: [PathStatistics]) -> JSONValue {
        if numbers.isEmpty { return .null }
        return .object(numbers.map { .init($0.path, statistics($0.statistics)) })
    }

    /// One number of all runs, or null.
    static func statistics(_ statistics: Statistics?) -> JSONValue {
        guard let statistics else { return .null }
        return .members([
            "median": JSONValue(rounding: statistics.median),
            "p95": JSONValue(rounding: statistics.p95),
            "min": JSONValue(rounding: statistics.minimum),
            "max": JSONValue(rounding: statistics.maximum),
            "ci95": [
                JSONValue(rounding: statistics.interval.lowerBound),
                JSONValue(rounding: statistics.interval.upperBound),
            ],
            "n": .integer(Int64(statistics.count)),
        ])
    }
}
