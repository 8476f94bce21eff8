package import Scenario

/// `report.txt` of a comparison, which is also what the command prints.
package enum ComparisonText {
    /// The report.
    package static func report(_ result: ComparisonResult) -> String {
        if let story = result.plan.story { return ScenarioText.report(result, story) }
        let parts = [
            header(result), table(result), slopes(result), assertions(result), baseline(result),
            failures(result), disturbances(result), files(result),
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// One line about a run that has just ended, for the progress on stderr.
    package static func progress(
        _ run: RunResult, of cell: ComparisonCell, metrics: [Metric], done: Int, count: Int
    ) -> String {
        let head = "\(done)/\(count) \(cell.label), run \(run.index)"
        if run.outcome == .failed { return "\(head) failed: \(run.reason ?? "no reason known")" }
        let known = metrics.compactMap { metric in
            run[metric].map { "\(metric.rawValue) \(Figures.fixed($0, 2))" }
        }
        return known.isEmpty ? head : "\(head): \(known.joined(separator: ", "))"
    }

    /// What would be run, in which order.
    package static func plan(_ plan: ComparisonPlan) -> String {
        var table = TextTable(leftColumns: 1 + plan.axes.count)
        table.add(["cell"] + plan.axes.map(\.key))
        for cell in plan.cells { table.add([String(cell.number)] + cell.values.map(\.value)) }
        var text =
            "\(Figures.of(plan.cells.count, "cell", "cells")), "
            + "\(Figures.of(plan.base.runs, "run", "runs")) of each\n" + table.text
        for round in 0..<min(plan.base.runs, 2) {
            let order = ComparisonPlan.order(of: round, cells: plan.cells.count)
            text += "order of round \(round + 1): "
            text += order.map { String($0 + 1) }.joined(separator: " ") + "\n"
        }
        return text
    }

    /// How many cells, runs and failures.
    static func title(_ result: ComparisonResult) -> String {
        if let story = result.plan.story { return "\(story.name): \(story.title)" }
        return "Comparison of \(Figures.of(result.cells.count, "cell", "cells")), "
            + "\(Figures.of(result.plan.base.runs, "run", "runs")) each"
    }

    /// What all cells have in common, and where they ran.
    static func facts(_ result: ComparisonResult) -> [(name: String, value: String)] {
        let runs = result.cells.reduce(0) { $0 + $1.result.runs.count }
        var facts = [
            (
                "runs",
                "\(runs): \(runs - result.failedRuns) completed, \(result.failedRuns) failed; "
                    + "seed \(result.plan.base.seed)"
            )
        ]
        facts += result.plan.axes.map { ($0.key, $0.values.joined(separator: ", ")) }
        let fixed = ComparisonJSON.sharedConfiguration(result).filter {
            $0.name != "runs" && $0.value != .null
        }
        facts.append(
            (
                "fixed",
                fixed.map { "\($0.name) \(ComparisonJSON.word($0.value))" }.joined(separator: ", ")
            ))
        facts.append(("mptcpctl", result.environment.version))
        facts.append(("kernel", result.environment.kernel))
        facts += result.environment.details.map { ($0.name, $0.value) }
        facts.append(("fingerprint", result.fingerprint))
        return facts
    }

    // MARK: Parts

    private static func header(_ result: ComparisonResult) -> String {
        title(result) + "\n" + list(facts(result))
    }

    /// Names and values below each other.
    static func list(_ facts: [(name: String, value: String)]) -> String {
        let width = facts.map(\.name.count).max() ?? 0
        return facts.map { fact in
            let space = String(repeating: " ", count: width - fact.name.count + 2)
            let lines = wrapped(fact.value, width: 96 - width)
            let indent = "\n" + String(repeating: " ", count: width + 4)
            return "  \(fact.name)\(space)\(lines.joined(separator: indent))\n"
        }.joined()
    }

    /// Lines that break between words.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    private static func table(_ result: ComparisonResult) -> String {
        let tables = result.metrics.map { ComparisonTable(result, $0) }
        guard let first = tables.first else { return "" }
        var text = TextTable(leftColumns: 1 + first.axes.count)
        text.add(["metric"] + first.axes + ComparisonTable.heads)
        for table in tables {
            for row in table.rows {
                text.add([table.metric.rawValue] + row.labels + row.figures.map(\.text))
            }
        }
        return text.text + paragraph(ComparisonTable.explanation)
    }

    private static func paragraph(_ text: String) -> String {
        wrapped(text, width: 96).map { "  \($0)\n" }.joined()
    }

    private static func slopes(_ result: ComparisonResult) -> String {
        let table = SlopeTable(result)
        if table.rows.isEmpty { return "" }
        var text = TextTable(leftColumns: 1 + table.axes.count)
        text.add(["metric"] + table.axes + SlopeTable.heads)
        for row in table.rows {
            text.add([row.metric.rawValue] + row.labels + row.figures.map(\.text))
        }
        return "Growth with the round trip\n" + text.text + paragraph(SlopeTable.explanation)
    }

    private static func assertions(_ result: ComparisonResult) -> String {
        let checks = result.cells.flatMap { cell in cell.assertions.map { (cell.cell.label, $0) } }
        if checks.isEmpty { return "" }
        let failed = checks.filter { !$0.1.holds }
        return "Assertions: \(checks.count - failed.count) hold, \(failed.count) do not\n"
            + failed.map { label, check in
                "  FAILS  \(check.assertion.text)  (\(check.value.map(Figures.plain) ?? "not known")) "
                    + "\(label)\n"
            }.joined()
    }

    /// The lines about the baseline, without what did not move.
    static func baselineLines(_ result: ComparisonResult) -> [String] {
        guard let baseline = result.baseline else { return [] }
        let same = baseline.judgements.count { $0.verdict == .same }
        var lines = ["\(same) of \(baseline.judgements.count) numbers as before"]
        lines += baseline.judgements.filter { $0.verdict != .same }.map {
            "\($0.text) (\(result.cells[$0.cell].cell.label))"
        }
        lines += ComparisonJSON.differences(result).map { "not alike: \($0)" }
        lines += baseline.unmatched.map { "not in the baseline: \($0)" }
        lines += baseline.missing.map { "only in the baseline: \($0)" }
        return lines
    }

    private static func baseline(_ result: ComparisonResult) -> String {
        guard let baseline = result.baseline else { return "" }
        return
            "Against the baseline; a regression is a median greater by \(baseline.threshold.text)\n"
            + baselineLines(result).map { "  \($0)\n" }.joined()
    }

    /// Every failed run with its cell and reason.
    static func failureLines(_ result: ComparisonResult) -> [String] {
        result.cells.flatMap { cell in
            cell.result.runs.filter { $0.outcome == .failed }.map {
                "\(cell.cell.label), run \($0.index): \($0.reason ?? "no reason known")"
            }
        }
    }

    static func failures(_ result: ComparisonResult) -> String {
        let lines = failureLines(result)
        return lines.isEmpty ? "" : "Failed runs\n" + lines.map { "  \($0)\n" }.joined()
    }

    /// What the harness did to the runs of each cell.
    static func disturbanceLines(_ result: ComparisonResult) -> [String] {
        result.cells.flatMap { cell in
            Disturbances.lines(of: cell.result.runs).map { "\(cell.cell.label), \($0)" }
        }
    }

    static func disturbances(_ result: ComparisonResult) -> String {
        let lines = disturbanceLines(result)
        return lines.isEmpty ? "" : "Disturbances\n" + lines.map { "  \($0)\n" }.joined()
    }

    static func files(_ result: ComparisonResult) -> String {
        result.outputDirectory.map { "Files: \($0)\n" } ?? ""
    }
}
