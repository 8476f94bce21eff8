internal import Scenario

/// What happened when, in one run of each cell: a row each.
struct TimelineFigure {
    /// How a moment is drawn.
    private struct Mark {
        let milestone: Milestone
        let label: String
        let color: String
        /// A bar across the row instead of a disc.
        var isBar = false
        var isFilled = false
    }

    private static let marks = [
        Mark(milestone: .breakOldPath, label: "break", color: "#b00020", isBar: true),
        Mark(milestone: .make, label: "make", color: "#009e73", isBar: true),
        Mark(milestone: .detected, label: "detected", color: "#555555"),
        Mark(milestone: .joinSYN, label: "SYN", color: "#0072b2"),
        Mark(milestone: .joinSYNACK, label: "SYN/ACK", color: "#e69f00"),
        Mark(milestone: .joinACK, label: "third ACK", color: "#cc79a7"),
        Mark(milestone: .firstDataOnNewPath, label: "first data", color: "#56b4e9", isFilled: true),
        Mark(
            milestone: .firstLackingByteArrived, label: "resume", color: "#222222", isFilled: true),
    ]

    private static let width = 1_100.0
    private static let rowHeight = 19.0
    private static let top = 56.0
    /// So many rows stand on one sheet of paper.
    private static let rowsPerImage = 30

    /// One image for each sheetful of cells, all to the same scale.
    static func images(_ result: ComparisonResult) -> [String] {
        let rows = result.cells.map { cell in
            (
                label: cell.cell.values.isEmpty
                    ? cell.cell.label : cell.cell.values.map(\.value).joined(separator: "  "),
                timeline: cell.result.runs.representative?.timeline ?? Timeline()
            )
        }
        let labelWidth = rows.map { SVGDrawing.width(of: $0.label, size: 12) }.max() ?? 0
        let times = rows.flatMap { row in marks.compactMap { row.timeline[$0.milestone] } }
        let scale = LinearScale(
            times.filter { $0 >= 0 } + [0], from: min(labelWidth + 30, width / 2), to: width - 24)
        return stride(from: 0, to: rows.count, by: rowsPerImage).map { first in
            let some = rows[first..<min(first + rowsPerImage, rows.count)]
            return image(
                some.map { ($0.label, $0.timeline) }, scale,
                axes: result.plan.axes.map(\.key).joined(separator: "  "))
        }
    }

    private static func image(
        _ rows: [(label: String, timeline: Timeline)], _ scale: LinearScale, axes: String
    ) -> String {
        let bottom = top + Double(rows.count) * rowHeight
        var drawing = SVGDrawing(
            width: width, height: bottom + 46, title: "Time line of one run of each cell")
        drawLegend(&drawing)
        drawing.text(axes, x: scale.start - 12, y: top - 8, size: 11, anchor: "end")
        for tick in scale.ticks(about: 10) {
            let x = scale.place(tick)
            drawing.line(x, top, x, bottom, stroke: "#e5e5e5")
            drawing.text(PlotScale.label(tick), x: x, y: bottom + 17, size: 12, anchor: "middle")
        }
        drawing.text(
            "ms from the break", x: (scale.start + scale.end) / 2, y: bottom + 36, size: 12,
            anchor: "middle")
        for (index, row) in rows.enumerated() {
            let y = top + (Double(index) + 0.5) * rowHeight
            drawing.text(row.label, x: scale.start - 12, y: y + 4, size: 12, anchor: "end")
            draw(row.timeline, y: y, scale, &drawing)
        }
        return drawing.inline
    }

    private static func draw(
        _ timeline: Timeline, y: Double, _ scale: LinearScale, _ drawing: inout SVGDrawing
    ) {
        drawing.line(scale.start, y, scale.end, y, stroke: "#dddddd")
        func bar(_ from: Double?, _ to: Double?, _ color: String) {
            guard let from, let to, to > from else { return }
            let start = scale.place(from)
            drawing.rectangle(
                x: start, y: y - 4, width: scale.place(to) - start, height: 8, fill: color)
        }
        bar(timeline[.breakOldPath], timeline[.ready], "#f2c9cf")
        bar(timeline[.ready], timeline[.firstLackingByteArrived], "#b9d8ea")
        for mark in marks {
            // What lies before the break is not about the handover.
            guard let time = timeline[mark.milestone], time >= 0 else { continue }
            draw(mark, x: scale.place(time), y: y, &drawing)
        }
    }

    private static func draw(
        _ mark: Mark, x: Double, y: Double, _ drawing: inout SVGDrawing
    ) {
        if mark.isBar {
            drawing.line(x, y - 7, x, y + 7, stroke: mark.color, width: 2.5)
        } else {
            drawing.circle(
                x: x, y: y, radius: 3.5, stroke: mark.color,
                fill: mark.isFilled ? mark.color : "#ffffff")
        }
    }

    private static func drawLegend(_ drawing: inout SVGDrawing) {
        var x = 24.0
        for mark in marks {
            draw(mark, x: x, y: 20, &drawing)
            drawing.text(mark.label, x: x + 9, y: 24, size: 12)
            x += SVGDrawing.width(of: mark.label, size: 12) + 40
        }
    }
}
