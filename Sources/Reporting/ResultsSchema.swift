package import Scenario

/// The JSON Schema (draft 2020-12) of `results.json`, which `mptcpctl handover --schema` prints.
package enum ResultsSchema {
    package static var text: String { value.pretty }

    package static var value: JSONValue {
        .members([
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": .string("https://mptcpctl.invalid/schema/" + JSONRenderer.schemaName),
            "title": "Result of mptcpctl handover",
            "type": "object",
            "required": [
                "schema", "version", "seed", "configuration", "environment", "runs", "summary",
            ],
            "properties": .members([
                "schema": .members(["const": .string(JSONRenderer.schemaName)]),
                "version": type("string"),
                "seed": type("number"),
                "configuration": configuration,
                "environment": object(
                    [("kernel", type("string")), ("mptcpctl", type("string"))],
                    more: type("string")),
                "runs": .members(["type": "array", "items": run]),
                "summary": summary,
                "ended_early": type(
                    ["string", "null"],
                    "why runs or files are missing: the machine could not go on, or it was interrupted"
                ),
            ]),
        ])
    }

    /// A value of this type.
    static func type(_ name: JSONValue, _ description: String? = nil) -> JSONValue {
        guard let description else { return .members(["type": name]) }
        return .members(["type": name, "description": .string(description)])
    }

    /// A number, or null where it is not known.
    static let nullableNumber = type(["number", "null"])

    /// One of the words of an enumeration.
    static func words<Word: CaseIterable & RawRepresentable>(_ type: Word.Type) -> JSONValue
    where Word.RawValue == String {
        .members(["enum": .array(Word.allCases.map { .string($0.rawValue) })])
    }

    /// An object in which all `members` are required.
    static func object(
        _ members: [(name: String, schema: JSONValue)], more: JSONValue = false
    ) -> JSONValue {
        .members([
            "type": "object",
            "required": .array(members.map { .string($0.name) }),
            "properties": .object(members.map { .init($0.name, $0.schema) }),
            "additionalProperties": more,
        ])
    }

    /// The configuration of an experiment.
    static var configuration: JSONValue {
        object(
            [
                ("testbed", type("string")),
                ("backend", words(Backend.self)),
                ("link_emulation", words(LinkEmulation.self)),
                ("mode", words(HandoverMode.self)),
                ("break", words(BreakKind.self)),
                ("join", words(JoinVariant.self)),
                ("fast_join_profile", words(FastJoinProfileName.self)),
                ("provisional", words(ProvisionalName.self)),
                ("client", words(EndpointKind.self)),
                ("server", words(EndpointKind.self)),
                ("workload", words(WorkloadKind.self)),
                ("direction", words(Direction.self)),
                ("size", type(["integer", "null"])),
                ("interval_ms", nullableNumber),
                ("background", type("integer", "octets a second beside the bursts")),
                ("policy", words(PathPolicy.self)),
                ("scheduler", words(SchedulerName.self)),
                ("server_scheduler", words(SchedulerName.self)),
                ("oracle", words(Toggle.self)),
                ("oracle_period_ms", type("number")),
                ("oracle_loss_percent", type("number")),
                ("oracle_retransmission_percent", type("number")),
                ("oracle_timeout_ms", type("number")),
                ("idle_signal", words(Toggle.self)),
                ("removal_repeat", words(Toggle.self)),
                ("congestion_control", words(CongestionControlName.self)),
                ("kernel_pm", words(KernelPathManagement.self)),
                ("runs", type("integer")),
                ("break_at_ms", type("number")),
                ("make_after_ms", type("number")),
                ("duration_ms", type("number")),
                ("null", type("boolean")),
                ("link_changes", .members(["type": "array", "items": linkChange])),
                ("captures", words(CaptureChoice.self)),
                ("snaplen", type("integer", "octets of each packet in the captures; 0 is all")),
            ], more: true)
    }

    /// A link change of the scenario: what changes, and the value that is set.
    private static var linkChange: JSONValue {
        .members([
            "type": "object", "required": ["at_ms", "path", "kind"],
            "properties": .members([
                "at_ms": type("number", "after the start of the workload"),
                "path": type("string"),
                "kind": .members([
                    "enum": ["up", "down", "cut", "mend", "delay", "loss", "rate"]
                ]),
                "delay_ms": type("number", "one way"),
                "loss": type("number", "a share of 1"),
                "rate_bps": type("integer"),
                "over_ms": type("number", "length of the ramp; left out for a step"),
            ]), "additionalProperties": false,
        ])
    }

    /// A run.
    static var run: JSONValue {
        var members: [(name: String, schema: JSONValue)] = [
            ("index", type("integer")),
            ("outcome", words(RunOutcome.self)),
            ("reason", type(["string", "null"])),
            ("seed", type("number")),
            (
                "bytes",
                object([
                    ("sent", type(["integer", "null"])), ("delivered", type(["integer", "null"])),
                    ("intact", type(["boolean", "null"])),
                ])
            ),
            ("timeline_ms", object(Milestone.allCases.map { ($0.rawValue, nullableNumber) })),
        ]
        members += metricSchemas(leaf: nullableNumber)
        members += [
            ("path_share", perPath("octets that were sent for the first time on the path")),
            ("radio_time_ms", perPath("time in which the interface was up, in ms")),
            (
                "energy_j",
                perPath("joules of the path's radio, by the states that its packets cause")
            ),
            ("radio_on_ms", perPath("time in which the path's radio was not idle, in ms")),
            (
                "harness",
                object([
                    (
                        "maximum_lateness_ms",
                        type(
                            ["number", "null"],
                            "how much later than due the relay sent a frame on, at worst, in ms")
                    ),
                    (
                        "backlog_drops",
                        type(
                            ["integer", "null"],
                            "packets that the kernel's full backlog dropped on the machine")
                    ),
                ])
            ),
            (
                "captures",
                .members([
                    "type": "array", "items": type("string"),
                    "description": "those that were kept; merged.pcapng has the packets of all",
                ])
            ),
            (
                "null_reasons",
                .members([
                    "type": "object",
                    "description": "for each null its path and why it is not known",
                    "additionalProperties": type("string"),
                ])
            ),
        ]
        return object(members)
    }

    /// A number for each path.
    private static func perPath(_ description: String) -> JSONValue {
        .members([
            "type": ["object", "null"], "description": .string(description),
            "additionalProperties": nullableNumber,
        ])
    }

    /// One number of all runs, or null; `more` are members beside the statistics.
    static func statistics(_ more: [(name: String, schema: JSONValue)] = []) -> JSONValue {
        let members: [(name: String, schema: JSONValue)] =
            [
                ("median", type("number")), ("p95", type("number")), ("min", type("number")),
                ("max", type("number")),
                (
                    "ci95",
                    .members([
                        "type": "array", "items": type("number"), "minItems": 2, "maxItems": 2,
                    ])
                ),
                ("n", type("integer", "completed runs that know the number")),
            ] + more
        return .members([
            "type": ["object", "null"],
            "required": .array(members.map { .string($0.name) }),
            "properties": .object(members.map { .init($0.name, $0.schema) }),
        ])
    }

    /// What all runs together yielded.
    static var summary: JSONValue {
        let perPath = JSONValue.members([
            "type": ["object", "null"], "additionalProperties": statistics(),
        ])
        return object(
            [("completed", type("integer")), ("failed", type("integer"))]
                + metricSchemas(leaf: statistics()) + [
                    ("energy_j", perPath), ("radio_on_ms", perPath),
                    ("noise_floor_ms", statistics()),
                ], more: true)
    }

    /// The metrics with their names as paths: `reinjected_bytes.useful` lies in an object.
    private static func metricSchemas(leaf: JSONValue) -> [(name: String, schema: JSONValue)] {
        var groups: [(name: String, members: [(name: String, schema: JSONValue)])] = []
        for metric in Metric.allCases {
            let parts = metric.rawValue.split(separator: ".").map(String.init)
            let schema = leaf.described(as: metric.meaning)
            guard parts.count == 2 else {
                groups.append((parts[0], [("", schema)]))
                continue
            }
            if groups.last?.name != parts[0] { groups.append((parts[0], [])) }
            groups[groups.count - 1].members.append((parts[1], schema))
        }
        return groups.map { group in
            let first = group.members[0]
            return (group.name, first.name.isEmpty ? first.schema : object(group.members))
        }
    }
}

extension JSONValue {
    /// A schema with what its value is.
    fileprivate func described(as text: String) -> JSONValue {
        guard case .object(let members) = self else { return self }
        return .object(members + [Member("description", .string(text))])
    }
}
