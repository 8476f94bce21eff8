package import LinuxSystem
package import Scenario
package import Testbed
package import Topology

/// Finds scenario files by name or path.
package enum ScenarioLibrary {
    /// Why there is no scenario.
    package enum Failure: Error, Hashable, Sendable {
        /// Nothing has this name.
        case unknown(String, suggestion: String?)
        case unreadable(SystemError)
        case wrong(TopologyError)
    }

    /// The scenario of a file or name. What looks like a path is one; a name, or its part before the
    /// first hyphen, stands for what is built in.
    package static func load(_ nameOrPath: String) throws(Failure) -> ScenarioFile {
        if ScenarioFile.looksLikePath(nameOrPath) {
            let text: String
            do {
                text = try TextFile.read(nameOrPath)
            } catch {
                throw .unreadable(error)
            }
            return try parse(text, file: nameOrPath)
        }
        guard let (name, text) = BuiltInScenarios.find(nameOrPath) else {
            let names = BuiltInScenarios.texts.map(\.name)
            throw .unknown(nameOrPath, suggestion: Spelling.closest(to: nameOrPath, among: names))
        }
        return try parse(text, file: "\(name).yaml (built in)")
    }

    /// Everything that is built in, sorted by name.
    package static func builtIn() throws(Failure) -> [ScenarioFile] {
        try BuiltInScenarios.texts.map { scenario throws(Failure) in try load(scenario.name) }
    }

    private static func parse(_ text: String, file: String) throws(Failure) -> ScenarioFile {
        do {
            return try ScenarioFile(parsing: text, file: file, topology: TestbedLibrary.topology)
        } catch {
            throw .wrong(error)
        }
    }
}

extension ScenarioLibrary.Failure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknown(let name, let suggestion):
            "no scenario '\(name)'"
                + (suggestion.map { "; did you mean '\($0)'?" } ?? "")
                + "; --list-scenarios lists them, or give the path of a file"
        case .unreadable(let error): error.description
        case .wrong(let error): error.description
        }
    }
}

extension TestbedLibrary {
    /// The testbed, with what a cell of a comparison puts into it.
    package static func topology(
        _ testbed: String, _ links: [LinkOverride]
    ) throws(ComparisonProblem) -> Topology {
        let topology: Topology
        do {
            // What is wrong with the file itself has a place in it; what a cell puts there has none.
            topology = try load(testbed)
        } catch {
            throw ComparisonProblem("\(error)")
        }
        if links.isEmpty { return topology }
        do {
            return try load(testbed, overrides: links)
        } catch .wrong(let error) {
            throw ComparisonProblem(
                "\(error.field): \(error.message)", suggestion: error.suggestion)
        } catch {
            throw ComparisonProblem("\(error)")
        }
    }
}
