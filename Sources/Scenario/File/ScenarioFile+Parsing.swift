package import Topology

extension ScenarioFile {
    /// Reads and checks a scenario file.
    ///
    /// - Parameters:
    ///   - text: Its content, YAML 1.1 as libyaml reads it.
    ///   - file: Its name for error messages, and the place from which it names a testbed's file.
    ///   - topology: Finds a testbed and puts into it what a leg asks.
    package init(
        parsing text: String, file: String,
        topology: (_ testbed: String, [LinkOverride]) throws(ComparisonProblem) -> Topology
    ) throws(TopologyError) {
        var fields = try FieldReader(
            document: text, file: file,
            outline: "a scenario file is a list of fields: 'name:', 'title:', 'question:', 'legs:'")
        let story = try Self.story(&fields)
        let testbed = Self.testbed(try fields.text("testbed") ?? "wifi-lte", besides: file)
        let place: Topology
        do {
            place = try topology(testbed, [])
        } catch {
            throw fields.error("testbed", error.description)
        }
        func fit(_ links: [LinkOverride]) throws(ComparisonProblem) {
            _ = try topology(testbed, links)
        }
        let backends = try fields.backends(of: Self.backends) ?? Self.backends
        var base = HandoverScenario()
        base.testbed = testbed
        base.captures = .failed
        var reader = fields
        var links: [LinkOverride] = []
        if var options = try fields.mapping("options") {
            base.runs = try options.integer("runs", in: 1...HandoverScenario.mostRuns) ?? base.runs
            for setting in try options.settings(on: place, besides: ["runs"], fit: fit) {
                do {
                    if let link = try setting.apply(to: &base) { links.append(link) }
                } catch {
                    throw options.error(setting.key, error.description)
                }
            }
            reader = options
        }
        base.linkChanges = try fields.linkChanges(on: place) ?? []
        var legs: [ScenarioLeg] = []
        var readers: [FieldReader] = []
        for var entry in try fields.list("legs") ?? [] {
            let leg = try Self.leg(&entry, backends, on: place) { own throws(ComparisonProblem) in
                try fit(links + own)
            }
            guard !legs.contains(where: { $0.name == leg.name }) else {
                throw entry.error("name", "there is another leg '\(leg.name)'")
            }
            legs.append(leg)
            readers.append(entry)
        }
        if fields.has("legs"), legs.isEmpty { throw fields.error("legs", "must list a leg") }
        let axes = try Self.axes(&fields, legs, links, on: place, fit: fit)
        let metrics = try Self.metrics(&fields, isNull: base.isNull)
        let expectations = try Self.expectations(&fields, legs, axes)
        try fields.finish()

        self.init(
            story: story, backends: backends, base: base, links: links, legs: legs,
            axes: axes, metrics: metrics, expectations: expectations)
        if legs.isEmpty { try check(nil, (reader, reader, fields), topology) }
        for (leg, entry) in zip(legs, readers) {
            try check(leg, (entry, reader, fields), topology)
        }
    }

    /// Where a scenario can run where nothing is said.
    private static let backends = Backend.allCases.filter { $0 != .auto }

    // MARK: Parts

    private static func story(_ fields: inout FieldReader) throws(TopologyError) -> ScenarioStory {
        let name = try fields.requiredText("name")
        guard Topology.isName(name) else {
            throw fields.error(
                "name", "a name is made of up to 40 lower-case letters, digits and hyphens")
        }
        let title = try fields.requiredText("title")
        let question = try fields.requiredText("question")
        let source = try fields.text("source")
        let published = try fields.text("published")
        // They go to terminals as they are.
        let texts = [
            ("title", title), ("question", question), ("source", source), ("published", published),
        ]
        for (key, text) in texts {
            let isPlain =
                text?.unicodeScalars.allSatisfy {
                    $0.properties.generalCategory != .control || $0 == "\n" && key != "title"
                } ?? true
            guard isPlain else { throw fields.error(key, "has control characters in it") }
        }
        return ScenarioStory(
            name: name, title: title, question: question, source: source, published: published)
    }

    private static func leg(
        _ entry: inout FieldReader, _ backends: [Backend], on topology: Topology,
        fit: ([LinkOverride]) throws(ComparisonProblem) -> Void
    ) throws(TopologyError) -> ScenarioLeg {
        let name = try entry.requiredText("name")
        let isPlain = name.utf8.allSatisfy { (32..<127).contains($0) && !":,=".utf8.contains($0) }
        guard isPlain, name.utf8.count <= 40 else {
            throw entry.error(
                "name", "a leg's name has up to 40 printable letters, and no ':', ',' or '='")
        }
        let own = try entry.backends(of: backends) ?? backends
        let linkChanges = try entry.linkChanges(on: topology)
        let settings = try entry.settings(
            on: topology, besides: ["name", "backends", "events"], fit: fit)
        return ScenarioLeg(
            name: name, settings: settings, backends: own, linkChanges: linkChanges)
    }

