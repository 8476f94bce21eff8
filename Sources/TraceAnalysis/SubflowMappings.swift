internal import NetworkPrimitives

/// One mapping of a subflow: positions count octets of the subflow, the one behind the SYN is 1;
/// offsets count octets of the connection's stream.
struct StreamMapping: Hashable {
    var position: Int
    var length: Int
    var offset: Int

    var positions: Range<Int> { position..<(position + length) }
}

/// The mappings of one direction of a subflow.
struct SubflowMappings {
    private(set) var all: [StreamMapping] = []
    /// What holds behind an infinite mapping or in fallback: offset minus position.
    var linear: (from: Int, shift: Int)?
    /// The longest mapping, which bounds how far back one may begin that covers a position.
    private var longest = 0

    /// Remembers a mapping, sorted by position; one that is known is not stored again.
    mutating func add(_ mapping: StreamMapping) {
        var index = all.count
        while index > 0, all[index - 1].position >= mapping.position {
            if all[index - 1] == mapping { return }
            index -= 1
        }
        longest = max(longest, mapping.length)
        all.insert(mapping, at: index)
    }

    /// Calls `body` with each mapped piece of `positions` and its offsets, in order; returns how many
    /// positions have no mapping. `own` is the mapping of the segment itself, which goes first.
    func resolve(
        _ positions: Range<Int>, own: StreamMapping?, _ body: (Range<Int>, Range<Int>) -> Void
    ) -> Int {
        var position = positions.lowerBound
        var unmapped = 0
        while position < positions.upperBound {
            var end = positions.upperBound
            if let mapping = mapping(covering: position, own: own) {
                end = min(mapping.positions.upperBound, end)
                let offset = mapping.offset + position - mapping.position
                body(position..<end, offset..<(offset + end - position))
            } else if let linear, position >= linear.from {
                let offset = position + linear.shift
                body(position..<end, offset..<(offset + end - position))
            } else {
                end = min(end, nextStart(after: position, own: own) ?? end)
                unmapped += end - position
            }
            position = end
        }
        return unmapped
    }

    private func mapping(covering position: Int, own: StreamMapping?) -> StreamMapping? {
        if let own, own.positions.contains(position) { return own }
        var index = firstIndex(after: position)
        while index > 0 {
            index -= 1
            if all[index].positions.contains(position) { return all[index] }
            if all[index].position + longest <= position { return nil }
        }
        return nil
    }

    private func nextStart(after position: Int, own: StreamMapping?) -> Int? {
        let index = firstIndex(after: position)
        let starts = [
            index < all.count ? all[index].position : nil, own?.position,
            linear?.from,
        ]
        return starts.compactMap(\.self).filter { $0 > position }.min()
    }

    /// The first mapping that begins behind `position`.
    private func firstIndex(after position: Int) -> Int {
        if let last = all.last, last.position <= position { return all.count }
        return all.partitionPoint { $0.position > position }
    }
}
