/// Disjoint ascending ranges of stream offsets.
public struct RangeList: Hashable, Sendable {
    /// The ranges.
    public private(set) var ranges: [Range<Int>] = []

    /// No ranges.
    public init() {}

    /// Whether there is none.
    public var isEmpty: Bool { ranges.isEmpty }

    /// Offsets in all ranges together.
    public var count: Int { ranges.reduce(0) { $0 + $1.count } }

    /// The first range.
    public var first: Range<Int>? { ranges.first }

    /// Adds a range.
    public mutating func insert(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        var merged = range
        let low = ranges.firstIndex { $0.upperBound >= range.lowerBound } ?? ranges.count
        var high = low
        while high < ranges.count, ranges[high].lowerBound <= merged.upperBound {
            merged =
                min(
                    merged.lowerBound, ranges[high].lowerBound)..<max(
                    merged.upperBound, ranges[high].upperBound)
            high += 1
        }
        ranges.replaceSubrange(low..<high, with: CollectionOfOne(merged))
    }

    /// Takes a range out.
    public mutating func remove(_ range: Range<Int>) {
        guard !range.isEmpty, !ranges.isEmpty else { return }
        var result: [Range<Int>] = []
        result.reserveCapacity(ranges.count + 1)
        for other in ranges {
            let before =
                other.lowerBound..<min(max(range.lowerBound, other.lowerBound), other.upperBound)
            let after =
                max(min(range.upperBound, other.upperBound), other.lowerBound)..<other.upperBound
            if !before.isEmpty { result.append(before) }
            if !after.isEmpty, other.upperBound > range.upperBound { result.append(after) }
        }
        ranges = result
    }

    /// Forgets everything before `offset`.
    public mutating func removeAll(before offset: Int) {
        guard let first = ranges.first, first.lowerBound < offset else { return }
        remove(first.lowerBound..<offset)
    }

    /// Whether `offset` lies in a range.
    public func contains(_ offset: Int) -> Bool {
        ranges.contains { $0.contains(offset) }
    }

    /// The end of the range in which `offset` lies.
    func end(ofRangeContaining offset: Int) -> Int? {
        ranges.first { $0.contains(offset) }?.upperBound
    }

    /// Where the first range starts that lies wholly behind `offset`.
    func start(behind offset: Int) -> Int? {
        ranges.first { $0.lowerBound > offset }?.lowerBound
    }
}
