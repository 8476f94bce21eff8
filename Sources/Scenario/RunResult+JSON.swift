/// A run as JSON and back: in `results.json`, and in the journal of a comparison.
extension RunResult {
    /// Names and their order are stable; what is not known is null, and `null_reasons` says why.
    package var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("index", .integer(Int64(index))),
            .init("outcome", .string(outcome.rawValue)),
            .init("reason", reason.map(JSONValue.string) ?? .null),
            .init("seed", JSONValue(unsigned: seed)),
            .init("bytes", Self.value(bytes)),
            .init(
                "timeline_ms",
                .object(
                    Milestone.allCases.map {
                        .init($0.rawValue, JSONValue(rounding: timeline[$0]))
                    })),
        ]
        members += JSONValue.metricMembers { JSONValue(rounding: self[$0]) }
        members += [
            .init("path_share", Self.value(pathShare)),
            .init("radio_time_ms", Self.value(radioTime)),
            .init("energy_j", Self.value(energy)), .init("radio_on_ms", Self.value(radioOn)),
            .init("harness", harness.json),
            .init("captures", .array(captures.map(JSONValue.string))),
            .init("null_reasons", nullReasons),
        ]
        return .object(members)
    }

    private static func value(_ bytes: Bytes) -> JSONValue {
        .members([
            "sent": bytes.sent.map { .integer(Int64($0)) } ?? .null,
            "delivered": bytes.delivered.map { .integer(Int64($0)) } ?? .null,
            "intact": bytes.isIntact.map(JSONValue.bool) ?? .null,
        ])
    }

    private static func value(_ numbers: [PathNumber]) -> JSONValue {
        if numbers.isEmpty { return .null }
        return .object(numbers.map { .init($0.path, JSONValue(rounding: $0.value.value)) })
    }

    /// For each null of the run its path and the reason.
    private var nullReasons: JSONValue {
        var members: [JSONValue.Member] = []
        func add(_ path: String, _ reason: String?) {
            if let reason { members.append(.init(path, .string(reason))) }
        }
        let noSummary = "no summary from an endpoint"
        add("bytes.sent", bytes.sent == nil ? noSummary : nil)
        add("bytes.delivered", bytes.delivered == nil ? noSummary : nil)
        add("bytes.intact", bytes.isIntact == nil ? noSummary : nil)
        for milestone in Milestone.allCases {
            add("timeline_ms.\(milestone.rawValue)", timeline.reason(milestone))
        }
        for metric in Metric.allCases { add(metric.rawValue, self.reason(metric)) }
        for (name, numbers) in [
            ("path_share", pathShare), ("radio_time_ms", radioTime), ("energy_j", energy),
            ("radio_on_ms", radioOn),
        ] {
            if numbers.isEmpty { add(name, Self.notMeasured) }
            for number in numbers { add("\(name).\(number.path)", number.value.reason) }
        }
        for (path, reason) in harness.nullReasons { add(path, reason) }
        return .object(members)
    }

    /// Reads what `json` wrote; `nil` for anything else.
    package init?(json value: JSONValue) {
        guard let index = value["index"]?.asInteger, let seed = value["seed"]?.asInteger,
            let outcome = value["outcome"]?.asString.flatMap(RunOutcome.init(rawValue:)),
            case .object(let reasons)? = value["null_reasons"]
        else { return nil }
        self.init(
            index: Int(index), seed: UInt64(max(seed, 0)), outcome: outcome,
            reason: value["reason"]?.asString)
        func measured(_ number: JSONValue?, _ path: String) -> Measured {
            if let number = number?.asDouble { return .value(number) }
            let reason = reasons.first { $0.name == path }?.value.asString
            return .unknown(reason ?? Self.notMeasured)
        }
        bytes = Bytes(
            sent: value["bytes"]?["sent"]?.asInteger.map { Int($0) },
            delivered: value["bytes"]?["delivered"]?.asInteger.map { Int($0) },
            isIntact: value["bytes"]?["intact"]?.asBool)
        for milestone in Milestone.allCases {
            let name = milestone.rawValue
            switch measured(value["timeline_ms"]?[name], "timeline_ms.\(name)") {
            case .value(let time): timeline[milestone] = time
            case .unknown(let reason): timeline.setUnknown(milestone, because: reason)
            }
        }
        for metric in Metric.allCases {
            set(metric, measured(value.metric(metric), metric.rawValue))
        }
        func numbers(_ name: String) -> [PathNumber] {
            guard case .object(let members)? = value[name] else { return [] }
            return members.map { PathNumber($0.name, measured($0.value, "\(name).\($0.name)")) }
        }
        pathShare = numbers("path_share")
        radioTime = numbers("radio_time_ms")
        energy = numbers("energy_j")
        radioOn = numbers("radio_on_ms")
        func harnessNumber(_ name: String) -> Measured {
            measured(value["harness"]?[name], "harness.\(name)")
        }
        harness.lateness = harnessNumber("maximum_lateness_ms")
        harness.backlogDrops = harnessNumber("backlog_drops")
        if case .array(let files)? = value["captures"] { captures = files.compactMap(\.asString) }
    }
}

extension JSONValue {
    /// An integer; a number where JSON's readers have none that large.
    package init(unsigned value: UInt64) {
        self = Int64(exactly: value).map(JSONValue.integer) ?? .number(Double(value))
    }

    /// The metrics in their order; `a.b` becomes member `b` of object `a`.
    package static func metricMembers(_ value: (Metric) -> JSONValue) -> [Member] {
        var members: [Member] = []
        for metric in Metric.allCases {
            let parts = metric.rawValue.split(separator: ".").map(String.init)
            guard parts.count == 2 else {
                members.append(.init(metric.rawValue, value(metric)))
                continue
            }
            let inner = Member(parts[1], value(metric))
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

    /// The value that `metricMembers` put there.
    package func metric(_ metric: Metric) -> JSONValue? {
        metric.rawValue.split(separator: ".").reduce(self as JSONValue?) { $0?[String($1)] }
    }
}
