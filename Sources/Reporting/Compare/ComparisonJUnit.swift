package import Scenario
internal import Topology

/// `junit.xml`: a test case for each cell, for what continuous integration shows.
package enum ComparisonJUnit {
    /// The whole file.
    package static func text(_ result: ComparisonResult) -> String {
        let faults = result.cells.indices.map { result.faults(of: $0) }
        let counts =
            "tests=\"\(result.cells.count)\" failures=\"\(faults.count { !$0.isEmpty })\" "
            + "errors=\"0\""
        var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        text += "<testsuites name=\"mptcpctl compare\" \(counts)>\n"
        text += "<testsuite name=\"\(Markup.escaped(ComparisonText.title(result)))\" \(counts)>\n"
        text += "<properties>\n"
        for fact in ComparisonText.facts(result) {
            text += "<property name=\"\(Markup.escaped(fact.name))\""
            text += " value=\"\(Markup.escaped(fact.value))\"/>\n"
        }
        text += "</properties>\n"
        for (cell, faults) in zip(result.cells, faults) { text += testCase(cell, faults, result) }
        return text + "</testsuite>\n</testsuites>\n"
    }

    private static func testCase(
        _ cell: ComparedCell, _ faults: [String], _ result: ComparisonResult
    ) -> String {
        let suite = "mptcpctl.compare.\(cell.cell.topology.name)"
        var text = "<testcase classname=\"\(Markup.escaped(suite))\""
        text += " name=\"\(Markup.escaped(cell.cell.label))\">\n"
        if let first = faults.first {
            text += "<failure message=\"\(Markup.escaped(first))\">"
            text += Markup.escaped(faults.joined(separator: "\n")) + "</failure>\n"
        }
        let numbers = result.metrics.compactMap { metric in
            cell[metric].map {
                "\(metric.rawValue) median \(Figures.fixed($0.statistics.median, 2))"
            }
        }
        text += "<system-out>\(Markup.escaped(numbers.joined(separator: "\n")))</system-out>\n"
        return text + "</testcase>\n"
    }
}
