internal import NetworkPrimitives
package import Topology

/// One combination of values: an experiment of its own.
package struct ComparisonCell: Sendable {
    /// From 1, in the order of the matrix.
    package var number: Int
    /// Key and value of each axis, in the order of the axes.
    package var values: [(key: String, value: String)]
    package var scenario: HandoverScenario
    package var topology: Topology
    /// What it should come to, besides what is asserted of all.
    package var expectations: [Assertion] = []

    /// `mode=make-before-break, lte.delay=10ms`; what is the only one has no label.
    package var label: String { Self.label(values) }

    /// Key and value of each, in words.
    package static func label(_ values: [(key: String, value: String)]) -> String {
        values.isEmpty
            ? "the only cell" : values.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
    }

    /// The path that takes over.
    package var newPath: Path { topology.paths[1] }
}

/// A matrix of experiments: every combination of the values of its axes, each run equally often.
package struct ComparisonPlan: Sendable {
    /// What is not varied; `runs` is how often each cell runs.
    package let base: HandoverScenario
    /// The last one varies fastest.
    package let axes: [ComparisonAxis]
    package let cells: [ComparisonCell]
    /// What it is about, if it comes from a scenario file.
    package let story: ScenarioStory?

    /// One run of one cell.
    package struct Job: Hashable, Sendable {
        /// Index of the cell, from 0.
        package var cell: Int
        /// From 1. The seed follows from it alone, so that the cells are paired.
        package var run: Int

        package init(cell: Int, run: Int) {
            self.cell = cell
            self.run = run
        }
    }

    /// More cells than anybody reads.
    package static let mostCells = 10_000
    /// More runs of all cells than anybody waits for.
    package static let mostJobs = 10_000_000

    /// Every combination, checked.
    ///
    /// - Parameters:
    ///   - expectations: What a cell should come to.
    ///   - topology: Finds a testbed and puts into it what the cell asks.
    ///   - overriding: Sets in each cell what counts whatever the axes say.
    package init(
        base: HandoverScenario, axes: [ComparisonAxis], story: ScenarioStory? = nil,
        expectations: (ComparisonCell) -> [Assertion] = { _ in [] },
        topology: (_ testbed: String, [LinkOverride]) throws(ComparisonProblem) -> Topology,
        overriding: (inout HandoverScenario) -> Void = { _ in }
    ) throws(ComparisonProblem) {
        self.base = base
        self.axes = axes
        self.story = story
        let keys = axes.map(\.key)
        if let twice = keys.first(where: { key in keys.count { $0 == key } > 1 }) {
            throw ComparisonProblem("'\(twice)' is varied twice: give all its values at once")
        }
        var count = 1
        for axis in axes {
            count *= axis.values.count
            guard count <= Self.mostCells else {
                throw ComparisonProblem("these are more than \(Self.mostCells) cells")
            }
        }
        let (jobs, overflow) = count.multipliedReportingOverflow(by: base.runs)
        guard !overflow, jobs <= Self.mostJobs else {
            throw ComparisonProblem(
                "\(base.runs) runs of each of \(count) cells are more than \(Self.mostJobs)")
        }
        var cells: [ComparisonCell] = []
        for number in 1...count {
            var cell = try Self.cell(number, base, axes, topology, overriding)
            cell.expectations = expectations(cell)
            cells.append(cell)
        }
        try Self.refuseTwins(cells)
        self.cells = cells
    }

    /// A comparison of what is the same shows nothing.
    private static func refuseTwins(_ cells: [ComparisonCell]) throws(ComparisonProblem) {
        struct Content: Hashable {
            var scenario: HandoverScenario
            var topology: Topology
        }
        var known: [Content: String] = [:]
        for cell in cells {
            let content = Content(scenario: cell.scenario, topology: cell.topology)
            if let twin = known.updateValue(cell.label, forKey: content) {
                throw ComparisonProblem("'\(twin)' and '\(cell.label)' do the same")
            }
        }
    }

    private static func cell(
        _ number: Int, _ base: HandoverScenario, _ axes: [ComparisonAxis],
        _ topology: (String, [LinkOverride]) throws(ComparisonProblem) -> Topology,
        _ overriding: (inout HandoverScenario) -> Void
    ) throws(ComparisonProblem) -> ComparisonCell {
        var scenario = base
        var links: [LinkOverride] = []
        var values: [(key: String, value: String)] = []
        var rest = number - 1
        for axis in axes.reversed() {
            values.insert((axis.key, axis.values[rest % axis.values.count]), at: 0)
            rest /= axis.values.count
        }
        for (axis, value) in zip(axes, values) {
            links += try axis.apply(value.value, to: &scenario)
        }
        overriding(&scenario)
        let label = ComparisonCell.label(values)
        do throws(ScenarioProblem) {
            try scenario.validate()
        } catch {
            throw ComparisonProblem("cell '\(label)': \(error)")
        }
        let found: Topology
        do throws(ComparisonProblem) {
            found = try topology(scenario.testbed, links)
        } catch {
            throw links.isEmpty ? error : ComparisonProblem("cell '\(label)': \(error)")
        }
        if let problem = scenario.problem(on: found) {
            throw ComparisonProblem("cell '\(label)': \(problem)")
        }
        return ComparisonCell(
            number: number, values: values, scenario: scenario, topology: found)
    }

    /// The axes where none is named: what a handover depends on most, less what is `fixed`.
    package static func usualAxes(
        _ base: HandoverScenario, on topology: Topology, fixed: (String) -> Bool = { _ in false }
    ) throws(ComparisonProblem) -> [ComparisonAxis] {
        let hasKernel = base.client == .kernel || base.server == .kernel
        let joins = JoinVariant.allCases.filter { !hasKernel || $0 == .standard }
        var axes = [
            try ComparisonAxis("join", joins.map(\.rawValue)),
            try ComparisonAxis("mode", HandoverMode.allCases.map(\.rawValue)),
            try ComparisonAxis("direction", Direction.allCases.map(\.rawValue)),
        ]
        if topology.paths.count > 1 {
            axes.append(
                try ComparisonAxis(
                    "\(topology.paths[1].name).delay", ["5ms", "15ms", "30ms", "60ms", "100ms"]))
        }
        return axes.filter { !fixed($0.key) }
    }
}

