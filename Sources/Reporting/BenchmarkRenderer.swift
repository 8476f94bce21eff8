package import Scenario

/// The results of `mptcpctl bench`, for people and as JSON.
package enum BenchmarkRenderer {
    /// A table: medians, the spread of each, and the ratio of ours to the kernel's.
    package static func text(_ result: BenchmarkResult) -> String {
        var text =
            "Benchmark: swift and kernel at both ends in turn, "
            + "\(Figures.of(result.rounds, "round", "rounds")) of each; median (least .. most)\n"
            + "  kernel  \(result.environment.kernel)\n"
        var kind: BenchmarkKind?
        for line in result.lines {
            if line.kind != kind { text += "\n\(line.kind.rawValue)\n" }
            kind = line.kind
            text += self.text(line)
        }
        if let failure = result.failure { text += "\nFAILED: \(failure)\n" }
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
        let uncounted = line.uncountedRounds
        let note =
            uncounted == 0
            ? ""
            : "    \(uncounted) of \(line.kernel.count) rounds without a ratio: the kernel's number is "
                + "not positive\n"
        return "  \(line.name), \(line.unit), \(line.preference.rawValue) is better\n" + table.text
            + note
    }

    /// The same as JSON, with every round.
    package static func json(_ result: BenchmarkResult) -> String {
        JSONValue.members([
            "schema": "mptcpctl.bench/1",
            "environment": JSONRenderer.environment(result.environment),
            "rounds": .integer(Int64(result.rounds)),
            "failure": result.failure.map { .string($0) } ?? .null,
            "results": .array(result.lines.map(value)),
        ]).pretty
    }

    private static func value(_ line: BenchmarkLine) -> JSONValue {
        .members([
            "name": .string(line.kind.rawValue),
            "variant": .string(line.variant),
            "description": .string(line.name),
            "unit": .string(line.unit),
            "better": .string(line.preference.rawValue),
            "swift": .array(line.swift.map { JSONValue(rounding: $0) }),
            "kernel": .array(line.kernel.map { JSONValue(rounding: $0) }),
            "ratio": line.statistics.ratio.map { ratio -> JSONValue in
                .members([
                    "median": JSONValue(rounding: ratio.median),
                    "min": JSONValue(rounding: ratio.minimum),
                    "max": JSONValue(rounding: ratio.maximum),
                    "rounds": .integer(Int64(line.ratios.count)),
                ])
            } ?? .null,
        ])
    }
}

extension BenchmarkLine {
    /// Places after the point: three figures say enough.
    fileprivate func places(for value: Double) -> Int { value < 10 ? 2 : value < 100 ? 1 : 0 }
}
