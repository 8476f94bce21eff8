/// What became of one cell.
package struct InteropResult: Hashable, Sendable {
    package enum Outcome: String, Hashable, Sendable {
        case passed
        case failed
        /// One of the stacks lacks something for it.
        case lacking
    }

    package var cell: InteropCell
    package var outcome: Outcome
    /// What is wrong, or what is lacking; empty for a cell that passed.
    package var reasons: [String]
    /// The kernel's MPTCP counters of this conversation that are not zero, in its order.
    package var counters: [JSONValue.Member]
    package var milliseconds: Int

    package init(
        _ cell: InteropCell, _ outcome: Outcome, reasons: [String],
        counters: [JSONValue.Member] = [], milliseconds: Int = 0
    ) {
        self.cell = cell
        self.outcome = outcome
        self.reasons = reasons
        self.counters = counters
        self.milliseconds = milliseconds
    }
}

/// What a run of the matrix yields.
package struct InteropReport: Sendable {
    package var environment: RunEnvironment
    package var results: [InteropResult]
    /// Axes that are shorter than they could be on this machine, and why.
    package var notes: [String]

    package init(environment: RunEnvironment, results: [InteropResult], notes: [String]) {
        self.environment = environment
        self.results = results
        self.notes = notes
    }

    package func count(_ outcome: InteropResult.Outcome) -> Int {
        results.count { $0.outcome == outcome }
    }

    package var hasFailed: Bool { count(.failed) > 0 }
}
