internal import Glibc
package import LinuxSystem
package import Topology

/// Finds testbed files by name or path.
package enum TestbedLibrary {
    /// Why there is no topology.
    package enum Failure: Error, Hashable, Sendable {
        /// Nothing has this name; these names there are.
        case unknown(String, known: [String])
        case unreadable(SystemError)
        case wrong(TopologyError)
    }

    /// The topology of a file or name. What looks like a path is one; a name is looked for in
    /// `./testbeds`, then beside the program, then in the program itself. The overrides count instead
    /// of what the file says.
    package static func load(
        _ nameOrPath: String, overrides: [LinkOverride] = []
    ) throws(Failure) -> Topology {
        if nameOrPath.contains("/") || nameOrPath.hasSuffix(".yaml")
            || nameOrPath.hasSuffix(".yml")
        {
            return try read(nameOrPath, overrides)
        }
        for directory in directories() {
            let path = "\(directory)/\(nameOrPath).yaml"
            if access(path, F_OK) == 0 { return try read(path, overrides) }
        }
        guard let text = BuiltInTestbeds.text(named: nameOrPath) else {
            throw .unknown(nameOrPath, known: names())
        }
        return try parse(text, file: "\(nameOrPath).yaml (built in)", overrides)
    }

    /// All names that `load` knows, sorted.
    package static func names() -> [String] {
        let files = directories().flatMap { directory in
            Directory.list(directory).filter { $0.hasSuffix(".yaml") }.map {
                String($0.dropLast(5))
            }
        }
        return Set(files + BuiltInTestbeds.texts.map(\.name)).sorted()
    }

    /// `testbeds` here, and in the package that the program was built in.
    private static func directories() -> [String] {
        var found = ["testbeds"]
        guard let program = try? Executable.own() else { return found }
        var parts = program.split(separator: "/").dropLast()
        while !parts.isEmpty {
            let root = "/" + parts.joined(separator: "/")
            if access("\(root)/Package.swift", F_OK) == 0 {
                found.append("\(root)/testbeds")
                break
            }
            parts.removeLast()
        }
        return found
    }

    private static func read(
        _ path: String, _ overrides: [LinkOverride]
    ) throws(Failure) -> Topology {
        let text: String
        do {
            text = try TextFile.read(path)
        } catch {
            throw .unreadable(error)
        }
        return try parse(text, file: path, overrides)
    }

    private static func parse(
        _ text: String, file: String, _ overrides: [LinkOverride]
    ) throws(Failure) -> Topology {
        do {
            return try Topology(parsing: text, file: file, overrides: overrides)
        } catch {
            throw .wrong(error)
        }
    }
}

extension TestbedLibrary.Failure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknown(let name, let known):
            "no testbed '\(name)'; there are \(known.joined(separator: ", ")), or give the path "
                + "of a file"
        case .unreadable(let error): error.description
        case .wrong(let error): error.description
        }
    }
}
