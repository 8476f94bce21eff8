internal import DequeModule
internal import NetworkPrimitives

/// Where segments are sacked without a gap: a block that repeats what is known is not walked again.
struct SackedRuns: Sendable {
    private struct Run: Sendable {
        var left: SequenceNumber
        var right: SequenceNumber
    }

    /// Ascending, disjoint, not adjacent.
    private var runs: Deque<Run> = []

    /// Where the run ends that holds `sequence`.
    func end(at sequence: SequenceNumber) -> SequenceNumber? {
        let index = firstRun(endingBehind: sequence)
        guard index < runs.count, runs[index].left.precedesOrEquals(sequence) else { return nil }
        return runs[index].right
    }

    mutating func insert(_ left: SequenceNumber, _ right: SequenceNumber) {
        var merged = Run(left: left, right: right)
        // One that ends at `left` is adjacent.
        let first = firstRun(endingBehind: left - 1)
        var last = first
        while last < runs.count, runs[last].left.precedesOrEquals(right) {
            if runs[last].left.precedes(merged.left) { merged.left = runs[last].left }
            merged.right = merged.right.later(runs[last].right)
            last += 1
        }
        runs.replaceSubrange(first..<last, with: CollectionOfOne(merged))
    }

    /// Forgets what `una` covers.
    mutating func removeAll(upTo una: SequenceNumber) {
        while let first = runs.first, first.right.precedesOrEquals(una) { runs.removeFirst() }
    }

    mutating func removeAll() { runs = [] }

    private func firstRun(endingBehind sequence: SequenceNumber) -> Int {
        runs.partitionPoint { sequence.precedes($0.right) }
    }
}
