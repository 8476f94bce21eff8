/// From seconds and octets to places in the picture, and the ticks of both axes.
struct PlotScale {
    static let width = 960.0
    static let height = 540.0
    static let left = 84.0
    static let right = 936.0
    static let top = 80.0
    static let bottom = 484.0

    private let times: ClosedRange<Double>
    private let octets: ClosedRange<Int64>
    /// Nothing to draw.
    let isEmpty: Bool
    /// What a second counts on the horizontal axis: 1, or 1000 where milliseconds read better.
    let timeUnit: Double

    /// A scale into which everything fits.
    init(_ plot: SequencePlot) {
        var times: [Double] = plot.acknowledgments.map(\.time)
        var highest: Int64 = 0
        var lowest = Int64.max
        for series in plot.series {
            for piece in series.pieces {
                times.append(piece.time)
                highest = max(highest, piece.range.upperBound)
                lowest = min(lowest, piece.range.lowerBound)
            }
        }
        isEmpty = lowest == .max
        for acknowledgment in plot.acknowledgments {
            highest = max(highest, acknowledgment.octets)
        }
        let first = times.min() ?? 0
        let last = max(times.max() ?? 1, first + 1e-6)
        // Some air on both sides.
        let air = (last - first) * 0.02
        self.times = (first - air)...(last + air)
        let base = isEmpty ? 0 : min(lowest, highest)
        // Wide spans are for broken input: they must not overflow.
        let room = (Double(highest) - Double(base)) * 0.03
        octets = base...max(highest.addingReportingOverflow(Int64(min(room, 1e15))).0, base + 1)
        timeUnit = last - first < 1 ? 1000 : 1
    }

    func x(_ time: Double) -> Double {
        let share = (time - times.lowerBound) / (times.upperBound - times.lowerBound)
        return Self.left + share * (Self.right - Self.left)
    }

    func y(_ octets: Int64) -> Double {
        let span = Double(self.octets.upperBound) - Double(self.octets.lowerBound)
        let share = (Double(octets) - Double(self.octets.lowerBound)) / span
        return Self.bottom - share * (Self.bottom - Self.top)
    }

    /// In the unit of the axis.
    var timeTicks: [Double] {
        let low = times.lowerBound * timeUnit
        let high = times.upperBound * timeUnit
        let step = LinearScale.step(high - low, about: 10)
        let first = (low / step).rounded(.up)
        let count = Int(((high - first * step) / step).rounded(.down))
        return count < 0 ? [] : (0...count).map { (first + Double($0)) * step }
    }

    var octetTicks: [Int64] {
        let low = Double(octets.lowerBound)
        let high = Double(octets.upperBound)
        let step = max(LinearScale.step(high - low, about: 6), 1)
        let first = (low / step).rounded(.up)
        let count = Int(((high - first * step) / step).rounded(.down))
        return count < 0 ? [] : (0...count).map { Int64((first + Double($0)) * step) }
    }

    /// Without needless places: `0.2`, `20`.
    static func label(_ value: Double) -> String {
        let text = Figures.fixed(value, 6)
        guard text.contains(".") else { return text }
        let kept = String(text.reversed().drop { $0 == "0" }.reversed())
        return kept.hasSuffix(".") ? String(kept.dropLast()) : kept
    }

    /// `0`, `500`, `20 k`, `1.5 M`.
    static func octets(_ count: Int64) -> String {
        for (unit, factor) in [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1000)] {
            if abs(count) >= Int64(factor) {
                return "\(label(Double(count) / Double(factor))) \(unit)"
            }
        }
        return "\(count)"
    }
}
