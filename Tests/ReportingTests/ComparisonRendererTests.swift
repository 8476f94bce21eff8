import NetworkPrimitives
import Reporting
import Scenario
import Testing
import Topology

/// The documents of a comparison.
@Suite struct ComparisonRendererTests {
    /// Four cells, three runs each, of which one failed with a nasty reason.
    private static func result(
        _ axes: [String] = ["mode=break-before-make,make-before-break", "lte.delay=10ms,30ms"],
        reason: String = "<&\"> |,\n\u{1}"
    ) throws -> ComparisonResult {
        var base = HandoverScenario()
        base.workloadKind = .stream
        base.backend = .simulation
        base.runs = 3
        let plan = try ComparisonPlan(
            base: base, axes: axes.map { try ComparisonAxis(parsing: $0) },
            topology: { testbed, links throws(ComparisonProblem) in
                do {
                    return try Topology(
                        parsing: BuiltInTestbeds.text(named: testbed) ?? "", file: testbed,
                        overrides: links)
                } catch {
                    throw ComparisonProblem("\(error)")
                }
            })
        let environment = RunEnvironment(kernel: "6.18 <x>", version: "0.1.0")
        let experiments = plan.cells.enumerated().map { index, cell in
            var runs = (1...3).map { number in
                var run = Fixtures.run(
                    number, cell.scenario, resume: Double(index * 40 + number * 3 + 12) + 1.0 / 3)
                run[.limit] = 2.5 * cell.newPath.roundTripTime.milliseconds
                return run
            }
            if index == 1 {
                runs[2] = RunResult(index: 3, seed: cell.scenario.runSeed(3))
                runs[2].fail(reason)
            }
            return ExperimentResult(
                scenario: cell.scenario, backend: .simulation, linkEmulation: .model,
                environment: environment, runs: runs)
        }
        let earlier = """
            {"schema": "mptcpctl.compare/1", "configuration": {"workload": "bulk"}, "cells": [
              {"label": "old", "values": {"mode": "make-before-break", "lte.delay": "10ms"},
               "summary": {"resume_ms": {"median": 12.5}}},
              {"label": "gone", "values": {"mode": "none"}, "summary": {}}]}
            """
        return ComparisonResult(
            plan, metrics: [.resume, .outage], environment: environment, fingerprint: "0123",
            experiments: experiments, assertions: [try Assertion(parsing: "resume_ms.p95<110")],
            baseline: (try Baseline(parsing: earlier), RegressionThreshold()))
    }

    @Test func resultsObeyTheirSchema() throws {
        let schema = try JSONValue(parsing: ComparisonSchema.text)
        for axes in [["mode=break-before-make,make-before-break", "lte.delay=10ms,30ms"], []] {
            let text = ComparisonJSON.text(try Self.result(axes))
            #expect(SchemaCheck.faults(try JSONValue(parsing: text), schema) == [])
        }
        #expect(SchemaCheck.faults(.members(["schema": "other"]), schema).count == 12)
    }

    @Test func sharedConfigurationIsWhatDoesNotVary() throws {
        let document = ComparisonJSON.value(try Self.result())
        #expect(document["configuration"]?["workload"] == "stream")
        #expect(document["configuration"]?["mode"] == nil)
        #expect(document["cells"]?[2]?["configuration"]?["mode"] == "make-before-break")
        #expect(document["baseline"]?["differences"]?[0] == "workload: stream, baseline bulk")
        #expect(document["baseline"]?["missing"]?[0] == "gone")
        #expect(document["cells"]?[1]?["passed"] == false)
        #expect(document["cells"]?[1]?["runs"]?[2]?["outcome"] == "failed")
        // It can be a baseline itself.
        let baseline = try Baseline(parsing: document.pretty)
        #expect(baseline.cells.map { $0.medians[.resume] != nil } == [true, true, true, true])
    }

    // MARK: HTML

