package import LinuxSystem
internal import NetworkPrimitives
package import Scenario

/// An endpoint in a process of its own: `mptcpctl serve` or `mptcpctl connect` in a host's
/// namespace. It reports events as lines on its standard output and takes commands on its standard
/// input; it dies with this process.
package final class EndpointProcess {
    /// `client` or `server`.
    package let name: String
    private let process: ChildProcess
    private let input: OwnedDescriptor
    private let output: OwnedDescriptor
    private let errors: MemoryFile
    private var pending: [UInt8] = []
    /// Every event so far.
    package private(set) var events: [EventRecord] = []
    /// Whether it has closed its output: it is at its end.
    package private(set) var isAtEnd = false

    /// Starts this program with other arguments in `namespace`, by a program that runs programs if
    /// `wrapper` names one and its arguments. `program` is the executable that has the `serve` and
    /// `connect` subcommands; `nil` is this one.
    package init(
        _ name: String, arguments: [String], wrapper: [String] = [],
        in namespace: NetworkNamespace, program: String? = nil
    ) throws(SystemError) {
        self.name = name
        let commands = try Pipe()
        let reports = try Pipe()
        errors = try MemoryFile()
        let program = if let program { program } else { try Executable.own() }
        let words = wrapper + [program] + arguments
        process = try ChildProcess(
            words[0], Array(words.dropFirst()), in: namespace,
            streams: .init(
                input: commands.readEnd.rawValue, output: reports.writeEnd.rawValue,
                error: errors.descriptor.rawValue))
        input = commands.keepingWriteEnd()
        output = reports.keepingReadEnd()
        try output.setNonBlocking()
    }

    /// The process's number.
    package var processID: Int32 { process.processID }

    /// For the event loop: readable when events are waiting.
    package var descriptor: Int32 { output.rawValue }

    /// Takes in what it has reported since; returns the new events.
    package func readEvents() throws(SystemError) -> [EventRecord] {
        let first = events.count
        while let bytes = try output.readAvailable() {
            if bytes.isEmpty {
                isAtEnd = true
                break
            }
            pending += bytes
        }
        while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: pending[..<end], as: UTF8.self)
            pending.removeSubrange(...end)
            if let event = EventRecord(line: line) { events.append(event) }
        }
        return Array(events[first...])
    }

    /// Sends a command line. A process that is gone does not take it: its end says more.
    package func command(_ command: EndpointCommand) {
        try? input.write((JSONValue.object(command.members).compact + "\n").utf8)
    }

    /// The first event of this name.
    package func event(_ name: String) -> EventRecord? { events.first { $0.name == name } }

    /// What its end of the workload saw; `nil` if it never said.
    package var summary: WorkloadSummary? {
        events.lazy.compactMap { WorkloadSummary(event: $0) }.first
    }

    /// How it ended, `nil` while it runs.
    package var exit: ChildProcess.Exit? { process.poll() }

    /// Kills it, if it still runs, and waits for its end.
    package func terminate() { process.terminate() }

    /// Waits for its end after `isAtEnd`.
    package func wait() -> ChildProcess.Exit { process.wait() }

    /// What it wrote to its standard error.
    package var errorText: String { (try? errors.text()) ?? "" }

    /// How it ended and what it said last, for whoever has to say that it should not have.
    package var story: String {
        let words = errorText.split(separator: "\n").last.map { ": \($0)" } ?? ""
        return switch exit {
        case .code(let code): "the \(name) ended with exit code \(code)\(words)"
        case .signal(let number): "the \(name) was ended by signal \(number)\(words)"
        case nil: "the \(name) closed its output\(words)"
        }
    }
}
