package import Scenario

/// `results.md`: the same tables for a README or an issue.
package enum ComparisonMarkdown {
    /// The whole file.
    package static func text(_ result: ComparisonResult) -> String {
        var text = "# \(escaped(ComparisonText.title(result)))\n\n"
        for fact in ComparisonText.facts(result) {
            text += "- \(escaped(fact.name)): \(escaped(fact.value))\n"
        }
        for metric in result.metrics {
            let table = ComparisonTable(result, metric)
            text += "\n## \(escaped(metric.rawValue)) (\(metric.unit))\n\n"
            text += rows(
                head: table.axes + ComparisonTable.heads, labels: table.axes.count,
                table.rows.map { $0.labels + $0.figures.map(\.text) })
        }
        text += "\n\(ComparisonTable.explanation)\n"
        let slopes = SlopeTable(result)
        if !slopes.rows.isEmpty {
            text += "\n## Growth with the round trip\n\n"
            text += rows(
                head: ["metric"] + slopes.axes + SlopeTable.heads, labels: 1 + slopes.axes.count,
                slopes.rows.map { [$0.metric.rawValue] + $0.labels + $0.figures.map(\.text) })
            text += "\n\(SlopeTable.explanation)\n"
        }
        text += list("Does not pass", faults(result))
        text += list("Disturbances", ComparisonText.disturbanceLines(result))
        text += list("Against the baseline", ComparisonText.baselineLines(result))
        return text
    }

    private static func faults(_ result: ComparisonResult) -> [String] {
        result.cells.indices.flatMap { index in
            result.faults(of: index).map { "\(result.cells[index].cell.label): \($0)" }
        }
    }

    private static func list(_ title: String, _ lines: [String]) -> String {
        lines.isEmpty ? "" : "\n## \(title)\n\n" + lines.map { "- \(escaped($0))\n" }.joined()
    }

    private static func rows(head: [String], labels: Int, _ rows: [[String]]) -> String {
        let marks = head.indices.map { $0 < labels ? "---" : "---:" }
        return ([head.map(escaped), marks] + rows.map { $0.map(escaped) }).map {
            "| " + $0.joined(separator: " | ") + " |\n"
        }.joined()
    }

    /// What Markdown would read as something else, and ends of lines.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "|", "\\", "`", "*", "_", "<", "[": result += "\\\(scalar)"
            case "\n", "\r": result += " "
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
