internal import Glibc
package import LinuxSystem

/// Keeps the kernel's TCP away from a range of ports, so that it does not answer with RST what is
/// meant for a stack in user space. Packet sockets bound to all protocols still see everything.
///
/// Installs one nft table of its own and reserves the ports against the kernel's own choice; `remove`
/// takes back exactly that.
package final class KernelSilencer {
    package enum Failure: Error, Hashable, Sendable {
        /// The `nft` program is not installed.
        case toolMissing
        /// nft refused; its words.
        case refused(String)
        case system(SystemError)
    }

    /// The nft table, `netdev` family.
    package let table: String
    private let namespace: NetworkNamespace
    /// Ports that were not reserved before.
    private var reserved: PortRanges
    private var isInstalled = false

    private static let reservation = SysctlFile("net.ipv4.ip_local_reserved_ports")

    /// Silences the kernel for TCP to one range of ports.
    package convenience init(
        interfaces: [String], ports: ClosedRange<UInt16>, in namespace: NetworkNamespace,
        suffix: String = RandomBytes.suffix()
    ) throws(Failure) {
        try self.init(
            interfaces: interfaces, ports: PortRanges([ports]), in: namespace, suffix: suffix)
    }

    /// Silences the kernel for TCP to `ports` that comes in on `interfaces`.
    ///
    /// - Parameter suffix: Tells tables of several stacks in one namespace apart; letters, digits,
    ///   dots and hyphens. `gc` wants it to start with a `ProcessIdentity` and a hyphen.
    package init(
        interfaces: [String], ports: PortRanges, in namespace: NetworkNamespace,
        suffix: String = RandomBytes.suffix()
    ) throws(Failure) {
        self.namespace = namespace
        table = "mptcpctl-\(suffix)"
        reserved = PortRanges()
        do {
            // Newer kernels take a chain for a device that is not there: it would silence nothing.
            try NamespaceThread.run(in: namespace) {
                for interface in interfaces where if_nametoindex(interface) == 0 {
                    throw SystemError("interface \(interface)", code: errno)
                }
            }
        } catch {
            throw Self.failure(error)
        }
        try Self.runTool(
            Self.script(table: table, interfaces: interfaces, ports: ports), in: namespace)
        isInstalled = true
        do {
            reserved = try NamespaceThread.run(in: namespace) {
                var reserved = PortRanges()
                try Self.reservation.update { text in
                    let before = PortRanges(parsing: text)
                    reserved = ports.subtracting(before)
                    return before.union(ports).description
                }
                return reserved
            }
        } catch {
            try? remove()
            throw Self.failure(error)
        }
    }

    deinit { try? remove() }

    /// What nft is told.
    package static func script(
        table: String, interfaces: [String], ports: PortRanges
    ) -> String {
        let set = ports.description.split(separator: ",").joined(separator: ", ")
        var text = "table netdev \(table) {\n"
        for (index, interface) in interfaces.enumerated() {
            text += """
                  chain in\(index) {
                    type filter hook ingress device "\(interface)" priority 0; policy accept;
                    tcp dport { \(set) } drop
                  }

                """
        }
        return text + "}\n"
    }

    /// Takes back what was installed. No error when it is gone already.
    package func remove() throws(Failure) {
        guard isInstalled else { return }
        isInstalled = false
        var failure: Failure?
        do {
            // `add` first: then a table that is gone is no error.
            try Self.runTool(
                "add table netdev \(table)\ndelete table netdev \(table)\n", in: namespace)
        } catch {
            failure = error
        }
        do {
            let reserved = reserved
            try NamespaceThread.run(in: namespace) { try Self.release(reserved) }
        } catch {
            failure = failure ?? Self.failure(error)
        }
        if let failure { throw failure }
    }

    /// The ports of a table as `nft list table` prints it: what `script` put there.
    package static func ports(ofListing text: String) -> PortRanges {
        var ports = PortRanges()
        for line in text.split(separator: "\n") {
            let words = line.split { $0.isWhitespace || "{},".contains($0) }
            guard words.starts(with: ["tcp", "dport"]), words.last == "drop" else { continue }
            ports = ports.union(
                PortRanges(parsing: words.dropFirst(2).dropLast().joined(separator: ",")))
        }
        return ports
    }

    /// Gives ports back to the kernel's own choice that a silencer of the calling thread's namespace
    /// reserved and could not give back any more.
    package static func release(_ ports: PortRanges) throws(SystemError) {
        try reservation.update { text in
            let now = PortRanges(parsing: text)
            let left = now.subtracting(ports)
            return left == now ? nil : left.description
        }
    }

    private static func failure(_ error: any Error) -> Failure {
        .system(error as? SystemError ?? SystemError("silence the kernel", code: EIO))
    }

    private static func runTool(
        _ script: String, in namespace: NetworkNamespace
    ) throws(Failure) {
        guard let tool = try? Executable.find("nft") else { throw .toolMissing }
        let outcome: ChildProcess.Outcome
        do {
            outcome = try ChildProcess.run(tool, ["-f", "-"], input: script, in: namespace)
        } catch {
            throw .system(error)
        }
        guard outcome.exit.isSuccess else { throw .refused(outcome.error) }
    }
}

extension KernelSilencer.Failure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .toolMissing: "nft is not installed (package nftables)"
        case .refused(let words): "nft: \(words)"
        case .system(let error): error.description
        }
    }
}
