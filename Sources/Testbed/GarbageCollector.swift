internal import Glibc
internal import LinuxSystem
internal import PacketDevice

/// Removes what a process of ours left behind that was killed: namespaces with all that is in them,
/// our own processes that live there, nft tables and the ports that were reserved with them, and results
/// that were never finished. A thing is ours by its name, and garbage when the process in its name does
/// not run any more. Nothing else is touched.
package enum GarbageCollector {
    /// Something that was removed, or would be.
    package struct Finding: Hashable, Sendable {
        package enum Kind: String, Hashable, Sendable {
            case process
            case table = "nft table"
            case namespace
            case results = "unfinished results"
        }

        package var kind: Kind
        package var name: String
        /// Why it could not be removed; `nil` when it was.
        package var failure: String?
    }

    /// Looks for garbage and removes it.
    ///
    /// - Parameters:
    ///   - dryRun: Only look.
    ///   - series: Where experiments leave their results when nobody says where.
    /// - Returns: What was found, in the order of its removal.
    package static func collect(
        dryRun: Bool = false, results series: String = "results"
    ) -> [Finding] {
        let namespaces = NetworkNamespace.list().filter { isGarbage($0) }
        var findings: [Finding] = []
        for (pid, name) in processes(in: namespaces) {
            findings.append(
                remove(.process, "\(pid) in \(name)", dryRun) { () throws(SystemError) in
                    try checkedErrno(kill(pid, SIGKILL), "kill \(pid)")
                })
        }
        for (family, table) in tables() {
            findings.append(
                remove(.table, "\(family) \(table)", dryRun) { () throws(SystemError) in
                    try deleteTable(family, table)
                })
        }
        for name in namespaces {
            findings.append(
                remove(.namespace, name, dryRun) { () throws(SystemError) in
                    try NetworkNamespace.delete(named: name)
                })
        }
        return findings + collectResults(in: series, dryRun: dryRun)
    }

    /// The same for results in a directory alone.
    package static func collectResults(in series: String, dryRun: Bool = false) -> [Finding] {
        Directory.list(series).filter { isUnfinished($0) }.compactMap { name in
            let path = "\(series)/\(name)"
            // Its owner may live in another container.
            guard let lock = try? Directory.lock(path) else { return nil }
            return withExtendedLifetime(lock) {
                remove(.results, path, dryRun) { () throws(SystemError) in
                    try Directory.remove(path)
                }
            }
        }
    }

    /// `<day>-<time>-<testbed>-<mode>.partial-<owner>`, of an owner that has ended.
    private static func isUnfinished(_ name: String) -> Bool {
        let times = name.split(separator: "-", maxSplits: 2).prefix(2)
        guard times.map(\.count) == [8, 6], times.joined().allSatisfy(\.isNumber),
            let end = name.ranges(of: ".partial-").last?.upperBound,
            let owner = ProcessIdentity(name[end...])
        else { return false }
        return !owner.isAlive
    }

    private static func remove(
        _ kind: Finding.Kind, _ name: String, _ dryRun: Bool,
        _ action: () throws(SystemError) -> Void
    ) -> Finding {
        guard !dryRun else { return Finding(kind: kind, name: name) }
        do {
            try action()
            return Finding(kind: kind, name: name)
        } catch {
            // Somebody else may have been quicker.
            return Finding(
                kind: kind, name: name, failure: error.isMissing ? nil : error.description)
        }
    }

    private static func isGarbage(_ name: String) -> Bool {
        guard let owner = TestbedName.owner(of: name) else { return false }
        return !owner.isAlive
    }

    // MARK: Processes

    /// Processes of this program in these namespaces.
    private static func processes(in names: [String]) -> [(pid: Int32, namespace: String)] {
        var identities: [UInt64: String] = [:]
        for name in names {
            guard let namespace = try? NetworkNamespace(named: name),
                let identity = try? namespace.identity()
            else { continue }
            identities[identity] = name
        }
        guard !identities.isEmpty else { return [] }
        let own = getpid()
        return Directory.list("/proc").compactMap { Int32($0) }.sorted().compactMap { pid in
            guard pid != own, isOurProgram(pid),
                let identity = try? NetworkNamespace(processID: pid).identity(),
                let name = identities[identity]
            else { return nil }
            return (pid, name)
        }
    }

    /// Whether a process runs a program of this one's name: after an update the file is another one.
    private static func isOurProgram(_ pid: Int32) -> Bool {
        guard let program = link("/proc/\(pid)/exe") else { return false }
        let name = program.split(separator: "/").last.map(String.init) ?? ""
        return name == "mptcpctl" || name == "mptcpctl (deleted)"
            || program == link("/proc/self/exe")
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    // MARK: nft tables

    /// Tables of the current namespace; none where there is no nft.
    private static func tables() -> [(family: String, name: String)] {
        guard let outcome = try? ChildProcess.run("nft", ["list", "tables"]),
            outcome.exit.isSuccess
        else { return [] }
        return parseTables(outcome.output).filter { isGarbage($0.name) }
    }

    /// Reads lines such as `table netdev mptcpctl-1.2-abc`.
    static func parseTables(_ text: String) -> [(family: String, name: String)] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 3, words[0] == "table" else { return nil }
            return (words[1], words[2])
        }
    }

    /// A stack that kept the kernel silent on some ports reserved them, too: the table tells which.
    static func deleteTable(_ family: String, _ name: String) throws(SystemError) {
        let listing = try ChildProcess.run("nft", ["-n", "list", "table", family, name])
        let outcome = try ChildProcess.run("nft", ["delete", "table", family, name])
        guard outcome.exit.isSuccess else {
            throw SystemError("nft delete table \(family) \(name)", code: EIO)
        }
        try KernelSilencer.release(KernelSilencer.ports(ofListing: listing.output))
    }
}
