import LinuxSystem
import NetworkPrimitives
import Scenario
import Testing

/// Runs on another kernel what this one cannot do.
@Suite(
    "On a stock kernel", .serialized,
    .enabled(if: VirtualMachine.obstacle == nil, "\(VirtualMachine.obstacle ?? "")"))
struct VirtualMachineTests {
    /// This very test program. Where a program of the toolchain runs the tests, they are in a
    /// bundle that is a program, too.
    private static let testProgram: String = {
        let own = (try? Executable.own()) ?? ""
        if own.hasSuffix(".xctest") { return own }
        return CommandLine.arguments.first { $0.hasPrefix("/") && $0.hasSuffix(".xctest") } ?? own
    }()

    /// `mptcpctl`, which is built beside it.
    private static let tool =
        "/" + testProgram.split(separator: "/").dropLast().joined(separator: "/") + "/mptcpctl"

    private static let linkTests = VirtualMachine.Command(
        program: testProgram,
        arguments: [
            "--testing-library", "swift-testing", "--no-parallel", "--filter",
            "^NetemTests\\.(NetemNamespaceTests|IngressFilterNamespaceTests)/",
        ])

    private static let handovers = [
        [], ["--mode", "make-before-break", "--client", "kernel", "--server", "kernel"],
    ].map { more in
        VirtualMachine.Command(
            program: tool,
            arguments: [
                "handover", "--backend", "netns", "--link-emulation", "netem", "--runs", "1",
                "--seed", "7", "--format", "json", "--quiet", "--workload", "stream", "--break-at",
                "800ms", "--duration", "2s",
            ] + more)
    }

    /// What became of all of them. The machine boots once.
    private static let outcomes = Result {
        try VirtualMachine(kernel: try GuestKernel.prepare()).run([linkTests] + handovers)
    }

    @Test("links on netem are what their profiles say")
    func links() throws {
        let outcome = try Self.outcomes.get()[0]
        let text = outcome.output + outcome.error
        #expect(outcome.status == 0, "\(text)")
        for suite in ["Netem", "Links on netem", "Chance on netem", "Ingress filters"] {
            #expect(text.contains("Suite \"\(suite)\" passed"), "\(text)")
        }
    }

    @Test("a handover over netem, our stack's and the kernel's")
    func handover() throws {
        var results: [JSONValue] = []
        for outcome in try Self.outcomes.get().dropFirst() {
            #expect(outcome.status == 0, "\(outcome.error)")
            let result = try JSONValue(parsing: outcome.output)
            #expect(result["configuration"]?["link_emulation"]?.asString == "netem")
            let run = try #require(result["runs"]?[0])
            #expect(run["outcome"]?.asString == "completed", "\(run)")
            #expect(run["bytes"]?["intact"]?.asBool == true, "\(run)")
            results.append(run)
        }
        // In exact time a standard join costs what the protocol costs, two round trips and a half; and
        // each instruction a nanosecond, of which unoptimised programs take more.
        #if DEBUG
            let margin = 12.0
        #else
            let margin = 5.0
        #endif
        let resume = try #require(results[0]["resume_ms"]?.asDouble)
        let limit = try #require(results[0]["limit_ms"]?.asDouble)
        #expect(resume > limit && resume < limit + margin, "\(resume) ms, limit \(limit) ms")
        let join = try #require(results[0]["join_latency_ms"]?.asDouble)
        #expect(join > 120 && join < 120 + margin, "\(join) ms")
    }
}
