internal import Yams

/// A field of a path that an experiment sets in place of what the testbed file says. The names are
/// those of the file: `lte.delay`, `wifi.rate`, `lte.up.loss`, `lte.promotion.delay`.
package struct LinkOverride: Hashable, Sendable {
    /// One direction of a link.
    package enum Way: String, Hashable, Sendable, CaseIterable {
        case up
        case down
    }

    /// The path's name.
    package var path: String
    /// The direction that it is about; `nil` is both.
    package var way: Way?
    /// The field, as the file names it; that of a mapping in it with a point between.
    package var field: String
    /// What stands there instead.
    package var value: String

    /// Fields of a path's radio.
    private static let radioFields = ["promotion.delay", "promotion.tail"]

    /// Fields of a link.
    private static let linkFields = LinkProfileReader.keys.filter {
        Way(rawValue: $0) == nil && $0 != "promotion"
    }

    /// Fields that can be set for both directions.
    package static let fields = linkFields + radioFields + ["mtu"]

    /// Reads `PATH.FIELD`, `PATH.up.FIELD` or `PATH.promotion.FIELD`.
    package init(key: String, value: String) throws(TopologyError) {
        var parts = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        var way: Way?
        if parts.count == 3, parts[1] == "promotion" {
            parts[1...] = ["promotion.\(parts[2])"]
        } else if parts.count == 3 {
            way = Way(rawValue: parts[1])
            guard way != nil else {
                throw Self.error(key, "a link has the directions up and down, not '\(parts[1])'")
            }
            parts.remove(at: 1)
        }
        guard parts.count == 2, Topology.isName(parts[0]) else {
            throw Self.error(key, "a property of a link is written PATH.FIELD, as in lte.delay")
        }
        let known = way == nil ? Self.fields : Self.linkFields.filter { $0 != "rtt" }
        guard known.contains(parts[1]) else {
            throw Self.error(
                key, "a link has no '\(parts[1])'; it has \(known.joined(separator: ", "))",
                Spelling.closest(to: parts[1], among: known).map {
                    key.dropLast(parts[1].count) + $0
                })
        }
        path = parts[0]
        self.way = way
        field = parts[1]
        self.value = value
    }

    /// Whether it changes how long a packet is under way on an empty link.
    package var isDelay: Bool { field == "delay" || field == "rtt" }

    /// Whether it and another one set the same thing, or a part of it.
    package func isAboutTheSame(as other: LinkOverride) -> Bool {
        path == other.path && (field == other.field || isDelay && other.isDelay)
            && (way == other.way || way == nil || other.way == nil)
    }

    private static func error(
        _ key: String, _ message: String, _ suggestion: String? = nil
    ) -> TopologyError {
        TopologyError(file: key, message: message, suggestion: suggestion)
    }

    /// Puts it into the file: what the reader finds is what the file would say.
    func apply(to root: inout Node, file: String) throws(TopologyError) {
        // What is no list of paths the reader complains about.
        guard case .sequence(var paths)? = root["paths"] else { return }
        let names = paths.compactMap { $0["name"]?.string }
        guard let index = paths.firstIndex(where: { $0["name"]?.string == path }),
            case .mapping(var fields) = paths[index]
        else {
            throw TopologyError(
                file: file, field: "paths",
                message: "there is no path '\(path)', but \(names.joined(separator: ", "))",
                suggestion: Spelling.closest(to: path, among: names))
        }
        if let way {
            set(field, in: &fields, under: way.rawValue)
        } else if Self.radioFields.contains(field), let point = field.firstIndex(of: ".") {
            set(
                String(field[field.index(after: point)...]), in: &fields,
                under: String(field[..<point]))
        } else {
            set(in: &fields)
        }
        paths[index] = .mapping(fields)
        root["paths"] = .sequence(paths)
    }

    /// For one direction only, or for what has fields of its own.
    private func set(_ name: String, in fields: inout Node.Mapping, under key: String) {
        var own = fields[key]?.mapping ?? Node.Mapping([])
        own[Node(name)] = Node(value)
        fields[key] = .mapping(own)
    }

    /// For both directions: nothing that says the same stays.
    private func set(in fields: inout Node.Mapping) {
        let same = isDelay ? ["delay", "rtt"] : [field]
        for key in same { fields[key] = nil }
        for way in Way.allCases {
            guard case .mapping(var own)? = fields[way.rawValue] else { continue }
            for key in same { own[key] = nil }
            fields[way.rawValue] = .mapping(own)
        }
        fields[field] = Node(value)
    }
}
