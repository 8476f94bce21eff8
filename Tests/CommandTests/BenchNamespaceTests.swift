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
struct BenchNamespaceTests {
    @Test func measuresBothStacks() throws {
        let outcome = try Tool.run(
            "bench", "--rounds", "1", "--duration", "100ms", "--connections", "70", "--idle", "60",
            "--quiet", "--format", "json")
        #expect(outcome.exit.isSuccess, "\(outcome.error)")
        let result = try JSONValue(parsing: outcome.output)
        #expect(result["schema"]?.asString == "mptcpctl.bench/1")
        guard case .array(let lines) = result["results"] else {
            Issue.record("no results")
            return
        }
        let names = lines.map { line in
            "\(line["name"]?.asString ?? "") \(line["variant"]?.asString ?? "")"
        }
        #expect(
            names == [
                "goodput one-subflow", "goodput one-subflow-offloads-off",
                "goodput first-path-alone", "goodput second-path-alone", "goodput two-subflows",
                "recovery loss-1", "recovery loss-5",
                "connections sequential", "connections parallel-64", "latency request-reply",
                "memory idle-connection", "memory packet-among-10", "memory packet-among-many",
            ])
        for (line, name) in zip(lines, names) {
            #expect(line["swift"]?[0]?.asDouble ?? 0 > 0, "\(name)")
            // What few connections cost the kernel drowns in what else it does.
            guard !name.hasPrefix("memory") else { continue }
            #expect(line["ratio"]?["median"]?.asDouble ?? 0 > 0, "\(name)")
        }
        // 70 Mbit/s are not exceeded; 200 ms are long enough for something to arrive.
        for stack in ["swift", "kernel"] {
            let goodput = lines.count > 4 ? lines[4][stack]?[0]?.asDouble ?? 0 : 0
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
