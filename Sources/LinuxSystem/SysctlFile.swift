internal import Glibc

/// A kernel parameter under /proc/sys. Those of the network belong to the calling thread's
/// namespace: call inside `NamespaceThread.run`, or give the namespace.
package struct SysctlFile: Hashable, Sendable {
    /// `net.ipv4.ip_forward`.
    package var name: String

    /// The parameter of this name, written with dots. A dot inside a part, as in an interface's
    /// name, is written as a slash, as `sysctl` has it.
    package init(_ name: String) { self.name = name }

    package var path: String {
        let parts = name.map { character -> Character in
            switch character {
            case ".": "/"
            case "/": "."
            default: character
            }
        }
        return "/proc/sys/" + String(parts)
    }

    /// `sysctl -n NAME`, without the line's end.
    package func read() throws(SystemError) -> String {
        var text = try TextFile.read(path)
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }

    /// `sysctl -w NAME=VALUE`.
    package func write(_ value: String) throws(SystemError) {
        let file = OwnedDescriptor(
            try checkedErrno(open(path, O_WRONLY | O_CLOEXEC), "open \(path)"))
        do {
            // The line's end makes an empty value a write at all.
            try file.write((value + "\n").utf8)
        } catch {
            throw SystemError("write \(path)", code: error.code)
        }
    }

    /// Reads and writes in one step: whoever else changes it by this call waits. `nil` leaves it as it is.
    package func update(_ change: (String) -> String?) throws(SystemError) {
        let lock = OwnedDescriptor(
            try checkedErrno(open(path, O_RDONLY | O_CLOEXEC), "open \(path)"))
        try checkedErrno(flock(lock.rawValue, LOCK_EX), "lock \(path)")
        defer { flock(lock.rawValue, LOCK_UN) }
        if let value = change(try read()) { try write(value) }
    }

    package func read(in namespace: NetworkNamespace) throws -> String {
        try NamespaceThread.run(in: namespace) { try read() }
    }

    package func write(_ value: String, in namespace: NetworkNamespace) throws {
        try NamespaceThread.run(in: namespace) { try write(value) }
    }
}
