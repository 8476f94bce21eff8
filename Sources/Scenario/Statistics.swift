internal import NetworkPrimitives

/// Median, 95th percentile, extremes and the 95 % interval of the median.
package struct Statistics: Hashable, Sendable {
    /// How many values there are.
    package var count: Int
    package var median: Double
    package var p95: Double
    package var minimum: Double
    package var maximum: Double
    /// 95 % bootstrap interval of the median.
    package var interval: ClosedRange<Double>

    private static let resamples = 2_000

    /// `nil` for no values. The interval comes from a generator of its own, so that the same values
    /// and seed give the same interval.
    package init?(_ values: [Double], seed: UInt64) {
        let sorted = values.filter(\.isFinite).sorted()
        guard let first = sorted.first, let last = sorted.last else { return nil }
        count = sorted.count
        minimum = first
        maximum = last
        median = Self.quantile(0.5, of: sorted)
        p95 = Self.quantile(0.95, of: sorted)
        interval = Self.bootstrap(sorted, seed: seed)
    }

    /// The quantile of sorted values, interpolated linearly between order statistics (Hyndman and
    /// Fan's type 7, as numpy and R do by default).
    package static func quantile(_ fraction: Double, of sorted: [Double]) -> Double {
        guard let last = sorted.last else { return .nan }
        let position = fraction * Double(sorted.count - 1)
        let index = Int(position)
        guard index + 1 < sorted.count else { return last }
        let part = position - Double(index)
        return sorted[index] + (sorted[index + 1] - sorted[index]) * part
    }

    private static func bootstrap(_ sorted: [Double], seed: UInt64) -> ClosedRange<Double> {
        if sorted.count == 1 { return sorted[0]...sorted[0] }
        var generator = SeededGenerator(seed: seed)
        let count = UInt64(sorted.count)
        var medians: [Double] = []
        medians.reserveCapacity(resamples)
        var sample = sorted
        for _ in 0..<resamples {
            for index in sample.indices {
                sample[index] = sorted[Int(generator.next().multipliedFullWidth(by: count).high)]
            }
            sample.sort()
            medians.append(quantile(0.5, of: sample))
        }
        medians.sort()
        return quantile(0.025, of: medians)...quantile(0.975, of: medians)
    }
}

/// What all runs together yielded.
package struct Summary: Hashable, Sendable {
    package var completed: Int
    package var failed: Int
    /// Joules of each path's radio, in the order of the topology.
    package var energy: [PathStatistics]
    /// Milliseconds in which each path's radio was not idle.
    package var radioOn: [PathStatistics]
    private var statistics: [Metric: Statistics] = [:]

    /// Failed runs are counted; their numbers, where they have some, are not mixed in.
    package init(_ runs: [RunResult], seed: UInt64) {
        let good = runs.filter { $0.outcome == .completed }
        completed = good.count
        failed = runs.count - good.count
        energy = PathStatistics.all(good.map(\.energy), seed: seed)
        radioOn = PathStatistics.all(good.map(\.radioOn), seed: seed)
        for metric in Metric.allCases {
            statistics[metric] = Statistics(good.compactMap { $0[metric] }, seed: seed)
        }
    }

    /// `nil` if no completed run knows the number.
    package subscript(_ metric: Metric) -> Statistics? { statistics[metric] }
}

/// Statistics of a number of one path.
package struct PathStatistics: Hashable, Sendable {
    /// The path: `wifi`.
    package var path: String
    /// `nil` if no run knows the number.
    package var statistics: Statistics?

    /// Of each path, from the numbers of each run.
    static func all(_ runs: [[PathNumber]], seed: UInt64) -> [PathStatistics] {
        (runs.first ?? []).map(\.path).map { path in
            let values = runs.compactMap { run in run.first { $0.path == path }?.value.value }
            return PathStatistics(path: path, statistics: Statistics(values, seed: seed))
        }
    }
}

extension Array where Element == RunResult {
    /// The completed run whose `resume_ms` is nearest to the median (or whose outage is, where no
    /// run resumed): the one whose time line is shown. Without completed run the first.
    package var representative: RunResult? {
        let good = filter { $0.outcome == .completed }
        for metric in [Metric.resume, .handover, .outage] {
            let known = good.compactMap { run in run[metric].map { (run: run, value: $0) } }
            if known.isEmpty { continue }
            let median = Statistics.quantile(0.5, of: known.map(\.value).sorted())
            return known.min { abs($0.value - median) < abs($1.value - median) }?.run
        }
        return good.first ?? first
    }
}
