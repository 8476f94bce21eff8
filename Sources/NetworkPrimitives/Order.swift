extension RandomAccessCollection where Index == Int {
    /// The first index whose element meets `predicate`, `endIndex` if none does; every element behind
    /// one that does must, too.
    @inlinable
    public func partitionPoint(where predicate: (Element) -> Bool) -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension Sequence {
    /// Ascending by `key`; elements with the same key stay in their order.
    package func stablySorted<Key: Comparable>(by key: (Element) -> Key) -> [Element] {
        enumerated().sorted { (key($0.element), $0.offset) < (key($1.element), $1.offset) }
            .map(\.element)
    }
}
