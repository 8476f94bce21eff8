internal import Glibc

/// A process that is not mistaken for another one with the same number later: PID and start time.
/// Its text is part of the name of everything that a process makes outside itself, so that `gc`
/// can tell what nobody owns any more.
package struct ProcessIdentity: Hashable, Sendable {
    /// The number.
    package let processID: Int32
    /// Clock ticks from boot to its start (`/proc/PID/stat`, field 22).
    package let startTime: UInt64

    /// This process.
    package static func current() -> ProcessIdentity? { ProcessIdentity(of: getpid()) }

    /// The process that has this number now.
    package init?(of processID: Int32) {
        guard let text = try? TextFile.read("/proc/\(processID)/stat"),
            let end = text.lastIndex(of: ")")
        else { return nil }
        // Behind the name, which may hold anything, field 3 comes first.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let start = UInt64(fields[19]) else { return nil }
        self.processID = processID
        startTime = start
    }

    /// Reads what `description` wrote.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".")
        guard parts.count == 2, let processID = Int32(parts[0]), let start = UInt64(parts[1])
        else { return nil }
        self.processID = processID
        startTime = start
    }

    /// A name for something that this process makes outside itself, by which everybody can tell whose
    /// it is: `mptcpctl-<pid>.<start time>-<suffix>`.
    package static func ownedName(_ suffix: String) -> String {
        "mptcpctl-\(current()?.description ?? "0.0")-\(suffix)"
    }

    /// Whether it still runs.
    package var isAlive: Bool { ProcessIdentity(of: processID) == self }
}

extension ProcessIdentity: CustomStringConvertible {
    package var description: String { "\(processID).\(startTime)" }
}
