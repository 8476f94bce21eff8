internal import Experiment
internal import Reporting
internal import Scenario

/// What is made of the result of a comparison.
enum ComparisonDocuments {
    /// The files beside the runs.
    @Sendable static func all(_ result: ComparisonResult) -> [ComparisonRunner.Document] {
        [
            .init("report.txt", ComparisonText.report(result)),
            .init("results.csv", ComparisonCSV.results(result)),
            .init("runs.csv", ComparisonCSV.runs(result)),
            .init("results.md", ComparisonMarkdown.text(result)),
            .init("junit.xml", ComparisonJUnit.text(result)),
            .init("report.html", ComparisonHTML.text(result)),
            // The last one: where it is, all are.
            .init("results.json", ComparisonJSON.text(result)),
        ]
    }

    /// Prints it, and fails if a cell does not pass.
    static func tell(
        _ result: ComparisonResult, as format: OutputFormat
    ) throws(CommandFailure) {
        switch format {
        case .text: Terminal.output(ComparisonText.report(result))
        case .json:
            Terminal.output(ComparisonJSON.text(result))
            for (index, cell) in result.cells.enumerated() {
                for fault in result.faults(of: index) {
                    Terminal.error("\(cell.cell.label): \(fault)")
                }
            }
        }
        if result.hasFailed { throw .failed() }
    }
}
