internal import Glibc

/// Results go to standard output, everything else to standard error.
enum Terminal {
    /// Prints a result, with an end of line if it has none.
    static func output(_ text: String) { write(terminated(text), to: STDOUT_FILENO) }

    /// Prints an error as `mptcpctl: MESSAGE`.
    static func error(_ text: String) { write("mptcpctl: \(terminated(text))", to: STDERR_FILENO) }

    /// Prints to standard error as it is.
    static func rawError(_ text: String, isTerminated: Bool = true) {
        write(isTerminated ? terminated(text) : text, to: STDERR_FILENO)
    }

    /// Whether a person looks at standard error, and how it may be coloured.
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    private static func terminated(_ text: String) -> String {
        text.hasSuffix("\n") ? text : text + "\n"
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
