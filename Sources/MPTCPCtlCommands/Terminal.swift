internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// Results go to standard output, everything else to standard error.
enum Terminal {
    /// Prints a result, with an end of line if it has none. A failure shows in `outputFailure`.
    static func output(_ text: String) {
        if let code = write(terminated(text), to: STDOUT_FILENO) {
            _ = failure.compareExchange(expected: 0, desired: code, ordering: .relaxed)
        }
    }

    /// Prints a line to standard output for the program that reads it; `false` when it did not get there.
    static func tell(_ line: String) -> Bool { write(terminated(line), to: STDOUT_FILENO) == nil }

    /// Why a result did not reach standard output; `nil` if all did. A reader that went away had
    /// enough: that is no failure.
    static var outputFailure: String? {
        let code = failure.load(ordering: .relaxed)
        return code == 0 || code == EPIPE ? nil : SystemError.text(of: code)
    }

    /// The error number of the first failure, or 0.
    private static let failure = Atomic<Int32>(0)

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

    /// Returns the error number of what failed.
    @discardableResult
    private static func write(_ text: String, to descriptor: Int32) -> Int32? {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return count < 0 ? errno : EIO }
            bytes = bytes.dropFirst(count)
        }
        return nil
    }
}
