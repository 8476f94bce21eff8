package import Topology

/// One thing that a matrix varies, with its values: `mode=break-before-make,make-before-break`, or a
/// property of a link, `lte.delay=10ms,30ms`.
package struct ComparisonAxis: Hashable, Sendable {
    /// As it was written: an option of `handover` without its hyphens, or `PATH.FIELD`.
    package let key: String
    /// As they were written, in this order.
    package let values: [String]

    /// An axis whose key and values are checked, as far as they can be without a testbed.
    package init(_ key: String, _ values: [String]) throws(ComparisonProblem) {
        self.key = key
        self.values = values
        guard !values.isEmpty, values.allSatisfy({ !$0.isEmpty }) else {
            throw ComparisonProblem("'\(key)' lacks a value: write KEY=VALUE,VALUE")
        }
        guard Set(values).count == values.count else {
            throw ComparisonProblem("'\(key)' has a value twice")
        }
        var scratch = HandoverScenario()
        for value in values { _ = try apply(value, to: &scratch) }
    }

    /// Reads `KEY=VALUE,VALUE`.
    package init(parsing text: String) throws(ComparisonProblem) {
        guard let equals = text.firstIndex(of: "=") else {
            throw ComparisonProblem("'\(text)': write KEY=VALUE,VALUE")
        }
        let values = text[text.index(after: equals)...]
            .split(separator: ",", omittingEmptySubsequences: false).map(Self.trimmed)
        try self.init(Self.trimmed(text[..<equals]), values)
    }

    private static func trimmed(_ text: Substring) -> String {
        let rest = text.drop(while: \.isWhitespace)
        return String(rest.prefix(rest.count - rest.reversed().prefix(while: \.isWhitespace).count))
    }

    /// Sets one of the values: in the scenario, or as what it returns.
    package func apply(
        _ value: String, to scenario: inout HandoverScenario
    ) throws(ComparisonProblem) -> LinkOverride? {
        if let option = ScenarioOption(rawValue: key) {
            try option.set(value, in: &scenario)
            return nil
        }
        guard key.contains(".") else { throw Self.unknown(key) }
        do {
            return try LinkOverride(key: key, value: value)
        } catch {
            throw ComparisonProblem(
                "\(error.file): \(error.message)", suggestion: error.suggestion)
        }
    }

    private static func unknown(_ key: String) -> ComparisonProblem {
        let names = ScenarioOption.allCases.map(\.rawValue)
        return ComparisonProblem(
            "nothing called '\(key)' can be varied: there are \(names.joined(separator: ", ")), and "
                + "PATH.FIELD for a property of a link (lte.delay)",
            suggestion: Assertion.nearest(to: key, in: names))
    }

    /// Whether it moves the round trip time of this path.
    package func isRoundTrip(of path: String) -> Bool {
        guard let link = try? LinkOverride(key: key, value: "") else { return false }
        return link.path == path && link.isDelay
    }
}
