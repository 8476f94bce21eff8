/// Finds what somebody probably meant.
package enum Spelling {
    /// The name that needs the fewest changes, if these are few for its length, or one that begins with
    /// the word; large letters are as small ones.
    package static func closest(to word: String, among names: [String]) -> String? {
        // Long nonsense has no neighbour, and the distance costs its square.
        guard word.count <= 40 else { return nil }
        let word = word.lowercased()
        let ranked = names.map { (name: $0, distance: distance(word, $0.lowercased())) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        let length = min(word.count, best.name.count)
        if best.distance <= max(1, length / 3) { return best.name }
        // `outage` for `outage_ms`.
        return word.count >= 3 ? names.first { $0.lowercased().hasPrefix(word) } : nil
    }

    /// Letters that are put in, left out or replaced, and neighbours that are exchanged.
    static func distance(_ first: String, _ second: String) -> Int {
        let first = Array(first)
        let second = Array(second)
        var rows = [Array(0...second.count)]
        for i in first.indices {
            var row = [i + 1]
            for j in second.indices {
                var least = min(
                    rows[i][j] + (first[i] == second[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[first.count][second.count]
    }
}