// MARK: - Order

extension ComparisonPlan {
    /// All runs, the cells of a round one after the other, so that the noise of a machine hits all
    /// alike.
    package var jobs: [Job] {
        (1...base.runs).flatMap { run in
            Self.order(of: run - 1, cells: cells.count).map { Job(cell: $0, run: run) }
        }
    }

    /// The order of the cells in a round, which counts from 0: a design after Williams. The order
    /// 0, 1, n-1, 2, n-2, ... is shifted by one from round to round, so that an even number of cells
    /// follow each other equally often in as many rounds. With an odd number every other round goes
    /// backwards.
    package static func order(of round: Int, cells count: Int) -> [Int] {
        let zigzag = (0..<count).map {
            $0.isMultiple(of: 2) ? (count - $0 / 2) % count : $0 / 2 + 1
        }
        let order = zigzag.map { ($0 + round) % count }
        return count.isMultiple(of: 2) || round.isMultiple(of: 2) ? order : order.reversed()
    }

    /// Names everything that the numbers depend on: runs of two fingerprints must not be mixed.
    ///
    /// - Parameter places: Where each cell runs.
    package func fingerprint(version: String, places: [String]) -> String {
        var hash = FingerprintHash()
        hash.add(version)
        for (cell, place) in zip(cells, places) {
            hash.add(cell.label)
            hash.add(place)
            hash.add(String(describing: cell.scenario))
            hash.add(String(describing: cell.topology))
        }
        return hash.text
    }
}

/// FNV-1a of 64 bits: tells texts apart that nobody made alike on purpose.
private struct FingerprintHash {
    private var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ text: String) {
        // What ends a text stands in none.
        for octet in text.utf8 + [0xff] {
            value = (value ^ UInt64(octet)) &* 0x0000_0100_0000_01b3
        }
    }

    /// 16 hexadecimal digits.
    var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
