internal import Glibc
package import LinuxSystem
package import Topology

/// A testbed that stands for work by hand: a process of its own keeps it and takes it down when it
/// is told to end.
package struct TestbedKeeper: Hashable, Sendable {
    /// The keeper process.
    package var process: ProcessIdentity
    /// The name of the topology.
    package var label: String
    /// That, or the path of its file.
    package var testbed: String
    package var emulation: EmulationKind

    /// The words on a keeper's command line, before the testbed, the emulation, the label and the
    /// seed.
    package static let command = ["testbed", "keep"]

    /// How the testbed's namespaces are called.
    package var name: TestbedName { TestbedName(owner: process, suffix: Self.suffix) }

    /// Tells hand-made testbeds from those of experiments, whose suffix is longer.
    package static let suffix = "up"

    /// Whether a person means this one by a name or by the path of a file.
    package func isMeant(by text: String) -> Bool {
        if text == label { return true }
        guard text.contains("/") || text.hasSuffix(".yaml") else { return false }
        return testbed.split(separator: "/").last == text.split(separator: "/").last
    }

    /// All that this user runs, oldest first.
    package static func all() -> [TestbedKeeper] {
        Directory.list("/proc").compactMap { Int32($0) }.compactMap { find($0) }
            .sorted {
                ($0.process.startTime, $0.process.processID)
                    < ($1.process.startTime, $1.process.processID)
            }
    }

    private static func find(_ pid: Int32) -> TestbedKeeper? {
        var status = stat()
        guard stat("/proc/\(pid)", &status) == 0, status.st_uid == getuid(),
            let text = try? TextFile.read("/proc/\(pid)/cmdline")
        else { return nil }
        let words = text.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
        guard words.count >= 6, isThisProgram(words[0]), Array(words[1...2]) == command,
            let emulation = EmulationKind(rawValue: words[4]),
            let process = ProcessIdentity(of: pid)
        else { return nil }
        return TestbedKeeper(
            process: process, label: words[5], testbed: words[3], emulation: emulation)
    }

    private static func isThisProgram(_ word: String) -> Bool {
        guard let own = try? Executable.own() else { return false }
        return word == "/proc/self/exe"
            || word.split(separator: "/").last == own.split(separator: "/").last
    }

    // MARK: The keeper's side

    /// Builds a testbed and keeps it until SIGTERM or SIGINT.
    ///
    /// - Parameter onReady: Called once when it stands. When it throws, the testbed is taken down.
    package static func keep(
        _ topology: Topology, emulation: EmulationKind, seed: UInt64, onReady: () throws -> Void
    ) throws {
        let signals = try SignalDescriptor([SIGTERM, SIGINT])
        let testbed = try TestbedController.build(
            topology, emulation: emulation, suffix: suffix, seed: seed)
        defer { testbed.tearDown() }
        try onReady()
        let poll = try EventPoll()
        try poll.add(signals.rawValue, token: 0)
        while try signals.next() == nil { _ = try poll.wait(until: nil) }
    }

    // MARK: The other side

    /// Starts a keeper and waits until its testbed stands.
    package static func start(
        _ testbed: String, emulation: EmulationKind, label: String, seed: UInt64
    ) throws(TestbedError) -> TestbedKeeper {
        do {
            let answers = try Pipe()
            let errors = try MemoryFile()
            let child = try ChildProcess(
                try Executable.own(), command + [testbed, emulation.rawValue, label, String(seed)],
                streams: ChildProcess.Streams(
                    output: answers.writeEnd.rawValue, error: errors.descriptor.rawValue),
                diesWithParent: false)
            // It says one line, or ends.
            let answer = answers.keepingReadEnd()
            guard try !answer.read().isEmpty, let process = ProcessIdentity(of: child.processID)
            else {
                _ = child.wait()
                var words = try errors.text()
                while words.last?.isNewline == true { words.removeLast() }
                throw TestbedError("build \(testbed)", words)
            }
            return TestbedKeeper(
                process: process, label: label, testbed: testbed, emulation: emulation)
        } catch {
            throw TestbedError("start a keeper", error)
        }
    }

    /// Makes it take its testbed down, and waits for that.
    package func stop() throws(TestbedError) {
        do {
            let process = try ForeignProcess(process)
            try process.signal(SIGTERM)
            guard try process.awaitEnd(within: .seconds(20)) else {
                throw TestbedError("stop keeper \(self.process.processID)", "it does not end")
            }
        } catch let error as SystemError where error.isMissing {
            // It has ended by itself.
        } catch {
            throw TestbedError("stop keeper \(process.processID)", error)
        }
    }

    /// The namespace of a host. Moves this process to where it can be seen; call before any thread
    /// is started.
    package func namespace(_ host: TestbedHost) throws(TestbedError) -> NetworkNamespace {
        do {
            try ThisProcess.joinMounts(of: process.processID)
            return try NetworkNamespace(named: name.namespace(host))
        } catch {
            throw TestbedError("enter \(host.rawValue)", error)
        }
    }

    /// What differs from the plan. The same conditions as for `namespace`.
    package func verify(_ topology: Topology) throws(TestbedError) -> [String] {
        _ = try namespace(.client)
        return try TestbedController.attach(
            name, TestbedPlan(topology, emulation: emulation)
        ).verify()
    }
}
