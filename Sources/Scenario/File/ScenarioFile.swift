package import Topology

/// An experiment of one's own, or one that somebody published, as a file describes it: what happens,
/// what is compared, and what should come of it. It becomes a `ComparisonPlan`, whose first axis is
/// the legs.
package struct ScenarioFile: Hashable, Sendable {
    package let story: ScenarioStory
    /// Where it makes sense; never `auto`.
    package let backends: [Backend]
    /// What all legs share.
    package let base: HandoverScenario
    /// What all legs share of links.
    package let links: [LinkOverride]
    /// What is compared; empty if there is one thing only.
    package let legs: [ScenarioLeg]
    /// What varies besides.
    package let axes: [ComparisonAxis]
    /// Those that the table shows, in this order.
    package let metrics: [Metric]
    package let expectations: [ScenarioExpectation]

    init(
        story: ScenarioStory, backends: [Backend], base: HandoverScenario, links: [LinkOverride],
        legs: [ScenarioLeg], axes: [ComparisonAxis], metrics: [Metric],
        expectations: [ScenarioExpectation]
    ) {
        self.story = story
        self.backends = backends
        self.base = base
        self.links = links
        self.legs = legs
        self.axes = axes
        self.metrics = metrics
        self.expectations = expectations
    }

    /// The path of a testbed that a file names: what looks like one counts from the file's place.
    package static func testbed(_ name: String, besides file: String) -> String {
        guard looksLikePath(name), !name.hasPrefix("/"), let slash = file.lastIndex(of: "/")
        else { return name }
        return String(file[...slash]) + name
    }

    /// Whether a name is the path of a file.
    package static func looksLikePath(_ name: String) -> Bool {
        name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".yml")
    }
}

// MARK: - Running it

extension ScenarioFile {
    /// What is to be run.
    ///
    /// - Parameters:
    ///   - topology: Finds a testbed and puts into it what a cell asks.
    ///   - overriding: Sets what counts whatever the file says, the backend among it.
    package func plan(
        topology: (_ testbed: String, [LinkOverride]) throws(ComparisonProblem) -> Topology,
        overriding: (inout HandoverScenario) -> Void = { _ in }
    ) throws(ComparisonProblem) -> ComparisonPlan {
        var base = base
        overriding(&base)
        let backend = try place(base.backend)
        base.backend = backend
        let going = legs.filter { backend == .auto || $0.backends.contains(backend) }
        var story = story
        story.leftOut = legs.filter { !going.contains($0) }.map(\.name)
        if going.isEmpty, !legs.isEmpty {
            throw ComparisonProblem("none of the legs runs with --backend \(backend.rawValue)")
        }
        return try ComparisonPlan(
            base: base, axes: (going.isEmpty ? [] : [ComparisonAxis(legs: going)]) + axes,
            story: story,
            expectations: { cell in
                expectations.filter { $0.isAbout(cell) }.map(\.assertion)
            },
            topology: { testbed, own throws(ComparisonProblem) in
                try topology(testbed, links + own)
            },
            overriding: {
                overriding(&$0)
                $0.backend = backend
            })
    }

    /// The backend to be used, of what was wished for.
    private func place(_ wish: Backend) throws(ComparisonProblem) -> Backend {
        if wish == .auto { return backends.count == 1 ? backends[0] : .auto }
        guard backends.contains(wish) else {
            throw ComparisonProblem(
                "--backend \(wish.rawValue): the scenario '\(story.name)' is for "
                    + backends.map(\.rawValue).joined(separator: " and "))
        }
        return wish
    }
}
