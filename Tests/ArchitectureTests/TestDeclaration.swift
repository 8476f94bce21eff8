/// A test or a suite as its file declares it.
struct TestDeclaration {
    /// As the test runner spells it, up to where a function's parameters begin:
    /// `CommandTests.SoakTests/inNamespaces(`, or of a suite `CommandTests.SoakTests/`.
    let identifier: String
    /// What stands between its attribute and its name.
    let traits: String

    /// Those of a file, in its order; what stands further to the right is inside.
    static func all(in file: SourceTree.File) -> [TestDeclaration] {
        var result: [TestDeclaration] = []
        var types: [(indentation: Int, name: Substring)] = []
        var attribute: String?
        for line in file.code.split(separator: "\n") {
            let indentation = line.prefix { $0 == " " }.count
            if line.contains("@Test") || line.contains("@Suite") { attribute = "" }
            let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
            let keyword = words.firstIndex { Self.keywords.contains($0) }
            guard let keyword, let name = words.dropFirst(keyword + 1).first else {
                attribute? += line
                continue
            }
            types.removeAll { $0.indentation >= indentation }
            let isFunction = words[keyword] == "func"
            if let traits = attribute {
                let path = (types.map(\.name) + [name]).joined(separator: "/")
                result.append(
                    TestDeclaration(
                        identifier: "\(file.target).\(path)\(isFunction ? "(" : "/")",
                        traits: traits + line))
            }
            attribute = nil
            if !isFunction { types.append((indentation, name)) }
        }
        return result
    }

    private static let keywords: Set<Substring> = ["func", "struct", "enum", "class", "extension"]
}
