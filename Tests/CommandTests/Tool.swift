import LinuxSystem
import Testing

/// The built program, which lies beside the test bundle.
enum Tool {
    /// Its path.
    static let path: String = {
        let own = (try? Executable.own()) ?? ""
        let directory = own.split(separator: "/").dropLast().joined(separator: "/")
        // The test runner is a program of the toolchain on some systems; then the bundle's own
        // place, which it is given as an argument, counts.
        let candidates =
            ["/\(directory)/mptcpctl"]
            + CommandLine.arguments.compactMap { argument in
                argument.contains(".xctest")
                    ? argument.split(separator: "/", omittingEmptySubsequences: false)
                        .prefix { !$0.hasSuffix(".xctest") }.joined(separator: "/") + "/mptcpctl"
                    : nil
            }
        return candidates.first { Directory.exists($0) } ?? "mptcpctl"
    }()

    /// The root of the package: three directories up from this file.
    static let package = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// Whether real networks can be built here.
    static let mayBuildNetworks =
        (Capabilities.effective().canBuildNetworks || Capabilities.userNamespacesAllowed())
        && (try? Executable.find("nft")) != nil

    /// Whether the kernel's MPTCP can be talked to.
    static let hasKernelMPTCP = (try? SysctlFile("net.mptcp.enabled").read()) == "1"

    /// Runs it to its end.
    static func run(_ arguments: String...) throws -> ChildProcess.Outcome {
        try ChildProcess.run(path, arguments)
    }

    /// A directory that goes when `body` ends.
    static func withTemporaryDirectory<Result>(
        _ body: (String) throws -> Result
    ) throws -> Result {
        let path = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        try Directory.make(path)
        defer { try? Directory.remove(path) }
        return try body(path)
    }
}
