import LinuxSystem
import Testing

@Suite struct ManualTests {
    /// `mptcpctl generate-manual` writes what is checked in.
    @Test func pagesAreCurrent() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try Tool.run("generate-manual", "--output", directory)
            #expect(outcome.exit == .code(0), "\(outcome.error)")
            let made = Directory.list(directory)
            let kept = Directory.list("\(Tool.package)/man").filter { $0.hasSuffix(".1") }
            #expect(made == kept, "run `mptcpctl generate-manual` after a change of commands")
            for file in made {
                let new = try TextFile.read("\(directory)/\(file)")
                let old = try? TextFile.read("\(Tool.package)/man/\(file)")
                #expect(new == old, "man/\(file) is stale: run `mptcpctl generate-manual`")
            }
        }
    }

    /// Every command has a page, and every page names its exit codes.
    @Test func everyCommandHasAPage() throws {
        let help = try Tool.run("--help").output
        for command in [
            "analyze", "bench", "compare", "connect", "doctor", "gc", "handover", "interop",
            "serve", "soak", "wireshark-plugin",
            "testbed",
        ] {
            #expect(help.contains(command))
            let page = try TextFile.read("\(Tool.package)/man/mptcpctl-\(command).1")
            #expect(page.contains(".SH EXIT STATUS"))
        }
    }
}
