internal import LinuxSystem

/// What helps to understand a failed run: the state of both sides while they still stand.
struct DebugCollection {
    let files: ResultFiles
    /// Relative to them.
    let path: String

    private static let tools: [(file: String, program: String, arguments: [String])] = [
        ("nstat", "nstat", ["-asz"]), ("ss", "ss", ["-tMinoe"]), ("link", "ip", ["-s", "link"]),
        ("address", "ip", ["address"]), ("route", "ip", ["route", "show", "table", "all"]),
        ("rule", "ip", ["rule"]), ("neighbour", "ip", ["neighbour"]),
        ("qdisc", "tc", ["-s", "qdisc"]), ("mptcp", "ip", ["mptcp", "endpoint"]),
        ("sysctl", "sysctl", ["net.mptcp"]),
    ]

    /// Asks every tool that is installed; one that fails leaves its words.
    func collect(_ host: String, in namespace: NetworkNamespace, errorText: String) {
        for tool in Self.tools {
            guard
                let outcome = try? ChildProcess.run(
                    tool.program, tool.arguments, in: namespace)
            else { continue }
            try? files.write(outcome.output + outcome.error, to: "\(path)/\(host)-\(tool.file)")
        }
        if !errorText.isEmpty { try? files.write(errorText, to: "\(path)/\(host)-stderr") }
    }
}