    /// - Parameters:
    ///   - links: What all legs share of links.
    ///   - fit: Whether the testbed can have these links.
    private static func axes(
        _ fields: inout FieldReader, _ legs: [ScenarioLeg], _ links: [LinkOverride],
        on topology: Topology, fit: ([LinkOverride]) throws(ComparisonProblem) -> Void
    ) throws(TopologyError) -> [ComparisonAxis] {
        guard var reader = try fields.mapping("vary") else { return [] }
        var axes: [ComparisonAxis] = []
        for key in reader.keys {
            if let reason = FieldReader.elsewhere[key] { throw reader.error(key, reason) }
            let values = try reader.words(key) ?? []
            let axis: ComparisonAxis
            do {
                axis = try ComparisonAxis(
                    key, FieldReader.isOption(key) ? values.map(FieldReader.withoutSpaces) : values)
            } catch {
                throw reader.error(key, error.description)
            }
            for leg in legs {
                guard let own = leg.settings.first(where: { $0.isAboutTheSame(as: key) }) else {
                    continue
                }
                throw reader.error(
                    key, "leg '\(leg.name)' has its own '\(own.key)', which would not count")
            }
            if let link = try? LinkOverride(key: key, value: "") {
                try reader.check(path: link.path, key, on: topology)
            }
            for value in axis.values {
                var scratch = HandoverScenario()
                do {
                    let own = try axis.apply(value, to: &scratch)
                    if !own.isEmpty { try fit(links + own) }
                } catch {
                    throw reader.error(key, error.description)
                }
            }
            axes.append(axis)
        }
        return axes
    }

    private static func metrics(
        _ fields: inout FieldReader, isNull: Bool
    ) throws(TopologyError) -> [Metric] {
        guard let names = try fields.words("show") else {
            return isNull ? [.steadyGap] : [.resume, .outage]
        }
        var metrics: [Metric] = []
        for name in names {
            guard let metric = Metric(rawValue: name) else {
                let known = Metric.allCases.map(\.rawValue)
                throw fields.error(
                    "show", "there is no result '\(name)' (\(known.joined(separator: ", ")))",
                    suggestion: Spelling.closest(to: name, among: known))
            }
            if !metrics.contains(metric) { metrics.append(metric) }
        }
        if metrics.isEmpty { throw fields.error("show", "must name a result") }
        return metrics
    }

    private static func expectations(
        _ fields: inout FieldReader, _ legs: [ScenarioLeg], _ axes: [ComparisonAxis]
    ) throws(TopologyError) -> [ScenarioExpectation] {
        var result: [ScenarioExpectation] = []
        for text in try fields.texts("expect") ?? [] {
            let colon = text.firstIndex(of: ":")
            var conditions: [ScenarioSetting] = []
            for word in colon.map({ text[..<$0].split(separator: ",") }) ?? [] {
                let condition = try condition(OptionText.trimmed(word), fields, legs, axes)
                if let other = conditions.first(where: { $0.key == condition.key }) {
                    throw fields.error(
                        "expect",
                        "'\(text)': nothing is both '\(other.value)' and '\(condition.value)'; "
                            + "write a line for each")
                }
                conditions.append(condition)
            }
            let rest = colon.map { text[text.index(after: $0)...] } ?? text[...]
            do {
                result.append(
                    ScenarioExpectation(
                        conditions, try Assertion(parsing: OptionText.trimmed(rest))))
            } catch {
                throw fields.error(
                    "expect", "'\(error.text)': \(error.reason)", suggestion: error.suggestion)
            }
        }
        return result
    }

    /// The name of a leg, or `KEY=VALUE` of what varies.
    private static func condition(
        _ word: String, _ fields: FieldReader, _ legs: [ScenarioLeg], _ axes: [ComparisonAxis]
    ) throws(TopologyError) -> ScenarioSetting {
        if legs.contains(where: { $0.name == word }) {
            return ScenarioSetting(ComparisonAxis.legKey, word)
        }
        let varied = axes.flatMap { axis in axis.values.map { (axis.key, $0) } }
        if let (key, value) = varied.first(where: { "\($0.0)=\($0.1)" == word }) {
            return ScenarioSetting(key, value)
        }
        let known = legs.map(\.name) + varied.map { "\($0.0)=\($0.1)" }
        throw fields.error(
            "expect", "there is no leg '\(word)'",
            suggestion: Spelling.closest(to: word, among: known))
    }

    // MARK: Whether it can be

    /// Refuses what a leg, or the only experiment, cannot do in any place where it should.
    ///
    /// - Parameter readers: Those of the leg, the options and the whole file, to name the place.
    private func check(
        _ leg: ScenarioLeg?, _ readers: (leg: FieldReader, options: FieldReader, file: FieldReader),
        _ topology: (String, [LinkOverride]) throws(ComparisonProblem) -> Topology
    ) throws(TopologyError) {
        var scenario = base
        let found: Topology
        do {
            let own = try leg?.apply(to: &scenario) ?? []
            found = try topology(scenario.testbed, links + own)
        } catch {
            throw readers.leg.error("name", error.description)
        }
        let wanted = leg?.backends ?? backends
        func problem(_ backend: Backend) -> ScenarioProblem? {
            scenario.backend = backend
            return scenario.problems.first ?? scenario.problem(on: found)
        }
        guard let fault = wanted.lazy.compactMap(problem).first else { return }
        let isEvent = fault.option.hasPrefix("link change")
        let key =
            isEvent ? "events" : String(fault.option.drop { $0 == "-" }.prefix { $0 != " " })
        let reason = isEvent ? fault.description : fault.reason
        let reader = [readers.leg, readers.options, readers.file].first { $0.has(key) }
        let possible = wanted.filter { problem($0) == nil }.map(\.rawValue)
        let suggestion =
            possible.isEmpty ? nil : "backends: [\(possible.joined(separator: ", "))]"
        throw (reader ?? readers.leg).error(key, reason, suggestion: suggestion)
    }
}
