internal import NetworkPrimitives

/// Values for ranges of positions, kept sorted and without overlap. Ranges come mostly in order, so
/// that most updates touch the end.
struct RangeTable<Value> {
    struct Entry {
        var range: Range<Int>
        var value: Value
    }

    private(set) var entries: [Entry] = []

    /// Calls `body` for each piece of `range` in order: with the value that stands there, or `nil`.
    /// What `body` leaves is stored.
    mutating func update(_ range: Range<Int>, _ body: (Range<Int>, inout Value?) -> Void) {
        if range.isEmpty { return }
        var index = firstIndex(endingAfter: range.lowerBound)
        // The common case: behind everything.
        if index == entries.count {
            var value: Value?
            body(range, &value)
            if let value { entries.append(Entry(range: range, value: value)) }
            return
        }
        var position = range.lowerBound
        while position < range.upperBound {
            if index < entries.count, entries[index].range.lowerBound < range.upperBound {
                let entry = entries[index]
                if position < entry.range.lowerBound {
                    index += fill(position..<entry.range.lowerBound, at: index, body)
                    position = entry.range.lowerBound
                    continue
                }
                let piece = position..<min(entry.range.upperBound, range.upperBound)
                index += change(piece, at: index, body)
                position = piece.upperBound
            } else {
                index += fill(position..<range.upperBound, at: index, body)
                position = range.upperBound
            }
        }
    }

    /// Calls `body` for each piece of `range` that has a value, in order.
    func forEach(in range: Range<Int>, _ body: (Range<Int>, Value) -> Void) {
        var index = firstIndex(endingAfter: range.lowerBound)
        while index < entries.count, entries[index].range.lowerBound < range.upperBound {
            let piece = entries[index].range.clamped(to: range)
            if !piece.isEmpty { body(piece, entries[index].value) }
            index += 1
        }
    }

    /// The value at a position.
    func value(at position: Int) -> Value? {
        let index = firstIndex(endingAfter: position)
        guard index < entries.count, entries[index].range.contains(position) else { return nil }
        return entries[index].value
    }

    /// Puts a new entry at `index`; returns how many entries it made.
    private mutating func fill(
        _ piece: Range<Int>, at index: Int, _ body: (Range<Int>, inout Value?) -> Void
    ) -> Int {
        var value: Value?
        body(piece, &value)
        guard let value else { return 0 }
        entries.insert(Entry(range: piece, value: value), at: index)
        return 1
    }

    /// Changes the part `piece` of the entry at `index`; returns how many entries lie before what
    /// comes next.
    private mutating func change(
        _ piece: Range<Int>, at index: Int, _ body: (Range<Int>, inout Value?) -> Void
    ) -> Int {
        let old = entries[index]
        var value: Value? = old.value
        body(piece, &value)
        if piece == old.range {
            if let value {
                entries[index].value = value
                return 1
            }
            entries.remove(at: index)
            return 0
        }
        var parts: [Entry] = []
        if old.range.lowerBound < piece.lowerBound {
            parts.append(Entry(range: old.range.lowerBound..<piece.lowerBound, value: old.value))
        }
        if let value { parts.append(Entry(range: piece, value: value)) }
        let before = parts.count
        if piece.upperBound < old.range.upperBound {
            parts.append(Entry(range: piece.upperBound..<old.range.upperBound, value: old.value))
        }
        entries.replaceSubrange(index...index, with: parts)
        return before
    }

    /// The first entry that ends behind `position`.
    private func firstIndex(endingAfter position: Int) -> Int {
        if let last = entries.last, last.range.upperBound <= position { return entries.count }
        return entries.partitionPoint { $0.range.upperBound > position }
    }
}

/// A set of positions as sorted ranges that do not touch.
struct RangeSet {
    private(set) var ranges: [Range<Int>] = []

    /// Adds `range`; returns how many positions of it were new.
    @discardableResult
    mutating func insert(_ range: Range<Int>) -> Int {
        if range.isEmpty { return 0 }
        guard let last = ranges.last, range.lowerBound <= last.upperBound else {
            ranges.append(range)
            return range.count
        }
        if range.lowerBound >= last.lowerBound {
            let added = max(0, range.upperBound - last.upperBound)
            ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            return added
        }
        return insertInMiddle(range)
    }

    private mutating func insertInMiddle(_ range: Range<Int>) -> Int {
        let first = firstIndex(endingAtOrAfter: range.lowerBound)
        var end = first
        var union = range
        var covered = 0
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            covered += ranges[end].clamped(to: range).count
            union =
                min(
                    union.lowerBound, ranges[end].lowerBound)..<max(
                    union.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(first..<end, with: [union])
        return range.count - covered
    }

    /// The parts of `range` that are not in the set.
    func missing(in range: Range<Int>) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var position = range.lowerBound
        var index = firstIndex(endingAtOrAfter: range.lowerBound)
        while index < ranges.count, ranges[index].lowerBound < range.upperBound {
            if position < ranges[index].lowerBound {
                result.append(position..<ranges[index].lowerBound)
            }
            position = max(position, ranges[index].upperBound)
            index += 1
        }
        if position < range.upperBound { result.append(position..<range.upperBound) }
        return result
    }

    /// The first position from `position` on that is not in the set.
    func end(of position: Int) -> Int {
        let index = firstIndex(endingAtOrAfter: position + 1)
        guard index < ranges.count, ranges[index].contains(position) else { return position }
        return ranges[index].upperBound
    }

    private func firstIndex(endingAtOrAfter position: Int) -> Int {
        if let last = ranges.last, last.upperBound < position { return ranges.count }
        return ranges.partitionPoint { $0.upperBound >= position }
    }
}
