import Glibc
import LinuxSystem

/// The sources of this repository as text.
struct SourceTree: Sendable {
    /// One Swift file.
    struct File: Sendable, CustomStringConvertible {
        /// From the root of the repository.
        let path: String
        /// The directory below `Sources` or `Tests`.
        let target: String
        let text: String
        /// The text with comments and string literals blanked, so that words in them do not count.
        let code: String
        let imports: [Import]

        var description: String { path }
        /// The name without directory and `.swift`.
        var stem: String {
            String((path.split(separator: "/").last ?? "").split(separator: ".").first ?? "")
        }
        var lineCount: Int { text.utf8.count { $0 == UInt8(ascii: "\n") } }
    }

    /// `public import NetworkPrimitives`.
    struct Import: Hashable, Sendable {
        let module: String
        let isVisibleOutside: Bool
    }

    let root: String
    let sources: [File]
    let tests: [File]

    var all: [File] { sources + tests }
    /// The targets below `Sources` that have Swift files, in the order of the alphabet.
    var targets: [String] { Array(Set(sources.map(\.target))).sorted() }

    /// What a target's files import.
    func imports(of target: String) -> Set<String> {
        Set(sources.filter { $0.target == target }.flatMap { $0.imports.map(\.module) })
    }

    /// What a target reaches through its imports, itself not counted.
    func reachable(from target: String) -> Set<String> {
        var result: Set<String> = []
        var open = [target]
        while let next = open.popLast() {
            for module in imports(of: next) where result.insert(module).inserted {
                open.append(module)
            }
        }
        return result
    }

    /// The repository that holds this file.
    static func load() throws -> SourceTree {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        func files(_ top: String) throws -> [File] {
            try swiftFiles(in: "\(root)/\(top)").map { path in
                let text = try TextFile.read(path)
                let relative = String(path.dropFirst(root.count + 1))
                let code = blanked(text)
                return File(
                    path: relative, target: String(relative.split(separator: "/")[1]), text: text,
                    code: code, imports: parseImports(code))
            }
        }
        return SourceTree(root: root, sources: try files("Sources"), tests: try files("Tests"))
    }

    private static func swiftFiles(in directory: String) throws -> [String] {
        guard let handle = opendir(directory) else {
            throw SystemError("opendir \(directory)", code: errno)
        }
        defer { closedir(handle) }
        var result: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(".") { continue }
            let path = "\(directory)/\(name)"
            if entry.pointee.d_type == DT_DIR {
                result += try swiftFiles(in: path)
            } else if name.hasSuffix(".swift") {
                result.append(path)
            }
        }
        return result.sorted()
    }

    private static func parseImports(_ code: String) -> [Import] {
        code.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
            guard let position = words.firstIndex(of: "import"), position <= 1,
                var module = words.dropFirst(position + 1).last
            else { return nil }
            // `import struct Module.Type`
            module = module.prefix { $0 != "." }
            return Import(
                module: String(module),
                isVisibleOutside: position == 1 && ["public", "package"].contains(words[0]))
        }
    }

    /// Replaces comments and what stands in string literals by blanks; lines stay lines.
    static func blanked(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var result = bytes
        var index = 0
        func starts(_ text: StaticString) -> Bool {
            guard index + text.utf8CodeUnitCount <= bytes.count else { return false }
            return (0..<text.utf8CodeUnitCount).allSatisfy {
                bytes[index + $0] == text.utf8Start[$0]
            }
        }
        /// Blanks from `index` to behind `end`; a backslash escapes unless `isRaw`.
        func blank(through end: StaticString, isRaw: Bool, opening: Int) {
            index += opening
            while index < bytes.count, !starts(end) {
                let step = !isRaw && bytes[index] == UInt8(ascii: "\\") ? 2 : 1
                for position in index..<min(index + step, bytes.count)
                where bytes[position] != UInt8(ascii: "\n") {
                    result[position] = UInt8(ascii: " ")
                }
                index += step
            }
        }
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "/"), UInt8(ascii: "#"), UInt8(ascii: "\""): break
            default:
                index += 1
                continue
            }
            if starts("//") {
                blank(through: "\n", isRaw: true, opening: 0)
            } else if starts("/*") {
                blank(through: "*/", isRaw: true, opening: 0)
                index += 2
            } else if starts("#\"") {
                blank(through: "\"#", isRaw: true, opening: 2)
                index += 2
            } else if starts("\"\"\"") {
                blank(through: "\"\"\"", isRaw: false, opening: 3)
                index += 3
            } else if starts("\"") {
                blank(through: "\"", isRaw: false, opening: 1)
                index += 1
            } else {
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
