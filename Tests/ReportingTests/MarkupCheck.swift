/// Whether a text is well-formed XML, as far as our documents use XML: elements, attributes between
/// double quotes, the five entities, one root.
enum MarkupCheck {
    /// The names of all elements in their order; throws at the first fault.
    static func elements(_ text: String) throws -> [String] {
        var names: [String] = []
        var open: [String] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "<") {
            try checkText(rest[..<start], isInside: !open.isEmpty)
            guard let end = rest[start...].firstIndex(of: ">") else { throw Fault("open tag") }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("?") || tag.hasPrefix("!") { continue }
            if tag.hasPrefix("/") {
                guard open.popLast() == String(tag.dropFirst()) else { throw Fault("</\(tag)>") }
                continue
            }
            let isClosed = tag.hasSuffix("/")
            let parts = (isClosed ? tag.dropLast() : tag).split(
                separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard let name = parts.first.map(String.init) else { throw Fault("<>") }
            if open.isEmpty, !names.isEmpty { throw Fault("a second root") }
            names.append(name)
            if parts.count == 2 { try checkAttributes(parts[1]) }
            if !isClosed { open.append(name) }
        }
        try checkText(rest, isInside: false)
        guard open.isEmpty else { throw Fault("not closed: \(open)") }
        return names
    }

    struct Fault: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    private static func checkText(_ text: Substring, isInside: Bool) throws {
        if !isInside, text.contains(where: { !$0.isWhitespace }) { throw Fault("outside: \(text)") }
        var rest = text
        while let start = rest.firstIndex(of: "&") {
            rest = rest[rest.index(after: start)...]
            let known = ["amp;", "lt;", "gt;", "quot;", "apos;"]
            guard known.contains(where: { rest.hasPrefix($0) }) else { throw Fault("&\(rest)") }
        }
    }

    private static func checkAttributes(_ text: Substring) throws {
        var rest = text.drop(while: \.isWhitespace)
        while !rest.isEmpty {
            guard let equals = rest.firstIndex(of: "="),
                rest[..<equals].allSatisfy({ $0.isLetter || $0 == "-" || $0.isNumber })
            else { throw Fault("attribute: \(rest)") }
            rest = rest[rest.index(after: equals)...]
            guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else {
                throw Fault("attribute without quotes: \(rest)")
            }
            try checkText(rest[rest.index(after: rest.startIndex)..<end], isInside: true)
            rest = rest[rest.index(after: end)...].drop(while: \.isWhitespace)
        }
    }
}
