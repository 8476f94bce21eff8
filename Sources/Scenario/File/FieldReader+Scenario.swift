internal import Topology

extension FieldReader {
    /// Options of `handover` that a scenario file says at its top.
    static let elsewhere = [
        "testbed": "stands at the top of the file",
        "backend": "stands at the top of the file, as 'backends'",
    ]

    /// Options of `handover` and properties of links, checked; whatever else stands here.
    mutating func settings(
        on topology: Topology, besides others: [String]
    ) throws(TopologyError) -> [ScenarioSetting] {
        var settings: [ScenarioSetting] = []
        var scratch = HandoverScenario()
        for key in keys where !others.contains(key) {
            if let reason = Self.elsewhere[key] { throw error(key, reason) }
            let isOption = ScenarioOption(rawValue: key) != nil
            guard isOption || key.contains(".") else {
                throw unknown(key, besides: others)
            }
            guard let value = try text(key) else { continue }
            // Files have a space between a number and its unit; no value of an option has one.
            let setting = ScenarioSetting(
                key, isOption ? value.filter { !$0.isWhitespace } : value)
            let link: LinkOverride?
            do {
                link = try setting.apply(to: &scratch)
            } catch {
                throw self.error(key, error.description)
            }
            if let link { try check(path: link.path, key, on: topology) }
            settings.append(setting)
        }
        try finish()
        return settings
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
            suggestion: Assertion.nearest(to: key, in: names))
    }

    /// Refuses a path that the testbed does not have.
    private func check(
        path: String, _ key: String, on topology: Topology
    ) throws(TopologyError) {
        let names = topology.paths.map(\.name)
        guard !names.contains(path) else { return }
        throw error(
            key, "there is no path '\(path)', but \(names.joined(separator: ", "))",
            suggestion: Assertion.nearest(to: path, in: names))
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
                    suggestion: Assertion.nearest(to: word, in: names))
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
        guard let start = try time("at", in: longest) else { throw error("at", "is missing") }
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
