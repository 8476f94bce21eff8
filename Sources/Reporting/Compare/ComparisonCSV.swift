package import Scenario

/// The numbers of a comparison for spreadsheets and statistics programs (RFC 4180).
package enum ComparisonCSV {
    /// `results.csv`: a line for each cell and metric.
    package static func results(_ result: ComparisonResult) -> String {
        let head = [
            "metric", "n", "failed", "median", "p95", "ci95_low", "ci95_high", "ratio_to_first",
            "ratio_to_floor", "ratio_to_limit",
        ]
        var text = line(["cell"] + result.plan.axes.map(\.key) + head)
        for metric in result.metrics {
            for (index, row) in ComparisonTable(result, metric).rows.enumerated() {
                let labels = result.plan.axes.isEmpty ? [] : row.labels
                text += line(
                    [String(index + 1)] + labels + [metric.rawValue]
                        + row.figures.map { cell($0.value) })
            }
        }
        return text
    }

    /// `runs.csv`: a line for each run, with every number that it yielded.
    package static func runs(_ result: ComparisonResult) -> String {
        let metrics = Metric.allCases
        var text = line(
            ["cell"] + result.plan.axes.map(\.key) + ["run", "seed", "outcome", "reason"]
                + metrics.map(\.rawValue))
        for cell in result.cells {
            for run in cell.result.runs {
                text += line(
                    [String(cell.cell.number)] + cell.cell.values.map(\.value)
                        + [
                            String(run.index), String(run.seed), run.outcome.rawValue,
                            run.reason ?? "",
                        ] + metrics.map { Self.cell(JSONValue(rounding: run[$0])) })
            }
        }
        return text
    }

    /// What is not known is empty.
    private static func cell(_ value: JSONValue) -> String {
        value == .null ? "" : value.compact
    }

    private static func line(_ fields: [String]) -> String {
        fields.map(quoted).joined(separator: ",") + "\r\n"
    }

    private static func quoted(_ field: String) -> String {
        guard field.unicodeScalars.contains(where: { ",\"\r\n".unicodeScalars.contains($0) }) else {
            return field
        }
        var text = "\""
        for scalar in field.unicodeScalars {
            text += scalar == "\"" ? "\"\"" : String(scalar)
        }
        return text + "\""
    }
}
