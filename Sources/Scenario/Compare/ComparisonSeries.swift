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
    /// The slope of `limit_ms`: what the variant in use cannot do without.
    package let theoreticalSlope: Double?
}

extension ComparisonResult {
    /// Whether cells differ in the round trip of the new path, by an axis that says so.
    package var variesRoundTrip: Bool {
        cells.first.map { first in
            plan.axes.contains { $0.isRoundTrip(of: first.cell.newPath.name) }
        } ?? false
    }

    /// Indices of cells that differ in the round trip of the new path only, group after group.
    package var roundTripGroups: [(values: [(key: String, value: String)], cells: [Int])] {
        var groups: [(values: [(key: String, value: String)], cells: [Int])] = []
        for (index, cell) in cells.enumerated() {
            let path = cell.cell.newPath.name
            let shared = zip(plan.axes, cell.cell.values).filter { !$0.0.isRoundTrip(of: path) }
                .map(\.1)
            let known = groups.firstIndex { group in
                group.values.map(\.key) == shared.map(\.key)
                    && group.values.map(\.value) == shared.map(\.value)
            }
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

    /// The lines of a metric over the round trip; none where nothing varies it.
    package func series(_ metric: Metric) -> [ComparisonSeries] {
        guard variesRoundTrip else { return [] }
        return roundTripGroups.map { group in
            let points = group.cells.compactMap { index in
                cells[index][metric].map {
                    (roundTrip: cells[index].roundTrip, median: $0.statistics.median)
                }
            }
            return ComparisonSeries(
                values: group.values, metric: metric, cells: group.cells, points: points,
                fit: LinearFit(points.map { (x: $0.roundTrip, y: $0.median) }),
                theoreticalSlope: HandoverLimits.roundTripFactor(
                    cells[group.cells[0]].cell.scenario))
        }
    }
}
