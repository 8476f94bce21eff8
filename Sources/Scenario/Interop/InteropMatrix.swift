internal import NetworkPrimitives

/// The cells of the interoperability matrix: all of them, or a selection in which any two values of
/// two axes that can meet do meet.
package struct InteropMatrix: Sendable {
    package let cells: [InteropCell]

    /// Every conversation that there can be.
    package static func all(
        applications: [InteropCell.Application] = InteropCell.Application.allCases
    ) -> InteropMatrix {
        var cells: [InteropCell] = []
        for role in InteropCell.Role.allCases {
            for family in InteropCell.Family.allCases {
                for checksum in InteropCell.Checksum.allCases {
                    for subflows in InteropCell.Subflows.allCases {
                        for end in InteropCell.End.allCases {
                            for signal in InteropCell.Signal.allCases {
                                for loss in InteropCell.Loss.allCases {
                                    cells += applications.map {
                                        InteropCell(
                                            role: role, family: family, checksum: checksum,
                                            subflows: subflows, end: end, signal: signal,
                                            loss: loss, application: $0)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        return InteropMatrix(cells: cells.filter { $0.contradiction == nil })
    }

    /// The cells for which something holds.
    package func filter(_ isWanted: (InteropCell) -> Bool) -> InteropMatrix {
        InteropMatrix(cells: cells.filter(isWanted))
    }

    /// Covers every pair of values, each time with the best of a sample of cells, and fills up to
    /// `count` with cells drawn at random. The same for the same seed. Cells that a stack lacks
    /// something for cover nothing.
    package func selection(count: Int, seed: UInt64) -> InteropMatrix {
        var generator = SeededGenerator(seed: seed)
        var rest = cells.filter { $0.lack == nil }
        var uncovered = Set(rest.flatMap(Self.pairs))
        var chosen: [InteropCell] = []
        while !uncovered.isEmpty {
            var best: (index: Int, gain: Int) = (0, -1)
            for _ in 0..<Self.sample {
                let index = Int(generator.next() % UInt64(rest.count))
                let gain = Self.pairs(of: rest[index]).count { uncovered.contains($0) }
                if gain > best.gain { best = (index, gain) }
            }
            if best.gain == 0, let pair = uncovered.min() {
                // Few are left: no sample may hold one.
                best.index = rest.firstIndex { Self.pairs(of: $0).contains(pair) } ?? 0
            }
            let cell = rest.remove(at: best.index)
            chosen.append(cell)
            uncovered.subtract(Self.pairs(of: cell))
        }
        while chosen.count < count, !rest.isEmpty {
            chosen.append(rest.remove(at: Int(generator.next() % UInt64(rest.count))))
        }
        return InteropMatrix(cells: chosen)
    }

    /// Cells that are looked at for each choice.
    private static let sample = 120

    /// The pairs of values that a cell covers, as numbers.
    package static func pairs(of cell: InteropCell) -> [Int] {
        let values = ordinals(of: cell)
        var pairs: [Int] = []
        for first in values.indices {
            for second in values.indices where second > first {
                pairs.append(
                    ((first * 10 + values[first]) * 10 + second) * 10 + values[second])
            }
        }
        return pairs
    }

    private static func ordinals(of cell: InteropCell) -> [Int] {
        func ordinal<Axis: CaseIterable & Equatable>(_ value: Axis) -> Int {
            Axis.allCases.enumerated().first { $0.element == value }?.offset ?? 0
        }
        return [
            ordinal(cell.role), ordinal(cell.family), ordinal(cell.checksum),
            ordinal(cell.subflows), ordinal(cell.end), ordinal(cell.signal), ordinal(cell.loss),
            ordinal(cell.application),
        ]
    }
}
