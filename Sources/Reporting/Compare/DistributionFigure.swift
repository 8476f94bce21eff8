internal import Scenario

/// How the outage is distributed over the runs of each cell: cells that differ in the round trip only
/// share a panel; where nothing varies it, so many as can be told apart.
struct DistributionFigure {
    private static let width = 540.0
    private static let plot = (left: 46.0, right: 520.0, top: 34.0, bottom: 226.0)
    private static let legendRow = 17.0
    private static let curvesPerPanel = 6

    /// One panel after the other, all to the same scale.
    static func images(_ result: ComparisonResult) -> [String] {
        let outages = result.cells.map { cell in
            cell.result.runs.filter { $0.outcome == .completed }.compactMap { $0[.outage] }.sorted()
        }
        let x = LinearScale(outages.flatMap { $0 } + [0], from: plot.left, to: plot.right)
        return panels(result).map { panel in
            image(
                title: panel.title,
                panel.cells.map { (label: $0.label, outages: outages[$0.index]) }, x)
        }
    }

    private typealias Panel = (title: String, cells: [(label: String, index: Int)])

    private static func panels(_ result: ComparisonResult) -> [Panel] {
        if result.variesRoundTrip {
            return result.roundTripGroups.map { group in
                (
                    group.values.map(\.value).joined(separator: " "),
                    group.cells.map { index in
                        let cell = result.cells[index]
                        return ("r = \(PlotScale.label(cell.roundTrip)) ms", index)
                    }
                )
            }
        }
        return stride(from: 0, to: result.cells.count, by: curvesPerPanel).map { first in
            let last = min(first + curvesPerPanel, result.cells.count)
            return (
                last - first == 1 ? "cell \(last)" : "cells \(first + 1) to \(last)",
                (first..<last).map { index in
                    let cell = result.cells[index].cell
                    return (
                        cell.values.isEmpty
                            ? cell.label : cell.values.map(\.value).joined(separator: " "), index
                    )
                }
            )
        }
    }

    private static func image(
        title: String, _ curves: [(label: String, outages: [Double])], _ x: LinearScale
    ) -> String {
        let y = LinearScale([0, 1], from: plot.bottom, to: plot.top)
        let legendTop = plot.bottom + 46
        var drawing = SVGDrawing(
            width: width, height: legendTop + Double(curves.count) * legendRow + 6,
            title: "Outage: \(title)")
        drawing.text(title, x: plot.left, y: 22, size: 13, weight: "bold")
        for tick in x.ticks(about: 6) {
            let place = x.place(tick)
            drawing.line(place, plot.top, place, plot.bottom, stroke: "#e5e5e5")
            drawing.text(
                PlotScale.label(tick), x: place, y: plot.bottom + 16, size: 11, anchor: "middle")
        }
        for tick in y.ticks(about: 4) {
            drawing.line(plot.left, y.place(tick), plot.right, y.place(tick), stroke: "#e5e5e5")
            drawing.text(
                PlotScale.label(tick), x: plot.left - 6, y: y.place(tick) + 4, size: 11,
                anchor: "end")
        }
        drawing.text(
            "outage_ms", x: (plot.left + plot.right) / 2, y: plot.bottom + 33, size: 12,
            anchor: "middle")
        for (index, curve) in curves.enumerated() {
            let color = PlotPalette.color(index)
            let dash = PlotPalette.dash(index)
            drawing.path(path(of: curve.outages, x, y), stroke: color, width: 1.8, dashes: dash)
            let row = legendTop + (Double(index) + 0.5) * legendRow
            drawing.line(
                plot.left, row, plot.left + 26, row, stroke: color, width: 2, dashes: dash)
            let count = curve.outages.isEmpty ? " (no run knows it)" : ""
            drawing.text(curve.label + count, x: plot.left + 34, y: row + 4, size: 12)
        }
        return drawing.inline
    }

    /// A step up at each run, from 0 to 1.
    private static func path(
        of sorted: [Double], _ x: LinearScale, _ y: LinearScale
    ) -> String {
        if sorted.isEmpty { return "" }
        var path = "M\(SVGDrawing.number(x.start)) \(SVGDrawing.number(y.place(0)))"
        for (index, outage) in sorted.enumerated() {
            path += "H\(SVGDrawing.number(x.place(outage)))"
            path += "V\(SVGDrawing.number(y.place(Double(index + 1) / Double(sorted.count))))"
        }
        return path + "H\(SVGDrawing.number(x.end))"
    }
}
