package import Scenario

/// `report.txt` of a scenario file, which is also what the command prints: the question, what each leg
/// came to, and what was published and expected.
package enum ScenarioText {
    /// The report.
    static func report(_ result: ComparisonResult, _ story: ScenarioStory) -> String {
        let parts = [
            ComparisonText.title(result) + "\n" + paragraph(story.question), table(result),
            judgement(result, story), ComparisonText.failures(result),
            ComparisonText.disturbances(result),
            ComparisonText.list(ComparisonText.facts(result)), ComparisonText.files(result),
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// A line for each scenario: name, backends, title.
    package static func list(_ scenarios: [ScenarioFile]) -> String {
        var table = TextTable(leftColumns: 3)
        for scenario in scenarios {
            table.add([scenario.story.name, backends(scenario), scenario.story.title])
        }
        return table.text
    }

    /// The same as JSON.
    package static func json(_ scenarios: [ScenarioFile]) -> String {
        JSONValue.array(
            scenarios.map { scenario in
                var value = ComparisonJSON.story(scenario.story)
                if case .object(let members) = value {
                    value = .object(
                        members.filter { $0.name != "left_out" } + [
                            .init(
                                "backends",
                                .array(scenario.backends.map { .string($0.rawValue) })),
                            .init("legs", .array(scenario.legs.map { .string($0.name) })),
                        ])
                }
                return value
            }
        ).pretty
    }

    private static func backends(_ scenario: ScenarioFile) -> String {
        scenario.backends.map(\.rawValue).joined(separator: ", ")
    }

    private static func paragraph(_ text: String) -> String {
        ComparisonText.wrapped(text, width: 96).map { "\($0)\n" }.joined()
    }

    // MARK: Parts

    /// A row for each leg, with median and p95 of each metric.
    private static func table(_ result: ComparisonResult) -> String {
        let axes = result.plan.axes.map(\.key)
        var text = TextTable(leftColumns: axes.count)
        text.add(axes + ["n"] + result.metrics.flatMap { [$0.rawValue, "p95"] })
        for cell in result.cells {
            let figures = result.metrics.flatMap { metric in
                let found = cell[metric]?.statistics
                return [found?.median, found?.p95].map { number in
                    number.map { Figures.fixed($0, metric.places) } ?? "-"
                }
            }
            text.add(
                cell.cell.values.map(\.value) + [String(cell.summary.completed)] + figures)
        }
        return text.text
    }

    private static func judgement(_ result: ComparisonResult, _ story: ScenarioStory) -> String {
        var facts: [(name: String, value: String)] = []
        if let published = story.published { facts.append(("published", published)) }
        if let source = story.source { facts.append(("source", source)) }
        if !story.leftOut.isEmpty {
            facts.append(
                ("left out", story.leftOut.joined(separator: ", ") + " (not with this backend)"))
        }
        let checks = result.cells.flatMap { cell in cell.assertions.map { (cell, $0) } }
        let unmet = checks.count { !$0.1.holds }
        if !checks.isEmpty {
            facts.append(
                ("expected", "\(checks.count - unmet) of \(checks.count) are met"))
        }
        var text = ComparisonText.list(facts)
        for (cell, check) in checks {
            let found = check.value.map(Figures.plain) ?? "not known"
            let label = cell.cell.values.map(\.value).joined(separator: ", ")
            text += "    \(check.holds ? "met    " : "NOT MET")  \(check.assertion.text)"
            text += (label.isEmpty ? "" : " (\(label))") + ": \(found)\n"
        }
        return text
    }
}
