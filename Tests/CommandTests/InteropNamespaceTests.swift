import LinuxSystem
import Scenario
import Testing

/// The pairwise selection of the interoperability matrix, as a user runs it.
@Suite(
    .serialized,
    .enabled(if: Tool.mayBuildNetworks && Tool.hasKernelMPTCP, "needs root, nft and kernel MPTCP"))
struct InteropNamespaceTests {
    @Test func everyPairOfValuesPasses() throws {
        let outcome = try Tool.run("interop", "--quiet", "--format", "json")
        let report = try JSONValue(parsing: outcome.output)
        #expect(report["schema"]?.asString == "mptcpctl.interop/1")
        guard case .array(let cells)? = report["cells"] else {
            Issue.record("no cells: \(outcome.error)")
            return
        }
        #expect(cells.count >= 50)
        for cell in cells {
            #expect(
                cell["outcome"]?.asString == "passed",
                "\(cell["cell"]?.asString ?? ""): \(cell["reasons"]?.compact ?? "")")
            // The kernel counted: it was asked, and it took part.
            #expect(cell["kernel_counters"]?["MPCurrEstab"] == nil)
            let counted =
                cell["kernel_counters"]?["MPCapableSYNTX"]
                ?? cell["kernel_counters"]?["MPCapableSYNRX"]
            #expect((counted?.asInteger ?? 0) >= 1)
        }
        #expect(outcome.exit == .code(0))
    }

    @Test func aSelectionThatIsEmptyIsAnError() throws {
        let outcome = try Tool.run("interop", "--only", "nonesuch")
        #expect(outcome.exit == .code(2))
        #expect(outcome.error.contains("nonesuch"))
    }
}
