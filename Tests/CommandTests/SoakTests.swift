import LinuxSystem
import Scenario
import Testing

/// Slices of the soak, through the program.
@Suite struct SoakTests {
    private func soak(_ arguments: String...) throws -> (ChildProcess.Outcome, JSONValue) {
        let outcome = try ChildProcess.run(
            Tool.path, ["soak", "--quiet", "--format", "json", "--seed", "11"] + arguments)
        return (outcome, (try? JSONValue(parsing: outcome.output)) ?? .null)
    }

    private func expectPassed(_ outcome: ChildProcess.Outcome, _ result: JSONValue, breaks: Int64) {
        #expect(outcome.exit == .code(0), "\(outcome.error) \(result["complaints"]?.compact ?? "")")
        #expect(result["intact"]?.asBool == true)
        #expect((result["breaks"]?.asInteger ?? 0) >= breaks)
        #expect((result["delivered_bytes"]?.asInteger ?? 0) > 1_000_000)
        #expect((result["reinjected_bytes"]?.asInteger ?? 0) > 0)
    }

    /// Twenty seconds of virtual time over slow paths: eight breaks, four of them silent.
    @Test(arguments: ["upload", "download"])
    func inVirtualTime(direction: String) throws {
        let (outcome, result) = try soak(
            "multimob", "--backend", "simulation", "--duration", "20s", "--direction", direction)
        expectPassed(outcome, result, breaks: 8)
    }

    @Test(.enabled(if: Tool.mayBuildNetworks, "needs root, or user namespaces, and nft"))
    func inNamespaces() throws {
        let (outcome, result) = try soak(
            "multimob", "--backend", "netns", "--duration", "9s", "--flap", "1s")
        expectPassed(outcome, result, breaks: 7)
    }

    /// A limit that no break can meet: the judgement is not for show.
    @Test func aStallFails() throws {
        let (outcome, result) = try soak(
            "multimob", "--backend", "simulation", "--duration", "10s", "--stall-limit", "5ms")
        #expect(outcome.exit == .code(1))
        #expect(result["complaints"]?.compact.contains("nothing came for") == true)
    }
}
