/// From numbers to places along one axis of a picture.
struct LinearScale {
    let domain: ClosedRange<Double>
    /// Where the domain begins.
    let start: Double
    /// Where it ends.
    let end: Double

    /// - Parameter values: What must fit; with nothing to fit the domain is 0 to 1.
    init(_ values: [Double], from start: Double, to end: Double) {
        let known = values.filter(\.isFinite)
        let low = known.min() ?? 0
        let high = known.max() ?? 1
        domain = low...(high > low ? high : low + 1)
        self.start = start
        self.end = end
    }

    /// The place of a number.
    func place(_ value: Double) -> Double {
        let share = (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
        return start + share * (end - start)
    }

    /// Round numbers within the domain, about so many.
    func ticks(about count: Double) -> [Double] {
        let step = Self.step(domain.upperBound - domain.lowerBound, about: count)
        let first = (domain.lowerBound / step).rounded(.up)
        let steps = Int(((domain.upperBound - first * step) / step).rounded(.down))
        return steps < 0 ? [] : (0...steps).map { (first + Double($0)) * step }
    }

    /// 1, 2 or 5 times a power of ten, so that about so many steps make the span.
    static func step(_ span: Double, about count: Double) -> Double {
        let rough = span / count
        guard rough.isFinite, rough > 0 else { return 1 }
        var power = 1.0
        while power * 10 <= rough { power *= 10 }
        while power > rough { power /= 10 }
        let lead = rough / power
        return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10)
    }
}
