internal import Scenario

/// A metric of all cells, as every document of a comparison shows it.
struct ComparisonTable {
    /// One number.
    struct Figure {
        /// For people.
        let text: String
        /// As `results.json` has it.
        let value: JSONValue
        /// Where `results.json` has it: a JSON Pointer (RFC 6901).
        let pointer: String

        init(_ number: Double?, places: Int, _ pointer: String) {
            value = JSONValue(rounding: number)
            text = value.asDouble.map { Figures.fixed($0, places) } ?? "-"
            self.pointer = pointer
        }
    }

    struct Row {
        /// The value of each axis.
        let labels: [String]
        let figures: [Figure]
    }

    let metric: Metric
    /// What stands above the labels.
    let axes: [String]
    let rows: [Row]

    /// What stands above the figures.
    static let heads = [
        "n", "failed", "median", "p95", "95 % from", "95 % to", "/ first", "/ floor", "/ limit",
    ]

    init(_ result: ComparisonResult, _ metric: Metric) {
        self.metric = metric
        axes = result.plan.axes.isEmpty ? ["cell"] : result.plan.axes.map(\.key)
        let places = metric.places
        rows = result.cells.enumerated().map { index, cell in
            let number = cell[metric]
            let found = number?.statistics
            let place = "/cells/\(index)"
            let inner = "\(place)/metrics/\(metric.rawValue)"
            return Row(
                labels: cell.cell.values.isEmpty
                    ? [cell.cell.label] : cell.cell.values.map(\.value),
                figures: [
                    Figure(found.map { Double($0.count) }, places: 0, "\(inner)/n"),
                    Figure(Double(cell.summary.failed), places: 0, "\(place)/failed"),
                    Figure(found?.median, places: places, "\(inner)/median"),
                    Figure(found?.p95, places: places, "\(inner)/p95"),
                    Figure(found?.interval.lowerBound, places: places, "\(inner)/ci95/0"),
                    Figure(found?.interval.upperBound, places: places, "\(inner)/ci95/1"),
                    Figure(number?.ratioToFirst, places: 2, "\(inner)/ratio_to_first"),
                    Figure(number?.ratioToFloor, places: 2, "\(inner)/ratio_to_floor"),
                    Figure(number?.ratioToLimit, places: 2, "\(inner)/ratio_to_limit"),
                ])
        }
    }

    /// How to read it.
    static let explanation =
        "95 %: bootstrap interval of the median. / first: median over that of the first cell. "
        + "/ floor, / limit: median of each run's resume_ms over floor_ms, the least that any "
        + "protocol could have, and limit_ms, the least of the variant in use. Failed runs are "
        + "counted; their numbers are not mixed in."
}

/// The slopes over the round trip, as every document shows them.
struct SlopeTable {
    struct Row {
        let metric: Metric
        let labels: [String]
        let figures: [ComparisonTable.Figure]
    }

    let axes: [String]
    let rows: [Row]

    /// What stands above the figures.
    static let heads = ["slope (r)", "theory (r)", "intercept (ms)", "R squared"]

    /// Empty where nothing varies the round trip.
    init(_ result: ComparisonResult) {
        let series = result.metrics.flatMap(result.series)
        axes = series.first.map { $0.values.map(\.key) } ?? []
        rows = series.enumerated().map { index, series in
            let place = "/series/\(index)"
            return Row(
                metric: series.metric, labels: series.values.map(\.value),
                figures: [
                    .init(series.fit?.slope, places: 3, "\(place)/slope"),
                    .init(series.theoreticalSlope, places: 1, "\(place)/theoretical_slope"),
                    .init(series.fit?.intercept, places: 2, "\(place)/intercept_ms"),
                    .init(series.fit?.determination, places: 4, "\(place)/r_squared"),
                ])
        }
    }

    /// How to read it.
    static let explanation =
        "Least squares through the medians over r, the round trip time of the path that takes over; "
        + "theory: the slope of limit_ms."
}
