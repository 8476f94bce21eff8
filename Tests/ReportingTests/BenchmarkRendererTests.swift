import Reporting
import Scenario
import Testing

@Suite struct BenchmarkRendererTests {
    private static let environment = RunEnvironment(kernel: "6.18", version: "1")

    @Test func whatDoesNotCountIsSaid() throws {
        var line = BenchmarkLine(
            .memory, "idle", "an idle connection", unit: "octets", better: .lower)
        for (ours, kernels) in [(12_000.0, 6_000.0), (12_000, -500), (12_000, 8_000)] {
            line.add(ours, .swift)
            line.add(kernels, .kernel)
        }
        var result = BenchmarkResult(rounds: 3, environment: Self.environment)
        result.lines = [line]
        #expect(line.uncountedRounds == 1)
        #expect(BenchmarkRenderer.text(result).contains("1 of 3 rounds without a ratio"))
        let json = try JSONValue(parsing: BenchmarkRenderer.json(result))
        #expect(json["failure"] == .null)
        guard case .array(let lines)? = json["results"] else {
            Issue.record("no results")
            return
        }
        #expect(lines[0]["ratio"]?["rounds"]?.asInteger == 2)
    }

    @Test func aFailureStandsBehindWhatWasMeasured() {
        var result = BenchmarkResult(rounds: 1, environment: Self.environment)
        var line = BenchmarkLine(.goodput, "one", "veth", unit: "Mbit/s", better: .higher)
        line.add(5, .swift)
        result.lines = [line]
        result.failure = "a connection was not MPTCP"
        let text = BenchmarkRenderer.text(result)
        #expect(text.contains("veth, Mbit/s"))
        #expect(text.hasSuffix("FAILED: a connection was not MPTCP\n"))
    }
}
