package import Scenario

/// The interoperability matrix for people, for programs, and for the README.
package enum InteropRenderer {
    /// One line per cell.
    package static func text(_ report: InteropReport) -> String {
        var table = TextTable()
        table.add(["outcome"] + InteropCell.axes + ["ms", "why"])
        for result in report.results {
            table.add(
                [result.outcome.rawValue] + result.cell.values
                    + [String(result.milliseconds), result.reasons.joined(separator: "; ")])
        }
        return table.text + "\n" + summary(report) + "\n"
    }

    /// How many of each, on what.
    package static func summary(_ report: InteropReport) -> String {
        let counts =
            "\(report.count(.passed)) passed, \(report.count(.failed)) failed, "
            + "\(report.count(.lacking)) lacking something"
        let against = "against Linux \(report.environment.kernel)"
        let notes = report.notes.map { "; \($0)" }.joined()
        return "\(report.results.count) cells \(against): \(counts)\(notes)"
    }

    /// How far it is.
    package static func progress(_ result: InteropResult, of count: Int, done: Int) -> String {
        let why = result.reasons.isEmpty ? "" : ": " + result.reasons.joined(separator: "; ")
        return "\(done)/\(count) \(result.outcome.rawValue) \(result.cell.name)\(why)"
    }

    /// Schema `mptcpctl.interop/1`.
    package static func json(_ report: InteropReport) -> String {
        JSONValue.members([
            "schema": "mptcpctl.interop/1",
            "environment": .members([
                "kernel": .string(report.environment.kernel),
                "mptcpctl": .string(report.environment.version),
            ]),
            "notes": .array(report.notes.map { .string($0) }),
            "cells": .array(report.results.map(cell)),
            "passed": .integer(Int64(report.count(.passed))),
            "failed": .integer(Int64(report.count(.failed))),
            "lacking": .integer(Int64(report.count(.lacking))),
        ]).pretty
    }

    private static func cell(_ result: InteropResult) -> JSONValue {
        .members([
            "cell": .string(result.cell.name),
            "outcome": .string(result.outcome.rawValue),
            "reasons": .array(result.reasons.map { .string($0) }),
            "milliseconds": .integer(Int64(result.milliseconds)),
            "kernel_counters": .object(result.counters),
        ])
    }

    /// A table of how many cells passed, for each pair of what was said and how it ended.
    package static func markdown(_ report: InteropReport) -> String {
        let ends = InteropCell.End.allCases
        var lines = [
            "| swift is | said on the way | " + ends.map(\.rawValue).joined(separator: " | ") + " |"
        ]
        lines.append("|" + String(repeating: " --- |", count: ends.count + 2))
        for role in InteropCell.Role.allCases {
            for signal in InteropCell.Signal.allCases {
                let cells = ends.map { end in
                    tally(
                        report.results.filter {
                            $0.cell.role == role && $0.cell.signal == signal && $0.cell.end == end
                        })
                }
                lines.append(
                    "| \(role.rawValue) | \(signal.rawValue) | "
                        + cells.joined(separator: " | ") + " |")
            }
        }
        lines.append("")
        lines.append(summary(report) + ".")
        let lacks = report.results.filter { $0.outcome == .lacking }.flatMap(\.reasons)
        for lack in Set(lacks).sorted() { lines.append("Lacking: \(lack).") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func tally(_ results: [InteropResult]) -> String {
        if results.isEmpty { return "-" }
        let passed = results.count { $0.outcome == .passed }
        let lacking = results.count { $0.outcome == .lacking }
        return lacking == results.count ? "lacking" : "\(passed)/\(results.count)"
    }
}
