internal import Topology

extension FieldReader {
    /// Options of `handover` that a scenario file says at its top.
    static let elsewhere = [
        "testbed": "stands at the top of the file",
        "backend": "stands at the top of the file, as 'backends'",
    ]

    /// Whether a key is an option of `handover`; others are properties of links.
    static func isOption(_ key: String) -> Bool { ScenarioOption(rawValue: key) != nil }

    /// Files have a space between a number and its unit; no value of an option has one.
    static func withoutSpaces(_ value: String) -> String { value.filter { !$0.isWhitespace } }

    /// Options of `handover` and properties of links, checked; whatever else stands here.
    ///
    /// - Parameter fit: Whether the testbed can have these links.
    mutating func settings(
        on topology: Topology, besides others: [String],
        fit: ([LinkOverride]) throws(ComparisonProblem) -> Void
    ) throws(TopologyError) -> [ScenarioSetting] {
        var settings: [ScenarioSetting] = []
        var links: [(key: String, link: LinkOverride)] = []
        var scratch = HandoverScenario()
        for key in keys where !others.contains(key) {
            if let reason = Self.elsewhere[key] { throw error(key, reason) }
            let isOption = Self.isOption(key)
            guard isOption || key.contains(".") else {
                throw unknown(key, besides: others)
            }
            guard let value = try text(key) else { continue }
            let setting = ScenarioSetting(key, isOption ? Self.withoutSpaces(value) : value)
            let link: LinkOverride?
            do {
                link = try setting.apply(to: &scratch)
            } catch {
                throw self.error(key, error.description)
            }
            if let link {
                try self.check(path: link.path, key, on: topology)
                links.append((key, link))
            }
            settings.append(setting)
        }
        try finish()
        try refuse(links, fit)
        return settings
    }

    /// Refuses links that the testbed cannot have, at the key that makes them so.
    private func refuse(
        _ links: [(key: String, link: LinkOverride)],
        _ fit: ([LinkOverride]) throws(ComparisonProblem) -> Void
    ) throws(TopologyError) {
        // One may need another that stands behind it: all of them count first.
        guard !links.isEmpty, (try? fit(links.map(\.link))) == nil else { return }
        for (index, (key, _)) in links.enumerated() {
            do {
                try fit(links[...index].map(\.link))
            } catch {
                throw self.error(key, error.description)
            }
        }
    }

    private func unknown(_ key: String, besides others: [String]) -> TopologyError {
        let names =
            others
            + ScenarioOption.allCases.map(\.rawValue).filter {
                Self.elsewhere[$0] == nil
            }
        return error(
            key,
            "unknown key; here can stand \(names.joined(separator: ", ")), and PATH.FIELD for a "
                + "property of a link (lte.delay)",
            suggestion: Spelling.closest(to: key, among: names))
    }

    /// Refuses a path that the testbed does not have.
    func check(
        path: String, _ key: String, on topology: Topology
    ) throws(TopologyError) {
        let names = topology.paths.map(\.name)
        guard !names.contains(path) else { return }
        throw error(
            key, "there is no path '\(path)', but \(names.joined(separator: ", "))",
            suggestion: Spelling.closest(to: path, among: names))
    }

    // MARK: Backends

    /// Where something runs, out of where it can.
    mutating func backends(of possible: [Backend]) throws(TopologyError) -> [Backend]? {
        guard let words = try words("backends") else { return nil }
        let names = possible.map(\.rawValue)
        var backends: [Backend] = []
        for word in words {
            guard let backend = possible.first(where: { $0.rawValue == word }) else {
                throw error(
                    "backends", "'\(word)' is none of \(names.joined(separator: ", "))",
                    suggestion: Spelling.closest(to: word, among: names))
            }
            if !backends.contains(backend) { backends.append(backend) }
        }
        if backends.isEmpty { throw error("backends", "must name one") }
        return backends
    }

    // MARK: Events

    private enum LinkWord: String, CaseIterable {
        case up, down, cut, mend

        var change: LinkChange.Kind {
            switch self {
            case .up: .up
            case .down: .down
            case .cut: .cut
            case .mend: .mend
            }
        }
    }

    /// What happens to links, in the order of its time; `nil` if nothing is said.
    mutating func linkChanges(on topology: Topology) throws(TopologyError) -> [LinkChange]? {
        guard let entries = try list("events") else { return nil }
        var changes: [LinkChange] = []
        for var entry in entries {
            let change = try entry.linkChange(on: topology)
            // What stands first in the file comes first of what happens at once.
            let place = changes.firstIndex { $0.at > change.at } ?? changes.endIndex
            changes.insert(change, at: place)
        }
        return changes
    }

    private mutating func linkChange(on topology: Topology) throws(TopologyError) -> LinkChange {
        let longest = Duration.zero...Workload.longestTime
        guard let start = try time("at", in: longest) else { throw missing("at") }
        let path = try requiredText("path")
        try check(path: path, "path", on: topology)
        let over = try time("over", in: longest)
        var kinds: [LinkChange.Kind] = []
        if let delay = try time("delay", in: .zero...Duration.seconds(60)) {
            kinds.append(.delay(delay))
        }
        if let loss = try share("loss") { kinds.append(.loss(loss)) }
        if let rate = try bitRate("rate") { kinds.append(.rate(bitsPerSecond: rate)) }
        let word = try choice("link", LinkWord.self)
        if let word { kinds.append(word.change) }
        try finish()
        guard let kind = kinds.first, kinds.count == 1 else {
            throw error(
                "path",
                "an event has one of 'delay', 'loss', 'rate' and 'link', not "
                    + (kinds.isEmpty ? "none" : "\(kinds.count)"))
        }
        if over != nil, word != nil {
            throw error("over", "a link is up or down at once; delay, loss and rate take time")
        }
        return LinkChange(at: start, over: over ?? .zero, path: path, kind: kind)
    }
}
