internal import NetworkPrimitives
internal import Yams

/// The fields of one mapping of a testbed or scenario file. Every field must be taken; `finish`
/// complains about those that nobody knows.
package struct FieldReader {
    private let file: String
    /// The path of the mapping itself.
    private let prefix: String
    private let mark: Mark?
    private var fields: [(key: String, keyMark: Mark?, value: Node)] = []
    private var known: [String] = []

    /// Reads `node` as a mapping with plain keys; `outline` says what a whole file is.
    init(
        _ node: Node, file: String, prefix: String,
        outline: String = "a testbed file is a list of fields: 'name:', 'paths:', 'server:'"
    ) throws(TopologyError) {
        self.file = file
        self.prefix = prefix
        mark = node.mark
        guard case .mapping(let mapping) = node else {
            throw TopologyError(
                file: file, line: mark?.line, column: mark?.column, field: prefix,
                message: prefix.isEmpty
                    ? outline : "here must stand fields, each as 'key: value'")
        }
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key else {
                throw TopologyError(
                    file: file, line: key.mark?.line, column: key.mark?.column, field: prefix,
                    message: "a key must be a word")
            }
            fields.append((scalar.string, scalar.mark, value))
        }
    }

    /// The keys, in their order.
    package var keys: [String] { fields.map(\.key) }

    func path(_ key: String) -> String { prefix.isEmpty ? key : "\(prefix).\(key)" }

    /// An error about a field; without one in the file, about the mapping.
    package func error(_ key: String, _ message: String, suggestion: String? = nil) -> TopologyError
    {
        let place = fields.first { $0.key == key }?.value.mark ?? mark
        return TopologyError(
            file: file, line: place?.line, column: place?.column, field: path(key),
            message: message, suggestion: suggestion)
    }

    /// An error about a field that must be there: the misspelt one, if there is one like it.
    package func missing(_ key: String, _ hint: String = "") -> TopologyError {
        let stranger = fields.first { field in
            !known.contains(field.key) && Spelling.closest(to: field.key, among: [key]) != nil
        }
        guard let stranger else { return error(key, "is missing" + hint) }
        return TopologyError(
            file: file, line: stranger.keyMark?.line, column: stranger.keyMark?.column,
            field: path(stranger.key), message: "unknown key, and '\(key)' is missing",
            suggestion: key)
    }

    /// Whether a key is there.
    package func has(_ key: String) -> Bool { fields.contains { $0.key == key } }

    func isMapping(_ key: String) -> Bool {
        if case .mapping? = fields.first(where: { $0.key == key })?.value { true } else { false }
    }

    /// The value of a field; `nil` when it is not there.
    mutating func node(_ key: String) -> Node? {
        known.append(key)
        return fields.first { $0.key == key }?.value
    }

    /// The mapping under a key.
    package mutating func mapping(_ key: String) throws(TopologyError) -> FieldReader? {
        guard let node = node(key) else { return nil }
        return try FieldReader(node, file: file, prefix: path(key))
    }

    /// The mappings of the list under a key.
    package mutating func list(_ key: String) throws(TopologyError) -> [FieldReader]? {
        guard let node = node(key) else { return nil }
        guard case .sequence(let sequence) = node else {
            throw error(key, "here must stand a list, each entry behind '- '")
        }
        var entries: [FieldReader] = []
        for (index, entry) in sequence.enumerated() {
            entries.append(try FieldReader(entry, file: file, prefix: "\(path(key))[\(index)]"))
        }
        return entries
    }

    /// The text of a field, without spaces around it.
    package mutating func text(_ key: String) throws(TopologyError) -> String? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let scalar) = node else {
            throw error(key, "here must stand a single value")
        }
        var text = scalar.string[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        text = text.drop { $0.isWhitespace }
        guard !text.isEmpty else { throw error(key, "the value is missing") }
        guard text.utf8.count <= 4_096 else { throw error(key, "the value is too long") }
        return String(text)
    }

    /// The words of a field: a list, or a text with spaces between them.
    package mutating func words(_ key: String) throws(TopologyError) -> [String]? {
        guard let node = node(key) else { return nil }
        guard case .sequence(let sequence) = node else {
            return try text(key)?.split(separator: " ").map(String.init)
        }
        var words: [String] = []
        for entry in sequence {
            guard case .scalar(let scalar) = entry else {
                throw error(key, "here must stand words")
            }
            words.append(scalar.string)
        }
        return words
    }

    /// The texts of a list, or the one that stands alone.
    package mutating func texts(_ key: String) throws(TopologyError) -> [String]? {
        guard let node = node(key) else { return nil }
        guard case .sequence(let sequence) = node else { return try text(key).map { [$0] } }
        var texts: [String] = []
        for entry in sequence {
            guard case .scalar(let scalar) = entry else {
                throw error(
                    key, "here must stand texts; one with a colon in it stands in quotes")
            }
            texts.append(scalar.string)
        }
        return texts
    }

    /// All fields as texts, for another process; the words of a list with spaces between them.
    var settings: [(key: String, value: String)] {
        fields.map { field in
            let entries: [Node] =
                if case .sequence(let sequence) = field.value { Array(sequence) } else {
                    [field.value]
                }
            let words = entries.compactMap {
                if case .scalar(let scalar) = $0 { scalar.string } else { nil }
            }
            return (field.key, words.joined(separator: " "))
        }
    }

    /// A text that must be there.
    package mutating func requiredText(_ key: String) throws(TopologyError) -> String {
        guard let text = try text(key) else { throw missing(key) }
        return text
    }

    /// A quantity in the unit whose factor is 1.
    mutating func quantity(
        _ key: String, _ kind: Quantity.Kind
    ) throws(TopologyError) -> Quantity? {
        guard let text = try text(key) else { return nil }
        do {
            return try kind.read(text)
        } catch {
            throw self.error(key, error.message, suggestion: error.suggestion)
        }
    }

    /// A time within bounds.
    package mutating func time(
        _ key: String, in bounds: ClosedRange<Duration>
    ) throws(TopologyError) -> Duration? {
        guard let quantity = try quantity(key, .time) else { return nil }
        guard quantity.number < 1e18 else { throw error(key, "is absurdly long") }
        let time = Duration.nanoseconds(Int64(quantity.number.rounded()))
        guard bounds.contains(time) else {
            throw error(
                key,
                "must lie between \(Self.text(bounds.lowerBound)) and "
                    + Self.text(bounds.upperBound))
        }
        return time
    }

    /// A rate that a link may have, in bits per second.
    package mutating func bitRate(_ key: String) throws(TopologyError) -> Int? {
        guard let quantity = try quantity(key, .rate) else { return nil }
        guard (100...100e9).contains(quantity.number) else {
            throw error(key, "must lie between 100 bit/s and 100 Gbit/s")
        }
        return Int(quantity.number.rounded())
    }

    /// A probability, written in percent.
    package mutating func share(_ key: String) throws(TopologyError) -> Double? {
        guard let quantity = try quantity(key, .share) else { return nil }
        guard (0...1).contains(quantity.number) else {
            throw error(key, "must lie between 0 % and 100 %")
        }
        return quantity.number
    }

    /// A whole number within bounds.
    package mutating func integer(
        _ key: String, in bounds: ClosedRange<Int>
    ) throws(TopologyError) -> Int? {
        guard let text = try text(key) else { return nil }
        guard let value = Int(text) else { throw error(key, "'\(text)' is no whole number") }
        guard bounds.contains(value) else {
            throw error(key, "must lie between \(bounds.lowerBound) and \(bounds.upperBound)")
        }
        return value
    }

    /// `true` or `false`.
    package mutating func flag(_ key: String) throws(TopologyError) -> Bool? {
        guard let text = try text(key) else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default: throw error(key, "'\(text)' is neither true nor false")
        }
    }

    /// An error when a field is left that nobody asked for.
    /// - Parameter foreign: Why some keys cannot stand here.
    package func finish(foreign: [String: String] = [:]) throws(TopologyError) {
        guard let stranger = fields.first(where: { !known.contains($0.key) }) else { return }
        let meant = Spelling.closest(to: stranger.key, among: known)
        let reason = foreign[stranger.key]
        throw TopologyError(
            file: file, line: stranger.keyMark?.line, column: stranger.keyMark?.column,
            field: path(stranger.key),
            message: reason ?? "unknown key; here can stand \(known.joined(separator: ", "))",
            suggestion: reason == nil ? meant : nil)
    }

    private static func text(_ time: Duration) -> String {
        let nanoseconds = time.wholeNanoseconds
        if nanoseconds % 1_000_000_000 == 0 { return "\(nanoseconds / 1_000_000_000) s" }
        return nanoseconds % 1_000_000 == 0
            ? "\(nanoseconds / 1_000_000) ms" : "\(nanoseconds) ns"
    }
}
