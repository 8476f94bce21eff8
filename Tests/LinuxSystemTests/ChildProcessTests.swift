import Glibc
import LinuxSystem
import NetworkPrimitives
import Testing

@Suite("Child processes")
struct ChildProcessTests {
    @Test("input, output, error, environment and exit code go where they should")
    func streams() throws {
        let outcome = try ChildProcess.run(
            "sh", ["-c", "cat; echo $WORD; echo bad >&2; exit 3"], input: "in ",
            environment: [("WORD", "word"), ("PATH", "/usr/bin:/bin")])
        #expect(
            outcome
                == ChildProcess.Outcome(exit: .code(3), output: "in word\n", error: "bad\n"))
    }

    @Test("a program that is missing is an error, not an exit code")
    func missing() {
        let error = #expect(throws: SystemError.self) {
            try ChildProcess("/nowhere/program", [])
        }
        #expect(error?.code == ENOENT)
        #expect(error?.call == "exec /nowhere/program")
        #expect(throws: SystemError.self) { try ChildProcess("no-such-program-at-all", []) }
    }

    @Test("signals end it and the exit says so")
    func signals() throws {
        let child = try ChildProcess("sleep", ["30"])
        #expect(child.poll() == nil)
        child.signal(SIGTERM)
        #expect(child.wait() == .signal(SIGTERM))
        #expect(child.poll() == .signal(SIGTERM))
        child.signal(SIGKILL)
    }

    @Test("a child lives on when the thread that asked for it ends")
    func survivesItsThread() throws {
        let child = try NamespaceThread.onFreshThread { try ChildProcess("sleep", ["30"]) }
        defer { child.terminate() }
        #expect(try ChildProcess.run("true", []).exit.isSuccess)
        #expect(child.poll() == nil)
    }

    /// The variable that makes this program play the parent of the test below.
    private static let role = "MPTCPCTL_TEST_PARENT"

    @Test("(the parent of the next test)", .enabled(if: getenv(role) != nil, "only when asked"))
    func parentRole() throws {
        let child = try ChildProcess("sleep", ["30"], streams: .inherited)
        try OwnedDescriptor(dup(1)).write("STARTED\n".utf8)
        _ = child.wait()
    }

    @Test("children die with their parent", .enabled(if: getenv(role) == nil, "asked for one"))
    func diesWithParent() throws {
        var ends = try Pipe.Ends()
        let parent = try ChildProcess(
            "/proc/self/exe", ["--testing-library", "swift-testing", "--filter", "parentRole"],
            environment: [(Self.role, "1"), ("PATH", "/usr/bin:/bin")],
            streams: .init(output: ends.write, error: ends.write))
        defer { parent.terminate() }
        ends.closeWrite()
        var text = ""
        while !text.contains("STARTED") {
            let part = try ends.read()
            try #require(!part.isEmpty, "the parent ended early: \(text)")
            text += String(decoding: part, as: UTF8.self)
        }
        let start = MonotonicClock.now()
        parent.terminate()
        // The pipe ends when the last one who can write to it is gone: the grandchild.
        while try !ends.read().isEmpty {}
        #expect(MonotonicClock.now() - start < .seconds(10))
    }
}

extension Pipe {
    /// A pipe whose ends are closed one by one.
    fileprivate struct Ends {
        private let readEnd: Box
        private var writeEnd: Box?

        final class Box {
            let descriptor: OwnedDescriptor
            init(_ raw: Int32) { descriptor = OwnedDescriptor(raw) }
        }

        init() throws {
            let pipe = try Pipe()
            // Copies, closed on exec as the originals are.
            readEnd = Box(fcntl(pipe.readEnd.rawValue, F_DUPFD_CLOEXEC, 3))
            writeEnd = Box(fcntl(pipe.writeEnd.rawValue, F_DUPFD_CLOEXEC, 3))
        }

        var write: Int32 { writeEnd?.descriptor.rawValue ?? -1 }
        mutating func closeWrite() { writeEnd = nil }
        func read() throws -> [UInt8] { try readEnd.descriptor.read() }
    }
}
