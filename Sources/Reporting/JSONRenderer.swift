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
            "seed": unsigned(result.scenario.seed),
            "configuration": configuration(result),
            "environment": environment(result.environment),
            "runs": .array(result.runs.map(run)),
            "summary": summary(result),
        ])
    }

    /// The text of the file.
    package static func text(_ result: ExperimentResult) -> String { results(result).pretty }

    private static func unsigned(_ value: UInt64) -> JSONValue {
        Int64(exactly: value).map(JSONValue.integer) ?? .number(Double(value))
    }

    private static func milliseconds(_ duration: Duration) -> JSONValue {
        JSONValue(rounding: duration.milliseconds)
    }

    private static func configuration(_ result: ExperimentResult) -> JSONValue {
        let scenario = result.scenario
        let workload = scenario.workload(seed: scenario.seed)
        return .members([
            "testbed": .string(scenario.testbed),
            "backend": .string(result.backend.rawValue),
            "link_emulation": .string(result.linkEmulation.rawValue),
            "mode": .string(scenario.mode.rawValue),
            "break": .string(scenario.breakKind.rawValue),
            "join": .string(scenario.join.rawValue),
            "client": .string(scenario.client.rawValue),
            "server": .string(scenario.server.rawValue),
            "workload": .string(scenario.workloadKind.rawValue),
            "direction": .string(scenario.direction.rawValue),
            "size": workload.size > 0 ? .integer(Int64(workload.size)) : .null,
            "interval_ms": scenario.workloadKind == .bulk
                ? .null : milliseconds(workload.interval),
            "policy": .string(scenario.policy.rawValue),
            "scheduler": .string(scenario.scheduler.rawValue),
            "congestion_control": .string(scenario.congestionControl.rawValue),
            "kernel_pm": .string(scenario.kernelPathManagement.rawValue),
            "runs": .integer(Int64(scenario.runs)),
            "break_at_ms": milliseconds(scenario.breakAt),
            "make_after_ms": milliseconds(scenario.makeAfter),
            "duration_ms": milliseconds(scenario.duration),
            "null": .bool(scenario.isNull),
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

    // MARK: Runs

    private static func run(_ run: RunResult) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("index", .integer(Int64(run.index))),
            .init("outcome", .string(run.outcome.rawValue)),
            .init("reason", run.reason.map(JSONValue.string) ?? .null),
            .init("seed", unsigned(run.seed)),
            .init("bytes", bytes(run.bytes)),
            .init("timeline_ms", timeline(run.timeline)),
        ]
        members += metricMembers { JSONValue(rounding: run[$0]) }
        members += [
            .init("path_share", paths(run.pathShare)),
            .init("radio_time_ms", paths(run.radioTime)),
            .init("energy_j", paths(run.energy)), .init("radio_on_ms", paths(run.radioOn)),
            .init("captures", .array(run.captures.map(JSONValue.string))),
            .init("null_reasons", nullReasons(run)),
        ]
        return .object(members)
    }

    private static func bytes(_ bytes: RunResult.Bytes) -> JSONValue {
        .members([
            "sent": bytes.sent.map { .integer(Int64($0)) } ?? .null,
            "delivered": bytes.delivered.map { .integer(Int64($0)) } ?? .null,
            "intact": bytes.isIntact.map(JSONValue.bool) ?? .null,
        ])
    }

    private static func timeline(_ timeline: Timeline) -> JSONValue {
        .object(
            Milestone.allCases.map { .init($0.rawValue, JSONValue(rounding: timeline[$0])) })
    }

    private static func paths(_ numbers: [PathNumber]) -> JSONValue {
        if numbers.isEmpty { return .null }
        return .object(numbers.map { .init($0.path, JSONValue(rounding: $0.value.value)) })
    }

    /// The metrics in their order; `a.b` becomes member `b` of object `a`.
    private static func metricMembers(_ value: (Metric) -> JSONValue) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        for metric in Metric.allCases {
            let parts = metric.rawValue.split(separator: ".").map(String.init)
            guard parts.count == 2 else {
                members.append(.init(metric.rawValue, value(metric)))
                continue
            }
            let inner = JSONValue.Member(parts[1], value(metric))
            if let last = members.indices.last, members[last].name == parts[0],
                case .object(let known) = members[last].value
            {
                members[last].value = .object(known + [inner])
            } else {
                members.append(.init(parts[0], .object([inner])))
            }
        }
        return members
    }

    /// For each null of the run its path and the reason.
    private static func nullReasons(_ run: RunResult) -> JSONValue {
        var members: [JSONValue.Member] = []
        func add(_ path: String, _ reason: String?) {
            if let reason { members.append(.init(path, .string(reason))) }
        }
        let noSummary = "no summary from an endpoint"
        add("bytes.sent", run.bytes.sent == nil ? noSummary : nil)
        add("bytes.delivered", run.bytes.delivered == nil ? noSummary : nil)
        add("bytes.intact", run.bytes.isIntact == nil ? noSummary : nil)
        for milestone in Milestone.allCases {
            add("timeline_ms.\(milestone.rawValue)", run.timeline.reason(milestone))
        }
        for metric in Metric.allCases { add(metric.rawValue, run.reason(metric)) }
        for (name, numbers) in [
            ("path_share", run.pathShare), ("radio_time_ms", run.radioTime),
            ("energy_j", run.energy), ("radio_on_ms", run.radioOn),
        ] {
            if numbers.isEmpty { add(name, RunResult.notMeasured) }
            for number in numbers { add("\(name).\(number.path)", number.value.reason) }
        }
        return .object(members)
    }

    // MARK: Summary

    private static func summary(_ result: ExperimentResult) -> JSONValue {
        let summary = result.summary
        return .object(
            [
                .init("completed", .integer(Int64(summary.completed))),
                .init("failed", .integer(Int64(summary.failed))),
            ] + metricMembers { statistics(summary[$0]) } + [
                .init("energy_j", paths(summary.energy)),
                .init("radio_on_ms", paths(summary.radioOn)),
                .init("noise_floor_ms", statistics(result.noiseFloor)),
            ])
    }

    private static func paths(_ numbers: [PathStatistics]) -> JSONValue {
        if numbers.isEmpty { return .null }
        return .object(numbers.map { .init($0.path, statistics($0.statistics)) })
    }

    private static func statistics(_ statistics: Statistics?) -> JSONValue {
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
