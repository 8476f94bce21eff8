package import Topology

/// One of the things that a scenario file compares.
package struct ScenarioLeg: Hashable, Sendable {
    package var name: String
    /// What it sets besides the options of the file.
    package var settings: [ScenarioSetting]
    /// Where it can run.
    package var backends: [Backend]
    /// What happens to links instead of the events of the file; `nil` is the same.
    package var linkChanges: [LinkChange]?

    package init(
        name: String, settings: [ScenarioSetting], backends: [Backend],
        linkChanges: [LinkChange]? = nil
    ) {
        self.name = name
        self.settings = settings
        self.backends = backends
        self.linkChanges = linkChanges
    }

    /// Sets what is its own: in the scenario, or as the links that it returns.
    package func apply(
        to scenario: inout HandoverScenario
    ) throws(ComparisonProblem) -> [LinkOverride] {
        var links: [LinkOverride] = []
        for setting in settings {
            if let link = try setting.apply(to: &scenario) { links.append(link) }
        }
        if let linkChanges { scenario.linkChanges = linkChanges }
        return links
    }
}

extension ScenarioSetting {
    /// Whether it and another setting of this key set the same thing, or a part of it.
    func isAboutTheSame(as key: String) -> Bool {
        if key == self.key { return true }
        guard let own = try? LinkOverride(key: self.key, value: ""),
            let other = try? LinkOverride(key: key, value: "")
        else { return false }
        return own.isAboutTheSame(as: other)
    }
}

/// What a scenario file says that some of its cells come to.
package struct ScenarioExpectation: Hashable, Sendable {
    /// Axis and value of each cell that it is about; all of them, if there are none.
    package var conditions: [ScenarioSetting]
    package var assertion: Assertion

    package init(_ conditions: [ScenarioSetting] = [], _ assertion: Assertion) {
        self.conditions = conditions
        self.assertion = assertion
    }

    /// Whether it is about a cell.
    package func isAbout(_ cell: ComparisonCell) -> Bool {
        conditions.allSatisfy { condition in
            cell.values.contains { $0.key == condition.key && $0.value == condition.value }
        }
    }
}
