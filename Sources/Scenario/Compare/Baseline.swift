/// An earlier result, as far as a later one is compared with it.
package struct Baseline: Sendable {
    /// A cell of the earlier result.
    package struct Cell: Sendable {
        /// What was varied; the order of the axes does not matter.
        package var values: [String: String]
        package var label: String
        package var medians: [Metric: Double]
    }

    package let cells: [Cell]
    /// What all its cells share.
    package let configuration: [JSONValue.Member]

    /// The schema of the files that it reads.
    package static let schema = "mptcpctl.compare/1"

    /// Reads the `results.json` of a comparison.
    package init(parsing text: String) throws(ComparisonProblem) {
        let document: JSONValue
        do {
            document = try JSONValue(parsing: text)
        } catch {
            throw ComparisonProblem("\(error)")
        }
        guard document["schema"]?.asString == Self.schema else {
            throw ComparisonProblem(
                "this is no result of compare (schema \(Self.schema)): take its results.json")
        }
        guard case .array(let cells)? = document["cells"] else {
            throw ComparisonProblem("it has no cells")
        }
        self.cells = cells.map(Self.cell)
        if case .object(let members)? = document["configuration"] {
            configuration = members
        } else {
            configuration = []
        }
    }

    private static func cell(_ value: JSONValue) -> Cell {
        var cell = Cell(values: [:], label: value["label"]?.asString ?? "", medians: [:])
        if case .object(let members)? = value["values"] {
            for member in members { cell.values[member.name] = member.value.asString }
        }
        // The summary knows more than what was compared then.
        for metric in Metric.allCases {
            let median = value["summary"]?.metric(metric)?["median"]?.asDouble
            if let median, median.isFinite { cell.medians[metric] = median }
        }
        return cell
    }

    /// Whether any cell knows this number.
    package func knows(_ metric: Metric) -> Bool { cells.contains { $0.medians[metric] != nil } }

    /// The cell in which the same was varied to the same.
    package func cell(matching cell: ComparisonCell) -> Cell? {
        let values = Dictionary(cell.values.map { ($0.key, $0.value) }) { first, _ in first }
        return cells.first { $0.values == values }
    }
}

/// A result beside an earlier one.
package struct BaselineComparison: Sendable {
    /// A metric of a cell that both know, or that one of them knows.
    package struct Judgement: Sendable {
        /// Index of the cell.
        package var cell: Int
        package var metric: Metric
        package var before: Double?
        package var now: Double?
        package var verdict: Verdict

        package var isRegression: Bool { verdict == .regressed || verdict == .lost }

        /// In words.
        package var text: String {
            func figure(_ value: Double?) -> String {
                value.map { "\(JSONValue(rounding: $0).compact) \(metric.unit)" } ?? "not known"
            }
            return
                "\(metric.rawValue) \(verdict.rawValue): \(figure(now)), baseline \(figure(before))"
        }
    }

    /// What became of a number.
    package enum Verdict: String, Hashable, Sendable, CaseIterable {
        /// Within the threshold.
        case same
        case improved
        case regressed
        /// It was known, and is not any more.
        case lost
        /// It was not known.
        case new
    }

    package let threshold: RegressionThreshold
    /// What all cells of the baseline share.
    package let configuration: [JSONValue.Member]
    /// Cell after cell, metric after metric.
    package let judgements: [Judgement]
    /// Labels of cells that the baseline has not.
    package let unmatched: [String]
    /// Labels of the baseline's cells that are not there any more.
    package let missing: [String]

    init(
        _ cells: [ComparedCell], _ metrics: [Metric], earlier: Baseline,
        threshold: RegressionThreshold
    ) {
        self.threshold = threshold
        configuration = earlier.configuration
        var judgements: [Judgement] = []
        var unmatched: [String] = []
        var matched: Set<[String: String]> = []
        for (index, cell) in cells.enumerated() {
            guard let before = earlier.cell(matching: cell.cell) else {
                unmatched.append(cell.cell.label)
                continue
            }
            matched.insert(before.values)
            judgements += metrics.compactMap {
                Self.judge(
                    index, $0, from: before.medians[$0], to: cell[$0]?.statistics.median, threshold)
            }
        }
        self.judgements = judgements
        self.unmatched = unmatched
        missing = earlier.cells.filter { !matched.contains($0.values) }.map(\.label)
    }

    private static func judge(
        _ cell: Int, _ metric: Metric, from before: Double?, to now: Double?,
        _ threshold: RegressionThreshold
    ) -> Judgement? {
        let verdict: Verdict
        switch (before, now) {
        case (nil, nil): return nil
        case (nil, _): verdict = .new
        case (_, nil): verdict = .lost
        case (let before?, let now?):
            verdict =
                threshold.isExceeded(metric, from: before, to: now)
                ? .regressed
                : threshold.isExceeded(metric, from: now, to: before) ? .improved : .same
        }
        return Judgement(cell: cell, metric: metric, before: before, now: now, verdict: verdict)
    }
}
