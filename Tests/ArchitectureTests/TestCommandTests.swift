import LinuxSystem
import Testing

/// README's test command runs side by side what only computes, and then what builds networks in real
/// time, one after the other. What is which it tells by the tests' names.
@Suite struct TestCommandTests {
    private let tree: SourceTree
    private let command: String
    /// The expression that the names of the second part match.
    private let real: String

    init() throws {
        tree = try SourceTree.load()
        let readme = try TextFile.read("\(tree.root)/README.md")
        let line = readme.split(separator: "\n").first { $0.contains("swift test ") } ?? ""
        let parts = line.split(separator: "'", maxSplits: 2)
        try #require(parts.count == 3 && parts[0].hasSuffix("real="), "\(line)")
        command = String(line)
        real = String(parts[1])
    }

    /// How a test asks whether it may build networks.
    private static let gates = [
        "mayBuildNetworks", "canBuildNetworks", "EmulatedLink.isPossible",
        "KernelNamespace.isPossible", "TestNetwork.isPossible", "TestPrograms.isPossible",
    ]

    @Test func nothingFallsBetweenItsParts() {
        #expect(
            command.hasSuffix(
                "swift test --skip \"$real\" && swift test --no-parallel --filter \"$real\""))
    }

    @Test func whatBuildsNetworksRunsAlone() throws {
        let pattern = try Regex(real)
        let declarations = tree.tests.flatMap { TestDeclaration.all(in: $0) }
        let gated = declarations.filter { declaration in
            Self.gates.contains { CodeWords.contains($0, in: declaration.traits) }
        }
        #expect(gated.contains { $0.identifier == "CommandTests.SoakTests/inNamespaces(" })
        #expect(gated.contains { $0.identifier == "CommandTests.NamespaceRunTests/" })
        for declaration in gated {
            #expect(
                declaration.identifier.contains(pattern),
                "say in its name that \(declaration.identifier) is in namespaces")
        }
        #expect(!declarations.allSatisfy { $0.identifier.contains(pattern) })
    }

    /// A target that the expression misspells would run with the others.
    @Test func theTargetsThatItNamesAreThere() throws {
        let names = try #require(real.split(separator: "(").last?.split(separator: ")").first)
        for name in names.split(separator: "|") {
            #expect(tree.tests.contains { $0.target == "\(name)Tests" }, "\(name)")
        }
    }
}
