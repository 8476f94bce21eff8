import LinuxSystem
import Scenario
import Testing

/// Handovers over paths whose boxes rewrite what the captures are compared by.
@Suite struct MiddleboxHandoverTests {
    private static let boxes: [(name: String, old: String, new: String)] = [
        ("nat", "box: nat", "box: nat"),
        ("new-path", "", "box: nat"),
        ("sequence", "box: sequence", "box: sequence"),
        ("both", "box: nat", "box: sequence"),
    ]

    private func testbed(_ old: String, _ new: String) -> String {
        func list(_ box: String) -> String {
            box.isEmpty ? "" : "    middleboxes:\n      - \(box)\n"
        }
        return """
            name: boxes
            paths:
              - name: wifi
                client: 10.0.1.2/24
                router: 10.0.1.1
                rate: 50 Mbit/s
                rtt: 20 ms
            \(list(old))
              - name: lte
                client: 10.0.2.2/24
                router: 10.0.2.1
                rate: 20 Mbit/s
                rtt: 60 ms
            \(list(new))
            server:
              address: 10.0.9.1/24
              router: 10.0.9.254

            """
    }

    private func handover(
        _ old: String, _ new: String, _ arguments: String...
    ) throws -> (ChildProcess.Outcome, JSONValue) {
        try Tool.withTemporaryDirectory { directory in
            let file = "\(directory)/boxes.yaml"
            try TextFile.write(testbed(old, new), to: file)
            let outcome = try ChildProcess.run(
                Tool.path,
                [
                    "handover", file, "--quiet", "--format", "json", "--seed", "3", "--captures",
                    "none", "--output", "\(directory)/out",
                ] + arguments)
            return (outcome, (try? JSONValue(parsing: outcome.output)) ?? .null)
        }
    }

    @Test(arguments: boxes.indices) func inSimulation(_ index: Int) throws {
        let (_, old, new) = Self.boxes[index]
        for mode in ["break-before-make", "make-before-break"] {
            let (outcome, result) = try handover(
                old, new, "--backend", "simulation", "--runs", "1", "--mode", mode, "--workload",
                "stream")
            #expect(outcome.exit == .code(0), "\(outcome.error) \(outcome.output)")
            let resume = result["summary"]?["resume_ms"]?["median"]
            #expect(resume != nil && resume != .null)
        }
    }

    @Test(.enabled(if: Tool.mayBuildNetworks, "needs root, or user namespaces, and nft"))
    func inNamespaces() throws {
        let (outcome, _) = try handover(
            "box: nat", "box: sequence", "--backend", "netns", "--runs", "1", "--duration", "3s")
        #expect(outcome.exit == .code(0), "\(outcome.error) \(outcome.output)")
    }

    /// A path without MPTCP behind a NAT: what is left is TCP, and the two sides still are one flow.
    @Test func fallbackBehindATranslator() throws {
        let box = "box: options\n        segments: [syn]\n      - box: nat"
        let (outcome, _) = try handover(
            box, "", "--backend", "simulation", "--null", "--runs", "1", "--workload", "stream")
        #expect(outcome.exit == .code(0), "\(outcome.error) \(outcome.output)")
    }
}
