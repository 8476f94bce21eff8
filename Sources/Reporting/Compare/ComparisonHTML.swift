package import Scenario

/// `report.html` of a comparison: one file without script and without anything from elsewhere, which
/// can be printed. It is well-formed XML, too. Each number of its tables is a `data` element whose
/// `value` is that of `results.json`, and whose `data-path` says where it stands there.
package enum ComparisonHTML {
    /// The whole file.
    package static func text(_ result: ComparisonResult) -> String {
        let title = Markup.escaped(ComparisonText.title(result))
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <title>\(title)</title>
            <link rel="icon" href="data:,"/>
            <style>
            \(style)
            </style>
            </head>
            <body>
            <h1>\(title)</h1>
            \(facts(result))\(verdict(result))\(tables(result))\(figures(result))\(lists(result))</body>
            </html>

            """
    }

    private static let style = """
        body { font: 15px/1.45 Helvetica, Arial, sans-serif; color: #222; background: #fff;
          margin: 2em auto; padding: 0 1em; max-width: 72em; }
        h1 { font-size: 1.6em; } h2 { font-size: 1.25em; margin-top: 2em; }
        table { border-collapse: collapse; font-size: 0.85em; }
        th, td { padding: 0.2em 0.7em; border-bottom: 1px solid #ddd; text-align: left; }
        td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
        thead th { border-bottom: 2px solid #222; vertical-align: bottom; }
        caption { text-align: left; font-weight: bold; padding: 0.4em 0; }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15em 1em; }
        dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
        figure { margin: 1.2em 0; break-inside: avoid; }
        figcaption, p.note { color: #555; font-size: 0.9em; }
        svg { width: 100%; height: auto; border: 1px solid #ddd; }
        .panels { display: grid; grid-template-columns: 1fr 1fr; gap: 0.6em; }
        .passed { color: #00664b; font-weight: bold; } .failed { color: #b00020; font-weight: bold; }
        @media print { body { margin: 0; max-width: none; font-size: 10pt; }
          tr, svg { break-inside: avoid; } thead { display: table-header-group; } }
        """

    // MARK: Parts

    private static func facts(_ result: ComparisonResult) -> String {
        let entries = ComparisonText.facts(result).map {
            "<dt>\(Markup.escaped($0.name))</dt><dd>\(Markup.escaped($0.value))</dd>\n"
        }
        return "<dl>\n" + entries.joined() + "</dl>\n"
    }

    private static func verdict(_ result: ComparisonResult) -> String {
        let failed = result.cells.indices.count { !result.faults(of: $0).isEmpty }
        return failed == 0
            ? "<p class=\"passed\">Every cell passed.</p>\n"
            : "<p class=\"failed\">\(Figures.of(failed, "cell", "cells")) did not pass.</p>\n"
    }

    private static func tables(_ result: ComparisonResult) -> String {
        var text = "<h2>Numbers</h2>\n"
        for metric in result.metrics {
            let table = ComparisonTable(result, metric)
            text += Self.table(
                caption: "\(metric.rawValue) (\(metric.unit))", labels: table.axes,
                figures: ComparisonTable.heads, table.rows.map { ($0.labels, $0.figures) })
        }
        text += note(ComparisonTable.explanation)
        let slopes = SlopeTable(result)
        if !slopes.rows.isEmpty {
            text += table(
                caption: "Growth with the round trip r", labels: ["metric"] + slopes.axes,
                figures: SlopeTable.heads,
                slopes.rows.map { ([$0.metric.rawValue] + $0.labels, $0.figures) })
            text += note(SlopeTable.explanation)
        }
        return text
    }

    private static func note(_ text: String) -> String {
        "<p class=\"note\">\(Markup.escaped(text))</p>\n"
    }

    private static func table(
        caption: String, labels: [String], figures: [String],
        _ rows: [(labels: [String], figures: [ComparisonTable.Figure])]
    ) -> String {
        var text = "<table>\n<caption>\(Markup.escaped(caption))</caption>\n<thead><tr>"
        text += labels.map { "<th scope=\"col\">\(Markup.escaped($0))</th>" }.joined()
        text += figures.map { "<th scope=\"col\" class=\"number\">\(Markup.escaped($0))</th>" }
            .joined()
        text += "</tr></thead>\n<tbody>\n"
        for row in rows {
            text += "<tr>"
            text += row.labels.map { "<th scope=\"row\">\(Markup.escaped($0))</th>" }.joined()
            text += row.figures.map { "<td class=\"number\">\(number($0))</td>" }.joined()
            text += "</tr>\n"
        }
        return text + "</tbody>\n</table>\n"
    }

    private static func number(_ figure: ComparisonTable.Figure) -> String {
        if figure.value == .null { return figure.text }
        return "<data value=\"\(figure.value.compact)\" "
            + "data-path=\"\(Markup.escaped(figure.pointer))\">\(figure.text)</data>"
    }

    private static func figures(_ result: ComparisonResult) -> String {
        var text = "<h2>Time line of one run of each cell</h2>\n"
        text += figure(
            TimelineFigure.images(result),
            "The run nearest to the median of its cell, in milliseconds from t0, the break. Red: the "
                + "old path is gone and the new one not there; blue: from ready to resume, which the "
                + "protocol takes.")
        text += "<h2>Growth with the round trip of the new path</h2>\n"
        if result.variesRoundTrip {
            text += figure(
                result.metrics.map { GrowthFigure.image(result, $0) },
                "Medians and their straight lines; slopes in round trips r, theory in brackets.")
        } else {
            text += note("Nothing in this matrix varies the round trip of the new path.")
        }
        text += "<h2>Distribution of the outage</h2>\n"
        return text
            + figure(
                DistributionFigure.images(result),
                "Share of the completed runs of a cell whose outage_ms is at most so long.",
                isGrid: true)
    }

    private static func figure(
        _ images: [String], _ caption: String, isGrid: Bool = false
    ) -> String {
        let body = images.joined()
        return "<figure>\n" + (isGrid ? "<div class=\"panels\">\n\(body)</div>\n" : body)
            + "<figcaption>\(Markup.escaped(caption))</figcaption>\n</figure>\n"
    }

    private static func lists(_ result: ComparisonResult) -> String {
        let checks = result.cells.flatMap { cell in
            cell.assertions.map { check in
                "\(check.holds ? "holds" : "fails"): \(check.assertion.text) "
                    + "(\(check.value.map(Figures.plain) ?? "not known")), \(cell.cell.label)"
            }
        }
        return list("Failed runs", ComparisonText.failureLines(result))
            + list("Disturbances", ComparisonText.disturbanceLines(result))
            + list("Assertions", checks)
            + list(
                "Against the baseline",
                result.baseline.map {
                    ["a regression is a median greater by \($0.threshold.text)"]
                        + ComparisonText.baselineLines(result)
                } ?? [])
    }

    private static func list(_ title: String, _ lines: [String]) -> String {
        if lines.isEmpty { return "" }
        return "<h2>\(Markup.escaped(title))</h2>\n<ul>\n"
            + lines.map { "<li>\(Markup.escaped($0))</li>\n" }.joined() + "</ul>\n"
    }
}
