internal import NetworkPrimitives
internal import WireFormat

/// The mappings that a subflow's receiver has learned (RFC 8684, 3.3.1; mptcp-behaviour, 5.3).
///
/// Offsets are those of the subflow's stream and of the connection's: 0 is the first octet of data.
struct MappingTable: Sendable {
    struct Entry: Hashable, Sendable {
        var subflow: Range<Int>
        var data: Int
        var checksum: UInt16?
        /// The length as it stood in the option, the DATA_FIN included; the checksum covers it.
        var wireLength: UInt16
        var subflowSequenceNumber: UInt32
    }

    enum Problem: Error {
        /// Contradicts a mapping of the same octets.
        case conflict
        /// More mappings than a window can need.
        case tooMany
    }

    static let capacity = 16_384
    private var entries: [Entry] = []

    /// Adds a mapping unless it is known or past.
    mutating func learn(_ entry: Entry, consumed: Int) throws(Problem) {
        guard entry.subflow.upperBound > consumed, !entry.subflow.isEmpty else { return }
        if let last = entries.last, last.subflow.upperBound <= entry.subflow.lowerBound {
            if last.checksum == nil, entry.checksum == nil,
                last.subflow.upperBound == entry.subflow.lowerBound,
                last.data + last.subflow.count == entry.data
            {
                // Behind a hole each segment brings one.
                entries[entries.count - 1].subflow =
                    last.subflow.lowerBound..<entry.subflow.upperBound
                return
            }
            guard entries.count < Self.capacity else { throw .tooMany }
            entries.append(entry)
            return
        }
        let index =
            entries.firstIndex { $0.subflow.upperBound > entry.subflow.lowerBound }
            ?? entries.count
        if index < entries.count, entries[index].subflow.overlaps(entry.subflow) {
            let known = entries[index]
            // The same line in both spaces: a piece of what is known, or more of it.
            guard known.data - known.subflow.lowerBound == entry.data - entry.subflow.lowerBound
            else { throw .conflict }
            if known == entry || known.checksum != nil || entry.checksum != nil { return }
            try extend(index, over: entry.subflow)
            return
        }
        guard entries.count < Self.capacity else { throw .tooMany }
        entries.insert(entry, at: index)
    }

    /// Makes an entry longer, and takes in what follows on the same line.
    private mutating func extend(_ index: Int, over range: Range<Int>) throws(Problem) {
        let known = entries[index]
        let line = known.data - known.subflow.lowerBound
        var last = index + 1
        while last < entries.count, entries[last].subflow.lowerBound < range.upperBound {
            guard entries[last].data - entries[last].subflow.lowerBound == line,
                entries[last].checksum == nil
            else { throw .conflict }
            last += 1
        }
        let low = min(known.subflow.lowerBound, range.lowerBound)
        let high = max(entries[last - 1].subflow.upperBound, range.upperBound)
        entries[index].subflow = low..<high
        entries[index].data = line + low
        entries.removeSubrange((index + 1)..<last)
    }

    /// The mapping that covers a subflow offset.
    func entry(covering offset: Int) -> Entry? {
        for entry in entries {
            if entry.subflow.contains(offset) { return entry }
            if entry.subflow.lowerBound > offset { return nil }
        }
        return nil
    }

    /// Whether a mapping starts within a range.
    func hasEntry(in range: Range<Int>) -> Bool {
        entries.contains { range.contains($0.subflow.lowerBound) }
    }

    /// Gives memory back that nothing needs now.
    mutating func releaseIfEmpty() {
        if entries.isEmpty { entries = [] }
    }

    /// Forgets mappings that end at or before `offset`.
    mutating func discard(upTo offset: Int) {
        var count = 0
        while count < entries.count, entries[count].subflow.upperBound <= offset { count += 1 }
        if count > 0 { entries.removeFirst(count) }
    }
}
