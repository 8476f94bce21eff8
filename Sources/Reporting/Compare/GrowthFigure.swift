internal import Scenario

/// A metric over the round trip of the new path: a line for each combination of what else varies.
struct GrowthFigure {
    private static let width = 1_100.0
    private static let plot = (left: 70.0, right: 620.0, top: 30.0, least: 360.0)
    private static let legendRow = 19.0

    /// The image.
    static func image(_ result: ComparisonResult, _ metric: Metric) -> String {
        let series = result.series(metric)
        let bottom = max(plot.least, plot.top + Double(series.count) * legendRow)
        let points = series.flatMap(\.points)
        let x = LinearScale(points.map(\.roundTrip) + [0], from: plot.left, to: plot.right)
        let y = LinearScale(points.map(\.median) + [0], from: bottom, to: plot.top)
        var drawing = SVGDrawing(
            width: width, height: bottom + 56, title: "\(metric.rawValue) over the round trip")
        drawAxes(x, y, metric, &drawing)
        for (index, line) in series.enumerated() { draw(line, index, x, y, &drawing) }
        return drawing.inline
    }

    private static func drawAxes(
        _ x: LinearScale, _ y: LinearScale, _ metric: Metric, _ drawing: inout SVGDrawing
    ) {
        for tick in x.ticks(about: 8) {
            let place = x.place(tick)
            drawing.line(place, y.end, place, y.start, stroke: "#e5e5e5")
            drawing.text(
                PlotScale.label(tick), x: place, y: y.start + 18, size: 12, anchor: "middle")
        }
        for tick in y.ticks(about: 6) {
            let place = y.place(tick)
            drawing.line(x.start, place, x.end, place, stroke: "#e5e5e5")
            drawing.text(
                PlotScale.label(tick), x: x.start - 8, y: place + 4, size: 12, anchor: "end")
        }
        drawing.text(
            "round trip r of the new path (ms)", x: (x.start + x.end) / 2, y: y.start + 40,
            size: 13,
            anchor: "middle")
        drawing.text(
            "median \(metric.rawValue) (\(metric.unit))", x: 20, y: (y.start + y.end) / 2, size: 13,
            anchor: "middle", turned: true)
    }

    private static func draw(
        _ series: ComparisonSeries, _ index: Int, _ x: LinearScale, _ y: LinearScale,
        _ drawing: inout SVGDrawing
    ) {
        let color = PlotPalette.color(index)
        if let fit = series.fit, let first = series.points.first, let last = series.points.last {
            func height(_ roundTrip: Double) -> Double {
                y.place(fit.intercept + fit.slope * roundTrip)
            }
            drawing.line(
                x.place(first.roundTrip), height(first.roundTrip), x.place(last.roundTrip),
                height(last.roundTrip), stroke: color, width: 1.5, dashes: PlotPalette.dash(index))
        }
        for point in series.points {
            drawing.circle(
                x: x.place(point.roundTrip), y: y.place(point.median), radius: 3.5, stroke: color)
        }
        let row = plot.top + (Double(index) + 0.5) * legendRow
        let left = plot.right + 24
        drawing.line(
            left, row, left + 26, row, stroke: color, width: 2, dashes: PlotPalette.dash(index))
        drawing.text(label(series), x: left + 34, y: row + 4, size: 12)
    }

    private static func label(_ series: ComparisonSeries) -> String {
        let name = series.values.map(\.value).joined(separator: " ")
        let slope = series.fit.map { "\(Figures.fixed($0.slope, 2)) r" } ?? "no line"
        let theory = series.theoreticalSlope.map { " (\(PlotScale.label($0)) r)" } ?? ""
        return name.isEmpty ? slope + theory : "\(name): \(slope)\(theory)"
    }
}
