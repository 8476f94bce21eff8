/// Data sequence numbers over time as an SVG image: what each subflow carried, what was sent twice,
/// how far the receiver had acknowledged. Self-contained; the same input gives the same bytes.
package struct SequencePlot: Hashable, Sendable {
    /// A run of data that a subflow carried at one moment.
    package struct Piece: Hashable, Sendable {
        /// Seconds on the horizontal axis.
        package var time: Double
        /// Octets from the start of the connection's data, end excluded.
        package var range: Range<Int64>
        package var isReinjection: Bool

        package init(time: Double, range: Range<Int64>, isReinjection: Bool = false) {
            self.time = time
            self.range = range
            self.isReinjection = isReinjection
        }
    }

    /// What one subflow carried.
    package struct Series: Hashable, Sendable {
        package var name: String
        package var pieces: [Piece]

        package init(name: String, pieces: [Piece]) {
            self.name = name
            self.pieces = pieces
        }
    }

    /// The acknowledged octets from a moment on.
    package struct Acknowledgment: Hashable, Sendable {
        package var time: Double
        package var octets: Int64

        package init(time: Double, octets: Int64) {
            self.time = time
            self.octets = octets
        }
    }

    /// A moment worth a line, such as the break.
    package struct Mark: Hashable, Sendable {
        package var time: Double
        package var label: String

        package init(time: Double, label: String) {
            self.time = time
            self.label = label
        }
    }

    package var title: String
    /// In the order of the legend.
    package var series: [Series]
    /// In order of time.
    package var acknowledgments: [Acknowledgment]
    package var marks: [Mark]

    package init(
        title: String, series: [Series], acknowledgments: [Acknowledgment] = [],
        marks: [Mark] = []
    ) {
        self.title = title
        self.series = series
        self.acknowledgments = acknowledgments
        self.marks = marks
    }

    /// The image.
    package var svg: String {
        let scale = PlotScale(self)
        let legend = legendRows()
        var drawing = SVGDrawing(
            width: PlotScale.width, height: PlotScale.height, title: title)
        drawing.text(title, x: PlotScale.left, y: 24, size: 16, weight: "bold")
        for (row, entries) in legend.enumerated() { draw(entries, row: row, &drawing) }
        draw(axesOf: scale, &drawing)
        if scale.isEmpty {
            drawing.text(
                "no data in this direction", x: (PlotScale.left + PlotScale.right) / 2,
                y: (PlotScale.top + PlotScale.bottom) / 2, size: 14, anchor: "middle")
            return drawing.svg
        }
        drawing.path(acknowledgmentPath(scale), stroke: Self.acknowledgmentColor, width: 1.2)
        for (index, series) in series.enumerated() {
            let color = PlotPalette.color(index)
            drawing.path(
                Self.path(of: series.pieces, scale), stroke: color, width: 2, cap: "square")
            for point in Self.reinjectionPoints(series.pieces, scale) {
                drawing.circle(x: point.x, y: point.y, radius: 3.5, stroke: color)
            }
        }
        draw(marksOn: scale, &drawing)
        return drawing.svg
    }

    private static let acknowledgmentColor = "#555555"
    private static let markColor = "#b00020"

    // MARK: Data

    /// One stroke per piece, and pieces that touch in the picture as one.
    private static func path(of pieces: [Piece], _ scale: PlotScale) -> String {
        var path = ""
        var open: (x: Int, low: Double, high: Double)?
        func close() {
            guard let open else { return }
            path += "M\(SVGDrawing.number(Double(open.x) / 2)) \(SVGDrawing.number(open.low))"
            path += "V\(SVGDrawing.number(min(open.high, open.low - 1)))"
        }
        for piece in pieces.sorted(by: { $0.time < $1.time }) {
            let x = Int((scale.x(piece.time) * 2).rounded())
            let low = scale.y(piece.range.lowerBound)
            let high = scale.y(piece.range.upperBound)
            if let last = open, last.x == x, low >= last.high - 0.5, high <= last.low + 0.5 {
                open = (x, max(last.low, low), min(last.high, high))
            } else {
                close()
                open = (x, low, high)
            }
        }
        close()
        return path
    }

    /// Where reinjections stand, one for those that would cover each other.
    private static func reinjectionPoints(
        _ pieces: [Piece], _ scale: PlotScale
    ) -> [(x: Double, y: Double)] {
        var points: [(x: Double, y: Double)] = []
        for piece in pieces where piece.isReinjection {
            let x = scale.x(piece.time)
            let y = (scale.y(piece.range.lowerBound) + scale.y(piece.range.upperBound)) / 2
            if let last = points.last, abs(last.x - x) < 2, abs(last.y - y) < 2 { continue }
            points.append((x, y))
        }
        return points
    }

    private func acknowledgmentPath(_ scale: PlotScale) -> String {
        var path = ""
        var last: (x: String, y: String)?
        for step in acknowledgments {
            let x = SVGDrawing.number(scale.x(step.time))
            let y = SVGDrawing.number(scale.y(step.octets))
            if let last {
                if last.x != x { path += "H\(x)" }
                if last.y != y { path += "V\(y)" }
            } else {
                path += "M\(x) \(y)"
            }
            last = (x, y)
        }
        return path
    }

    // MARK: Around the data

    private func draw(axesOf scale: PlotScale, _ drawing: inout SVGDrawing) {
        for tick in scale.timeTicks {
            let x = scale.x(tick / scale.timeUnit)
            drawing.line(x, PlotScale.top, x, PlotScale.bottom, stroke: "#e5e5e5")
            drawing.text(
                PlotScale.label(tick), x: x, y: PlotScale.bottom + 18, size: 12, anchor: "middle")
        }
        for tick in scale.octetTicks {
            let y = scale.y(tick)
            drawing.line(PlotScale.left, y, PlotScale.right, y, stroke: "#e5e5e5")
            drawing.text(
                PlotScale.octets(tick), x: PlotScale.left - 8, y: y + 4, size: 12, anchor: "end")
        }
        drawing.path(
            "M\(SVGDrawing.number(PlotScale.left)) \(SVGDrawing.number(PlotScale.top))"
                + "V\(SVGDrawing.number(PlotScale.bottom))H\(SVGDrawing.number(PlotScale.right))",
            stroke: "#222222", width: 1)
        drawing.text(
            scale.timeUnit == 1 ? "time (s)" : "time (ms)",
            x: (PlotScale.left + PlotScale.right) / 2, y: PlotScale.bottom + 40, size: 13,
            anchor: "middle")
        drawing.text(
            "data sequence number, octets from the start", x: 22,
            y: (PlotScale.top + PlotScale.bottom) / 2, size: 13, anchor: "middle", turned: true)
    }

    private func draw(marksOn scale: PlotScale, _ drawing: inout SVGDrawing) {
        var ends: [Double] = []
        for mark in marks.sorted(by: { ($0.time, $0.label) < ($1.time, $1.label) }) {
            let x = scale.x(mark.time)
            guard x >= PlotScale.left, x <= PlotScale.right else { continue }
            let width = SVGDrawing.width(of: mark.label, size: 12)
            // The first row in which the label meets no other.
            let row = ends.firstIndex { $0 + 6 < x } ?? ends.count
            if row == ends.count { ends.append(0) }
            let isLeft = x + 4 + width > PlotScale.right
            ends[row] = isLeft ? x : x + 4 + width
            drawing.line(
                x, PlotScale.top, x, PlotScale.bottom, stroke: Self.markColor, dashes: "5 4")
            drawing.text(
                mark.label, x: isLeft ? x - 4 : x + 4, y: PlotScale.top + 14 + Double(row) * 15,
                size: 12, anchor: isLeft ? "end" : "start", color: Self.markColor)
        }
    }

    private enum LegendEntry {
        case series(String, color: String)
        case reinjection
        case acknowledgment

        var label: String {
            switch self {
            case .series(let name, _): name
            case .reinjection: "reinjection"
            case .acknowledgment: "DATA_ACK"
            }
        }
    }

    private func legendRows() -> [[LegendEntry]] {
        var entries = series.enumerated().map {
            LegendEntry.series($1.name, color: PlotPalette.color($0))
        }
        if series.contains(where: { $0.pieces.contains(where: \.isReinjection) }) {
            entries.append(.reinjection)
        }
        if !acknowledgments.isEmpty { entries.append(.acknowledgment) }
        var rows: [[LegendEntry]] = [[]]
        var width = 0.0
        for entry in entries {
            let needed = Self.legendWidth(entry)
            if width + needed > PlotScale.right - PlotScale.left, !rows[rows.count - 1].isEmpty {
                rows.append([])
                width = 0
            }
            rows[rows.count - 1].append(entry)
            width += needed
        }
        return rows
    }

    private static func legendWidth(_ entry: LegendEntry) -> Double {
        SVGDrawing.width(of: entry.label, size: 12) + 44
    }

    private func draw(_ entries: [LegendEntry], row: Int, _ drawing: inout SVGDrawing) {
        var x = PlotScale.left
        // Rows that find no room above the plot go over its top, where data seldom is.
        let y = 44 + Double(row) * 17
        for entry in entries {
            switch entry {
            case .series(_, let color): drawing.line(x, y, x + 20, y, stroke: color, width: 3)
            case .reinjection:
                drawing.circle(x: x + 10, y: y, radius: 3.5, stroke: "#222222")
            case .acknowledgment:
                drawing.line(x, y, x + 20, y, stroke: Self.acknowledgmentColor, width: 1.2)
            }
            drawing.text(entry.label, x: x + 26, y: y + 4, size: 12)
            x += Self.legendWidth(entry)
        }
    }
}
