package import Scenario

/// The JSON Schema (draft 2020-12) of a comparison's `results.json`, which
/// `mptcpctl compare --schema` prints.
package enum ComparisonSchema {
    package static var text: String { value.pretty }

    package static var value: JSONValue {
        var document = object([
            ("schema", .members(["const": .string(Baseline.schema)])),
            ("version", type("string")),
            ("seed", type("number")),
            ("fingerprint", type("string", "names everything that the numbers depend on")),
            ("scenario", story),
            ("configuration", type("object", "what the configurations of all cells share")),
            ("environment", type("object")),
            ("metrics", list(words(Metric.self))),
            ("axes", list(object([("key", type("string")), ("values", list(type("string")))]))),
            ("cells", list(cell)),
            ("series", list(series)),
            ("baseline", baseline),
        ])
        if case .object(let members) = document {
            document = .object(
                [
                    .init("$schema", "https://json-schema.org/draft/2020-12/schema"),
                    .init("$id", .string("https://mptcpctl.invalid/schema/" + Baseline.schema)),
                    .init("title", "Result of mptcpctl compare"),
                ] + members)
        }
        return document
    }

    private static func type(_ name: JSONValue, _ description: String? = nil) -> JSONValue {
        ResultsSchema.type(name, description)
    }

    private static func words<Word: CaseIterable & RawRepresentable>(_ type: Word.Type) -> JSONValue
    where Word.RawValue == String {
        ResultsSchema.words(type)
    }

    private static func object(
        _ members: [(name: String, schema: JSONValue)]
    ) -> JSONValue {
        ResultsSchema.object(members)
    }

    private static func list(_ items: JSONValue) -> JSONValue {
        .members(["type": "array", "items": items])
    }

    /// Key and value of each axis.
    private static var values: JSONValue {
        .members(["type": "object", "additionalProperties": type("string")])
    }

    private static var cell: JSONValue {
        let number = ResultsSchema.statistics([
            ("ratio_to_first", ResultsSchema.nullableNumber),
            ("ratio_to_floor", ResultsSchema.nullableNumber),
            ("ratio_to_limit", ResultsSchema.nullableNumber),
        ])
        return object([
            ("number", type("integer")),
            ("label", type("string")),
            ("values", values),
            ("configuration", ResultsSchema.configuration),
            ("new_path_rtt_ms", type("number", "round trip of the path that takes over")),
            ("completed", type("integer")),
            ("failed", type("integer")),
            ("passed", type("boolean")),
            ("faults", list(type("string"))),
            ("metrics", .members(["type": "object", "additionalProperties": number])),
            ("summary", ResultsSchema.summary),
            (
                "assertions",
                list(
                    object([
                        ("text", type("string")), ("value", ResultsSchema.nullableNumber),
                        ("holds", type("boolean")),
                    ]))
            ),
            ("runs", list(ResultsSchema.run)),
        ])
    }

    private static var story: JSONValue {
        nullable(
            object([
                ("name", type("string")), ("title", type("string")), ("question", type("string")),
                ("source", type(["string", "null"])), ("published", type(["string", "null"])),
                ("left_out", list(type("string", "legs that do not run here"))),
            ]))
    }

    private static func nullable(_ object: JSONValue) -> JSONValue {
        guard case .object(let inner) = object else { return object }
        return .object(
            inner.map { $0.name == "type" ? .init("type", ["object", "null"]) : $0 })
    }

    private static var series: JSONValue {
        object([
            ("metric", words(Metric.self)),
            ("values", values),
            ("cells", list(type("integer"))),
            (
                "points",
                list(object([("rtt_ms", type("number")), ("median", type("number"))]))
            ),
            ("slope", type(["number", "null"], "in round trips of the new path")),
            ("intercept_ms", ResultsSchema.nullableNumber),
            ("r_squared", ResultsSchema.nullableNumber),
            ("theoretical_slope", type(["number", "null"], "that of limit_ms")),
        ])
    }

    private static var baseline: JSONValue {
        nullable(
            object([
                ("threshold", object([("percent", type("number")), ("ms", type("number"))])),
                (
                    "judgements",
                    list(
                        object([
                            ("cell", type("integer")), ("metric", words(Metric.self)),
                            ("before", ResultsSchema.nullableNumber),
                            ("now", ResultsSchema.nullableNumber),
                            ("verdict", words(BaselineComparison.Verdict.self)),
                        ]))
                ),
                ("unmatched", list(type("string"))),
                ("missing", list(type("string"))),
                ("differences", list(type("string"))),
            ]))
    }
}
