internal import Topology

/// A metric over the round trip time of the new path: cells that differ in nothing else.
package struct ComparisonSeries: Sendable {
    /// What they share, of what is varied.
    package let values: [(key: String, value: String)]
    package let metric: Metric
    /// Indices of the cells, in the order of their round trips.
    package let cells: [Int]
    /// Round trip and median in milliseconds, of cells that know it.
    package let points: [(roundTrip: Double, median: Double)]
    /// The line through the points: its slope is a number of round trips.
    package let fit: LinearFit?
    /// The slope of the cells' `limit_ms`: what the variant in use cannot do without. `nil` where
    /// there is none, or the metric has no such limit.
    package let theoreticalSlope: Double?
}

extension ComparisonResult {
    /// Axes that move the round trip of the new path, of every cell.
    private var roundTripAxes: [ComparisonAxis] {
        let paths = Set(cells.map(\.cell.newPath.name))
        return plan.axes.filter { axis in paths.allSatisfy(axis.isRoundTrip) }
    }

    /// Whether cells differ in the round trip of the new path, by an axis that says so.
    package var variesRoundTrip: Bool { !roundTripAxes.isEmpty }

    /// Indices of cells that differ in the round trip of the new path only, group after group.
    package var roundTripGroups: [(values: [(key: String, value: String)], cells: [Int])] {
        let moving = Set(roundTripAxes.map(\.key))
        var groups: [(values: [(key: String, value: String)], cells: [Int])] = []
        for (index, cell) in cells.enumerated() {
            let shared = cell.cell.values.filter { !moving.contains($0.key) }
            let known = groups.firstIndex { $0.values.map(\.value) == shared.map(\.value) }
            if let known {
                groups[known].cells.append(index)
            } else {
                groups.append((shared, [index]))
            }
        }
        return groups.map { group in
            (
                group.values,
                group.cells.sorted { (cells[$0].roundTrip, $0) < (cells[$1].roundTrip, $1) }
            )
        }
    }

    /// The lines of a time over the round trip; none where nothing varies it.
    package func series(_ metric: Metric) -> [ComparisonSeries] {
        guard metric.isTime, variesRoundTrip else { return [] }
        return roundTripGroups.map { group in
            func points(_ median: (ComparedCell) -> Double?) -> [(x: Double, y: Double)] {
                group.cells.compactMap { index in
                    median(cells[index]).map { (x: cells[index].roundTrip, y: $0) }
                }
            }
            let medians = points { $0[metric]?.statistics.median }
            return ComparisonSeries(
                values: group.values, metric: metric, cells: group.cells,
                points: medians.map { (roundTrip: $0.x, median: $0.y) }, fit: LinearFit(medians),
                theoreticalSlope: metric.growsAsLimit
                    ? LinearFit(points { $0.summary[.limit]?.median })?.slope : nil)
        }
    }
}

extension Metric {
    /// Whether nothing but `limit_ms` makes it grow with the round trip of the new path.
    fileprivate var growsAsLimit: Bool {
        self == .resume || self == .handover || self == .outage
    }
}
