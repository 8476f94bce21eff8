/// The straight line through points, by least squares.
package struct LinearFit: Hashable, Sendable {
    package var slope: Double
    package var intercept: Double
    /// The share of the variance that the line explains; 1 where there is none.
    package var determination: Double

    /// `nil` unless the points stand at two places at least.
    package init?(_ points: [(x: Double, y: Double)]) {
        let count = Double(points.count)
        guard count >= 2 else { return nil }
        let meanX = points.reduce(0) { $0 + $1.x } / count
        let meanY = points.reduce(0) { $0 + $1.y } / count
        let squares = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
        guard squares > 0 else { return nil }
        slope = points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / squares
        intercept = meanY - slope * meanX
        let (slope, intercept) = (slope, intercept)
        let total = points.reduce(0) { $0 + ($1.y - meanY) * ($1.y - meanY) }
        let rest = points.reduce(0) { sum, point in
            let miss = point.y - (intercept + slope * point.x)
            return sum + miss * miss
        }
        determination = total > 0 ? 1 - rest / total : 1
    }
}
