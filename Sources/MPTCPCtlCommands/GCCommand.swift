internal import ArgumentParser
internal import Scenario
internal import Testbed

/// `mptcpctl gc`
struct GCCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Remove what a killed run left behind, and nothing else.",
        discussion: """
            Namespaces, nft tables and processes of ours whose owner does not run any more, and what \
            such a one left unfinished in ./results. Runs that go on and things of others are not touched.
            """)

    @Flag(help: "Only say what would be removed.")
    var dryRun = false

    @Option(help: "Format of the output.")
    var format = OutputFormat.text

    func run() throws {
        let findings = GarbageCollector.collect(dryRun: dryRun)
        switch format {
        case .text: Terminal.output(text(findings))
        case .json:
            Terminal.output(
                JSONValue.array(
                    findings.map {
                        .members([
                            "kind": .string($0.kind.rawValue), "name": .string($0.name),
                            "removed": .bool(!dryRun && $0.failure == nil),
                            "failure": $0.failure.map { .string($0) } ?? .null,
                        ])
                    }
                ).pretty)
        }
        if findings.contains(where: { $0.failure != nil }) {
            throw CommandFailure.environment("not everything could be removed")
        }
    }

    private func text(_ findings: [GarbageCollector.Finding]) -> String {
        guard !findings.isEmpty else { return "nothing to remove" }
        let verb = dryRun ? "would remove" : "removed"
        return findings.map { finding in
            finding.failure.map { "cannot remove \(finding.kind.rawValue) \(finding.name): \($0)" }
                ?? "\(verb) \(finding.kind.rawValue) \(finding.name)"
        }.joined(separator: "\n")
    }
}
