internal import NetworkPrimitives
package import Scenario

/// `results.json` of a comparison: the schema `mptcpctl.compare/1`. Names and their order are stable.
package enum ComparisonJSON {
    /// The text of the file.
    package static func text(_ result: ComparisonResult) -> String { value(result).pretty }

    /// The whole file.
    package static func value(_ result: ComparisonResult) -> JSONValue {
        .members([
            "schema": .string(Baseline.schema),
            "version": .string(result.environment.version),
            "seed": JSONValue(unsigned: result.plan.base.seed),
            "fingerprint": .string(result.fingerprint),
            "scenario": result.plan.story.map(story) ?? .null,
            "configuration": .object(sharedConfiguration(result)),
            "environment": JSONRenderer.environment(result.environment),
            "metrics": .array(result.metrics.map { .string($0.rawValue) }),
            "axes": .array(
                result.plan.axes.map { axis in
                    .members([
                        "key": .string(axis.key),
                        "values": .array(axis.values.map(JSONValue.string)),
                    ])
                }),
            "cells": .array(result.cells.indices.map { cell($0, result) }),
            "series": .array(result.metrics.flatMap(result.series).map(series)),
            "baseline": baseline(result) ?? .null,
        ])
    }

    /// What the configurations of all cells have in common.
    static func sharedConfiguration(_ result: ComparisonResult) -> [JSONValue.Member] {
        guard let first = result.cells.first,
            case .object(let members) = JSONRenderer.configuration(first.result)
        else { return [] }
        let others = result.cells.dropFirst().map { JSONRenderer.configuration($0.result) }
        return members.filter { member in
            others.allSatisfy { $0[member.name] == member.value }
        }
    }

    /// What a scenario file says of itself.
    static func story(_ story: ScenarioStory) -> JSONValue {
        .members([
            "name": .string(story.name),
            "title": .string(story.title),
            "question": .string(story.question),
            "source": story.source.map(JSONValue.string) ?? .null,
            "published": story.published.map(JSONValue.string) ?? .null,
            "left_out": .array(story.leftOut.map(JSONValue.string)),
        ])
    }

    // MARK: Cells

    private static func cell(_ index: Int, _ result: ComparisonResult) -> JSONValue {
        let cell = result.cells[index]
        return .members([
            "number": .integer(Int64(cell.cell.number)),
            "label": .string(cell.cell.label),
            "values": object(cell.cell.values),
            "configuration": JSONRenderer.configuration(cell.result),
            "new_path_rtt_ms": JSONValue(rounding: cell.roundTrip),
            "completed": .integer(Int64(cell.summary.completed)),
            "failed": .integer(Int64(cell.summary.failed)),
            "passed": .bool(result.faults(of: index).isEmpty),
            "faults": .array(result.faults(of: index).map(JSONValue.string)),
            "metrics": .object(
                result.metrics.map { .init($0.rawValue, number(cell[$0])) }),
            "summary": JSONRenderer.summary(cell.result, cell.summary),
            "assertions": .array(cell.assertions.map(assertion)),
            "runs": .array(cell.result.runs.map(\.json)),
        ])
    }

    private static func object(_ values: [(key: String, value: String)]) -> JSONValue {
        .object(values.map { .init($0.key, .string($0.value)) })
    }

    private static func number(_ number: ComparedNumber?) -> JSONValue {
        guard let number,
            case .object(let statistics) = JSONRenderer.statistics(number.statistics)
        else { return .null }
        return .object(
            statistics + [
                .init("ratio_to_first", JSONValue(rounding: number.ratioToFirst)),
                .init("ratio_to_floor", JSONValue(rounding: number.ratioToFloor)),
                .init("ratio_to_limit", JSONValue(rounding: number.ratioToLimit)),
            ])
    }

    private static func assertion(_ check: AssertionResult) -> JSONValue {
        .members([
            "text": .string(check.assertion.text),
            "value": JSONValue(rounding: check.value),
            "holds": .bool(check.holds),
        ])
    }

    // MARK: What stands beside the cells

    private static func series(_ series: ComparisonSeries) -> JSONValue {
        .members([
            "metric": .string(series.metric.rawValue),
            "values": object(series.values),
            "cells": .array(series.cells.map { .integer(Int64($0 + 1)) }),
            "points": .array(
                series.points.map { point in
                    .members([
                        "rtt_ms": JSONValue(rounding: point.roundTrip),
                        "median": JSONValue(rounding: point.median),
                    ])
                }),
            "slope": JSONValue(rounding: series.fit?.slope),
            "intercept_ms": JSONValue(rounding: series.fit?.intercept),
            "r_squared": JSONValue(rounding: series.fit?.determination),
            "theoretical_slope": JSONValue(rounding: series.theoreticalSlope),
        ])
    }

    private static func baseline(_ result: ComparisonResult) -> JSONValue? {
        guard let baseline = result.baseline else { return nil }
        return .members([
            "threshold": .members([
                "percent": JSONValue(rounding: baseline.threshold.share * 100),
                "ms": JSONValue(rounding: baseline.threshold.amount),
            ]),
            "judgements": .array(
                baseline.judgements.map { judgement in
                    .members([
                        "cell": .integer(Int64(judgement.cell + 1)),
                        "metric": .string(judgement.metric.rawValue),
                        "before": JSONValue(rounding: judgement.before),
                        "now": JSONValue(rounding: judgement.now),
                        "verdict": .string(judgement.verdict.rawValue),
                    ])
                }),
            "unmatched": .array(baseline.unmatched.map(JSONValue.string)),
            "missing": .array(baseline.missing.map(JSONValue.string)),
            "differences": .array(differences(result).map(JSONValue.string)),
        ])
    }

    /// What all cells of both results have in common but not alike: with this, other numbers are no
    /// wonder.
    static func differences(_ result: ComparisonResult) -> [String] {
        let before = result.baseline?.configuration ?? []
        let harmless: Set<String> = ["runs", "captures", "snaplen"]
        return sharedConfiguration(result).compactMap { member in
            guard let other = before.first(where: { $0.name == member.name })?.value,
                other != member.value, !harmless.contains(member.name)
            else { return nil }
            return "\(member.name): \(word(member.value)), baseline \(word(other))"
        }
    }

    /// A value without quotes.
    static func word(_ value: JSONValue) -> String { value.asString ?? value.compact }
}
