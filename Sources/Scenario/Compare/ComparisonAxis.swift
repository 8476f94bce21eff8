package import Topology

/// One thing that a matrix varies, with its values: `mode=break-before-make,make-before-break`, or a
/// property of a link, `lte.delay=10ms,30ms`.
package struct ComparisonAxis: Hashable, Sendable {
    /// As it was written: an option of `handover` without its hyphens, or `PATH.FIELD`.
    package let key: String
    /// As they were written, in this order.
    package let values: [String]
    /// What the values set, if they are names of legs.
    private let legs: [ScenarioLeg]

    /// The key of an axis whose values are legs of a scenario file.
    package static let legKey = "leg"

    /// An axis of legs, each of which sets something of its own.
    package init(legs: [ScenarioLeg]) {
        key = Self.legKey
        values = legs.map(\.name)
        self.legs = legs
    }

    /// An axis whose key and values are checked, as far as they can be without a testbed.
    package init(_ key: String, _ values: [String]) throws(ComparisonProblem) {
        self.key = key
        self.values = values
        legs = []
        guard !values.isEmpty, values.allSatisfy({ !$0.isEmpty }) else {
            throw ComparisonProblem("'\(key)' lacks a value: write KEY=VALUE,VALUE")
        }
        guard Set(values).count == values.count else {
            throw ComparisonProblem("'\(key)' has a value twice")
        }
        var scratch = HandoverScenario()
        for value in values { _ = try ScenarioSetting(key, value).apply(to: &scratch) }
    }

    /// Reads `KEY=VALUE,VALUE`.
    package init(parsing text: String) throws(ComparisonProblem) {
        guard let equals = text.firstIndex(of: "=") else {
            throw ComparisonProblem("'\(text)': write KEY=VALUE,VALUE")
        }
        let values = text[text.index(after: equals)...]
            .split(separator: ",", omittingEmptySubsequences: false).map(OptionText.trimmed)
        try self.init(OptionText.trimmed(text[..<equals]), values)
    }

    /// Sets one of the values: in the scenario, or as the links that it returns.
    package func apply(
        _ value: String, to scenario: inout HandoverScenario
    ) throws(ComparisonProblem) -> [LinkOverride] {
        guard key == Self.legKey else {
            return try ScenarioSetting(key, value).apply(to: &scenario).map { [$0] } ?? []
        }
        return try legs.first { $0.name == value }?.apply(to: &scenario) ?? []
    }

    /// Whether it moves the round trip time of this path.
    package func isRoundTrip(of path: String) -> Bool {
        guard let link = try? LinkOverride(key: key, value: "") else { return false }
        return link.path == path && link.isDelay
    }
}
