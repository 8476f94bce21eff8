package import Scenario

/// The results of `mptcpctl bench`, for people and as JSON.
package enum BenchmarkRenderer {
    /// A table: medians, the spread of each, and the ratio of ours to the kernel's.
    package static func text(_ result: BenchmarkResult) -> String {
        var text =
            "Benchmark: swift and kernel at both ends in turn, "
            + "\(Figures.of(result.rounds, "round", "rounds")) of each; median (least .. most)\n"
            + "  kernel \(result.kernelRelease), \(result.processorCount) processors\n"
        var kind: BenchmarkKind?
        for line in result.lines {
            if line.kind != kind { text += "\n\(line.kind.rawValue)\n" }
            kind = line.kind
            text += self.text(line)
        }
        return text
    }

    private static func text(_ line: BenchmarkLine) -> String {
        var table = TextTable()
        let statistics = line.statistics
        let rows = [
            ("swift", statistics.swift), ("kernel", statistics.kernel),
            ("ratio", statistics.ratio),
        ]
        for (name, value) in rows {
            guard let value else { continue }
            let places = name == "ratio" ? 2 : line.places(for: value.median)
            let range =
                "(\(Figures.fixed(value.minimum, places)) .. "
                + "\(Figures.fixed(value.maximum, places)))"
            table.add(["  \(name)", Figures.fixed(value.median, places), range])
        }
        return "  \(line.name), \(line.unit), \(line.preference.rawValue) is better\n" + table.text
    }

    /// The same as JSON, with every round.
    package static func json(_ result: BenchmarkResult) -> String {
        JSONValue.members([
            "schema": "mptcpctl-bench-1",
            "rounds": .integer(Int64(result.rounds)),
            "kernel": .string(result.kernelRelease),
            "processors": .integer(Int64(result.processorCount)),
            "lines": .array(result.lines.map(value)),
        ]).compact
    }

    private static func value(_ line: BenchmarkLine) -> JSONValue {
        let statistics = line.statistics
        return .members([
            "benchmark": .string(line.kind.rawValue),
            "name": .string(line.name),
            "unit": .string(line.unit),
            "better": .string(line.preference.rawValue),
            "swift": value(statistics.swift, line.swift),
            "kernel": value(statistics.kernel, line.kernel),
            "ratio": value(statistics.ratio, line.ratios),
        ])
    }

    private static func value(_ statistics: Statistics?, _ rounds: [Double]) -> JSONValue {
        guard let statistics else { return .null }
        return .members([
            "median": JSONValue(rounding: statistics.median),
            "min": JSONValue(rounding: statistics.minimum),
            "max": JSONValue(rounding: statistics.maximum),
            "rounds": .array(rounds.map { JSONValue(rounding: $0) }),
        ])
    }
}

extension BenchmarkLine {
    /// Places after the point: three figures say enough.
    fileprivate func places(for value: Double) -> Int { value < 10 ? 2 : value < 100 ? 1 : 0 }
}
