internal import Yams

extension FieldReader {
    /// Reads a whole file.
    ///
    /// - Parameters:
    ///   - text: Its content, YAML 1.1 as libyaml reads it.
    ///   - file: Its name for error messages.
    ///   - outline: What such a file is, for one that is something else.
    package init(document text: String, file: String, outline: String) throws(TopologyError) {
        try self.init(
            Self.compose(text, file: file), file: file, prefix: "", outline: outline)
    }

    /// More than any file needs, and little enough for every parser.
    private static let longest = 65_536

    static func compose(_ text: String, file: String) throws(TopologyError) -> Node {
        guard text.utf8.count <= longest else {
            throw TopologyError(file: file, message: "is longer than \(longest) octets")
        }
        // Aliases of aliases grow without end when they are compared.
        guard text.utf8.count(where: { $0 == UInt8(ascii: "*") }) <= 16 else {
            throw TopologyError(file: file, message: "has more than 16 aliases ('*')")
        }
        do {
            // What some editors put before everything else is no part of the text.
            let mark: Unicode.Scalar = "\u{FEFF}"
            let content =
                text.unicodeScalars.first == mark
                ? String(text.unicodeScalars.dropFirst()) : text
            guard let node = try Yams.compose(yaml: content) else {
                throw TopologyError(file: file, message: "is empty")
            }
            return node
        } catch let error as TopologyError {
            throw error
        } catch let error as YamlError {
            throw TopologyError(error, file: file)
        } catch {
            throw TopologyError(file: file, message: "is no YAML")
        }
    }
}

extension TopologyError {
    init(_ error: YamlError, file: String) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(
                file: file, line: mark.line, column: mark.column, message: "no YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            // The key is printed as Yams prints nodes; its text stands in quotes or not at all.
            let key = duplicates.min() ?? ""
            let isPlain = Topology.isName(key)
            self.init(
                file: file, line: context.mark.line, column: context.mark.column,
                message: "a key stands twice" + (isPlain ? ": '\(key)'" : ""))
        case .reader(let problem, _, _, _):
            self.init(file: file, message: "no YAML: \(problem)")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            self.init(file: file, message: "is no YAML")
        }
    }
}