    /// Every number of the tables is that of `results.json`, to the last place.
    @Test func theReportsNumbersAreTheResults() throws {
        let result = try Self.result()
        let html = ComparisonHTML.text(result)
        let document = try JSONValue(parsing: ComparisonJSON.text(result))
        var count = 0
        for part in html.components(separatedBy: "<data ").dropFirst() {
            let value = try #require(attribute("value", of: part))
            let path = try #require(attribute("data-path", of: part))
            let found = try #require(document.at(path), "\(path)")
            #expect(found.compact == value, "\(path)")
            // What people read is the same, rounded.
            let shown = try #require(
                part.components(separatedBy: ">")[1].components(separatedBy: "<").first)
            let places = shown.components(separatedBy: ".").dropFirst().first?.count ?? 0
            let unit = (0..<places).reduce(0.5) { unit, _ in unit / 10 }
            let exact = try #require(Double(value))
            #expect(abs((Double(shown) ?? .nan) - exact) <= unit + 1e-9, "\(path)")
            count += 1
        }
        // 4 cells x 2 metrics x 7 to 9 numbers, and 4 slopes with 4 each.
        #expect(count == 4 * (9 + 7) + 4 * 4)
        // No number of a table stands anywhere else.
        for part in html.components(separatedBy: "<td class=\"number\">").dropFirst() {
            #expect(part.hasPrefix("<data ") || part.hasPrefix("-<"), "\(part.prefix(40))")
        }
    }

    @Test func theReportStandsAlone() throws {
        for axes in [["mode=break-before-make,make-before-break", "lte.delay=10ms,30ms"], []] {
            let html = ComparisonHTML.text(try Self.result(axes))
            let names = try MarkupCheck.elements(html)
            #expect(Set(names).isDisjoint(with: ["script", "img", "iframe", "object", "use"]))
            for word in ["http:", "https:", "src=", "url(", "@import", "nan", "inf\""] {
                #expect(!html.contains(word), "\(word)")
            }
            #expect(html.components(separatedBy: "href=").count == 2)
            #expect(html.contains("href=\"data:,\""))
        }
    }

    @Test func theReportHasItsFigures() throws {
        let html = ComparisonHTML.text(try Self.result())
        // One time line, two metrics over the round trip, a panel for each mode.
        #expect(html.components(separatedBy: "<svg ").count - 1 == 1 + 2 + 2)
        for word in [
            "third ACK", "resume", "round trip r of the new path (ms)", "r = 20 ms", "(2.5 r)",
            "&lt;&amp;&quot;&gt; |,", "6.18 &lt;x&gt;", "not in the baseline",
            "3 cells did not pass",
        ] { #expect(html.contains(word), "\(word)") }
        let flat = ComparisonHTML.text(try Self.result(["direction=upload,download"]))
        #expect(flat.contains("Nothing in this matrix varies the round trip"))
        #expect(flat.contains("cells 1 to 2"))
    }

    // MARK: Tables

    @Test func commaSeparatedValuesAreRead() throws {
        let result = try Self.result()
        let rows = CSV.rows(ComparisonCSV.results(result))
        #expect(rows.count == 1 + 4 * 2)
        #expect(Set(rows.map(\.count)) == [13])
        #expect(rows[0].prefix(4) == ["cell", "mode", "lte.delay", "metric"])
        let document = ComparisonJSON.value(result)
        for row in rows.dropFirst() {
            let number = try #require(Int(row[0]))
            let metric = document["cells"]?[number - 1]?["metrics"]?[row[3]]
            #expect(metric?["median"]?.compact == row[6])
            #expect(metric?["ci95"]?[1]?.compact == row[9])
        }
        let runs = CSV.rows(ComparisonCSV.runs(result))
        #expect(runs.count == 1 + 12)
        #expect(Set(runs.map(\.count)) == [7 + Metric.allCases.count])
        #expect(runs[6][5...6] == ["failed", "<&\"> |,\n\u{1}"])
    }

    @Test func markdownTablesKeepTheirColumns() throws {
        let text = ComparisonMarkdown.text(try Self.result())
        let tables = text.split(separator: "\n").filter { $0.hasPrefix("|") }
        #expect(tables.count == 2 * (2 + 4) + 2 + 4)
        let widths = tables.map { row in
            row.replacing("\\|", with: "").count { $0 == "|" }
        }
        #expect(widths[0..<12].allSatisfy { $0 == 12 } && widths[12...].allSatisfy { $0 == 7 })
        #expect(text.contains("\\<&\"> \\|, "))
    }

    @Test func continuousIntegrationSeesEveryCell() throws {
        let xml = ComparisonJUnit.text(try Self.result())
        let names = try MarkupCheck.elements(xml)
        #expect(names.count { $0 == "testcase" } == 4)
        #expect(names.count { $0 == "failure" } == 3)
        #expect(xml.contains("tests=\"4\" failures=\"3\""))
        #expect(xml.contains("message=\"run 3 failed: &lt;&amp;&quot;&gt; |,"))
        #expect(xml.contains("regressed"))
    }

    @Test func thePrintedTableSaysEverything() throws {
        let text = ComparisonText.report(try Self.result())
        for word in [
            "Comparison of 4 cells, 3 runs each", "12: 11 completed, 1 failed", "/ floor",
            "Growth with the round trip", "Assertions: 3 hold, 1 do not", "FAILS",
            "where it is a time, more than 2 ms", "only in the baseline: gone", "Failed runs",
        ] { #expect(text.contains(word), "\(word)") }
        #expect(text.split(separator: "\n").allSatisfy { !$0.hasSuffix(" ") || $0.contains("|") })
    }

    private func attribute(_ name: String, of tag: String) -> String? {
        let parts = tag.components(separatedBy: "\(name)=\"")
        return parts.count < 2 ? nil : parts[1].components(separatedBy: "\"").first
    }
}

/// Reads RFC 4180.
private enum CSV {
    static func rows(_ text: String) -> [[String]] {
        var rows: [[String]] = []
        var row: [String] = []
        var field = ""
        var isQuoted = false
        var scalars = Array(text.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            switch (scalar, isQuoted) {
            case ("\"", true) where scalars.first == "\"":
                field += "\""
                scalars.removeFirst()
            case ("\"", _): isQuoted.toggle()
            case (",", false):
                row.append(field)
                field = ""
            case ("\r", false): break
            case ("\n", false):
                rows.append(row + [field])
                (row, field) = ([], "")
            default: field.unicodeScalars.append(scalar)
            }
        }
        return rows
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}

extension JSONValue {
    /// What a JSON Pointer (RFC 6901) leads to.
    fileprivate func at(_ pointer: String) -> JSONValue? {
        pointer.split(separator: "/").reduce(self as JSONValue?) { value, part in
            Int(part).flatMap { value?[$0] } ?? value?[String(part)]
        }
    }
}
