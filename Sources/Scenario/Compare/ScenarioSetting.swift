package import Topology

/// An option of `handover` without its hyphens, or `PATH.FIELD` for a property of a link, with its
/// value.
package struct ScenarioSetting: Hashable, Sendable {
    package var key: String
    package var value: String

    package init(_ key: String, _ value: String) {
        self.key = key
        self.value = value
    }

    /// Sets it in the scenario; a property of a link is returned.
    package func apply(
        to scenario: inout HandoverScenario
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
            suggestion: Spelling.closest(to: key, among: names))
    }
}
