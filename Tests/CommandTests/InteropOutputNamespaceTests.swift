import LinuxSystem
import Testing

/// `interop --output` touches nothing that it did not make.
@Suite(
    .serialized,
    .enabled(if: Tool.mayBuildNetworks && Tool.hasKernelMPTCP, "needs root, nft and kernel MPTCP"))
struct InteropOutputNamespaceTests {
    private static let cell = "client/v4/csum-off/1sf/close/none/no-loss/sockets"

    @Test func anExistingDirectoryIsRefused() throws {
        try Tool.withTemporaryDirectory { directory in
            try Directory.make("\(directory)/1")
            try TextFile.write("precious\n", to: "\(directory)/1/notes")
            let outcome = try Tool.run("interop", "--only", Self.cell, "--output", directory)
            #expect(outcome.exit == .code(2))
            #expect(outcome.error.contains("exists already"))
            #expect(try TextFile.read("\(directory)/1/notes") == "precious\n")
        }
    }

    @Test func aPlaceWhereNothingCanBeWrittenIsAnError() throws {
        let outcome = try Tool.run("interop", "--only", Self.cell, "--output", "/proc/nothing")
        #expect(outcome.exit == .code(2))
        #expect(outcome.error.contains("--output /proc/nothing"))
    }

    @Test func nothingIsLeftWhereNothingFailed() throws {
        try Tool.withTemporaryDirectory { directory in
            let outcome = try Tool.run(
                "interop", "--quiet", "--only", Self.cell, "--output", "\(directory)/out")
            #expect(outcome.exit == .code(0), "\(outcome.output)")
            #expect(!Directory.exists("\(directory)/out"))
        }
    }

    @Test func valuesThatNobodyHasAreNamed() throws {
        let outcome = try Tool.run("interop", "--only", "v6", "--only", "v4")
        #expect(outcome.exit == .code(2))
        #expect(outcome.error.contains("no cell has all of: v6, v4"))
    }
}
