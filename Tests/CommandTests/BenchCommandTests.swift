import LinuxSystem
import NetworkPrimitives
import Scenario
import Testing

/// `bench` through the program: not how fast, but that everything is measured on both stacks.
@Suite(
    .serialized,
    .enabled(
        if: Tool.mayBuildNetworks && (try? SysctlFile("net.mptcp.enabled").read()) == "1",
        "needs root, or user namespaces, nft, and a kernel with MPTCP"))
struct BenchCommandTests {
    @Test func measuresBothStacks() throws {
        let outcome = try Tool.run(
            "bench", "--rounds", "1", "--duration", "100ms", "--connections", "70", "--idle", "60",
            "--quiet", "--format", "json")
        #expect(outcome.exit.isSuccess, "\(outcome.error)")
        let result = try JSONValue(parsing: outcome.output)
        #expect(result["rounds"]?.asInteger == 1)
        guard case .array(let lines) = result["lines"] else {
            Issue.record("no lines")
            return
        }
        let kinds = lines.compactMap { $0["benchmark"]?.asString }
        #expect(
            kinds == [
                "goodput", "goodput", "goodput", "goodput", "goodput", "connections",
                "connections", "latency", "memory", "memory", "memory",
            ])
        for line in lines {
            let name = line["name"]?.asString ?? ""
            let ours = line["swift"]?["median"]?.asDouble ?? 0
            #expect(ours > 0, "\(name)")
            // What few connections cost the kernel drowns in what else it does.
            guard line["benchmark"]?.asString != "memory" else { continue }
            #expect(line["ratio"]?["median"]?.asDouble ?? 0 > 0, "\(name)")
        }
        // 70 Mbit/s are not exceeded; 100 ms of one path alone are not nothing.
        let shaped = lines.first { $0["name"]?.asString == "50 + 20 Mbit/s, two subflows" }
        for stack in ["swift", "kernel"] {
            let goodput = shaped?[stack]?["median"]?.asDouble ?? 0
            #expect(goodput > 1 && goodput < 70, "\(stack)")
        }
    }

    @Test func saysWhatIsWrong() throws {
        let unknown = try Tool.run("bench", "speed")
        #expect(unknown.exit == .code(2))
        let none = try Tool.run("bench", "goodput", "--rounds", "0")
        #expect(none.exit == .code(2) && none.error.contains("--rounds"))
    }
}
