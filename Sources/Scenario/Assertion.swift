internal import Topology

/// `NAME.STATISTIC OP NUMBER`, or `completed`, `failed`, `runs` instead of name and statistic.
package struct Assertion: Hashable, Sendable {
    package enum Statistic: String, Hashable, Sendable, CaseIterable {
        case median
        case p95
        case min
        case max
    }

    package enum Count: String, Hashable, Sendable, CaseIterable {
        case completed
        case failed
        case runs
    }

    package enum Subject: Hashable, Sendable {
        case metric(Metric, Statistic)
        case count(Count)
    }

    package enum Comparison: String, Hashable, Sendable, CaseIterable {
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case greater = ">"

        package func holds(_ left: Double, _ right: Double) -> Bool {
            switch self {
            case .lessOrEqual: left <= right
            case .greaterOrEqual: left >= right
            case .equal: left == right
            case .notEqual: left != right
            case .less: left < right
            case .greater: left > right
            }
        }
    }

    /// As it was written.
    package let text: String
    package let subject: Subject
    package let comparison: Comparison
    package let number: Double
}

/// What is wrong with an assertion.
package struct AssertionError: Error, Hashable, Sendable, CustomStringConvertible {
    package var text: String
    package var reason: String
    package var suggestion: String?

    package var description: String {
        "'\(text)': \(reason)" + (suggestion.map { "; did you mean '\($0)'?" } ?? "")
    }
}

extension Assertion {
    /// Reads `outage_ms.p95<150`; white space does not matter.
    package init(parsing text: String) throws(AssertionError) {
        func error(_ reason: String, _ suggestion: String? = nil) -> AssertionError {
            AssertionError(text: text, reason: reason, suggestion: suggestion)
        }
        let packed = String(text.filter { !$0.isWhitespace })
        let operators: Set<Character> = ["<", ">", "=", "!"]
        guard let start = packed.firstIndex(where: { operators.contains($0) }) else {
            throw error("a comparison is missing (one of < <= > >= == !=)")
        }
        let end = packed[start...].firstIndex { !operators.contains($0) } ?? packed.endIndex
        let symbol = String(packed[start..<end])
        guard let comparison = Comparison(rawValue: symbol) else {
            throw error(
                "'\(symbol)' is no comparison (< <= > >= == !=)", symbol == "=" ? "==" : nil)
        }
        let right = String(packed[end...])
        guard !right.isEmpty else { throw error("a number is missing after '\(symbol)'") }
        guard let number = Double(right), number.isFinite else {
            throw error("'\(right)' is no number")
        }
        self.text = text
        self.comparison = comparison
        self.number = number
        subject = try Self.parseSubject(String(packed[..<start]), error)
    }

    private static func parseSubject(
        _ name: String, _ error: (String, String?) -> AssertionError
    ) throws(AssertionError) -> Subject {
        if name.isEmpty { throw error("a name is missing before the comparison", nil) }
        if let count = Count(rawValue: name) { return .count(count) }
        if Metric(rawValue: name) != nil {
            throw error(
                "'\(name)' needs a statistic (\(list(Statistic.self)))", name + ".median")
        }
        guard let dot = name.lastIndex(of: ".") else {
            let names =
                Metric.allCases.map { $0.rawValue + ".median" } + Count.allCases.map(\.rawValue)
            throw error("there is no result '\(name)'", Spelling.closest(to: name, among: names))
        }
        let metricName = String(name[..<dot])
        let statisticName = String(name[name.index(after: dot)...])
        guard let metric = Metric(rawValue: metricName) else {
            let names = Metric.allCases.map(\.rawValue)
            let suggestion = Spelling.closest(to: metricName, among: names).map {
                "\($0).\(statisticName)"
            }
            throw error("there is no result '\(metricName)'", suggestion)
        }
        guard let statistic = Statistic(rawValue: statisticName) else {
            let found = Spelling.closest(
                to: statisticName, among: Statistic.allCases.map(\.rawValue))
            throw error(
                "there is no statistic '\(statisticName)' (\(list(Statistic.self)))",
                found.map { "\(metricName).\($0)" })
        }
        return .metric(metric, statistic)
    }

    private static func list<T: CaseIterable & RawRepresentable>(_ type: T.Type) -> String
    where T.RawValue == String {
        T.allCases.map(\.rawValue).joined(separator: ", ")
    }
}

/// Whether an assertion holds.
package struct AssertionResult: Hashable, Sendable {
    package var assertion: Assertion
    /// The value found, `nil` if no run knows it.
    package var value: Double?

    /// What is not known does not hold.
    package var holds: Bool {
        value.map { assertion.comparison.holds($0, assertion.number) } ?? false
    }
}

extension Assertion {
    /// Looks at what the runs yielded.
    package func evaluate(_ summary: Summary) -> AssertionResult {
        let value: Double?
        switch subject {
        case .count(.completed): value = Double(summary.completed)
        case .count(.failed): value = Double(summary.failed)
        case .count(.runs): value = Double(summary.completed + summary.failed)
        case .metric(let metric, let statistic):
            let statistics = summary[metric]
            switch statistic {
            case .median: value = statistics?.median
            case .p95: value = statistics?.p95
            case .min: value = statistics?.minimum
            case .max: value = statistics?.maximum
            }
        }
        return AssertionResult(assertion: self, value: value)
    }
}
