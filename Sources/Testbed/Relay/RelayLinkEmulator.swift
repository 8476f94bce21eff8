package import LinkModel
package import LinuxSystem
package import NetworkPrimitives
internal import Scenario
package import Topology

/// Links carried by one process of our own, `mptcpctl relay`, in the links' namespace.
package final class RelayLinkEmulator: LinkEmulator {
    private let process: ChildProcess
    private var input: OwnedDescriptor?
    private let output: OwnedDescriptor
    private let errors: MemoryFile
    private let poll: EventPoll
    private var lines = LineSplitter()
    package private(set) var hasRealTimePriority: Bool?

    /// Far more than an answer ever takes; a relay that needs longer is broken.
    private static let patience = Duration.seconds(5)

    /// Starts the process and waits until it carries frames.
    ///
    /// - Parameter program: The executable that has the `relay` subcommand; `nil` is this one.
    package init(
        _ links: [PlannedLink], in namespace: NetworkNamespace, seed: UInt64,
        program: String? = nil
    ) throws(TestbedError) {
        do {
            let commands = try Pipe()
            let answers = try Pipe()
            errors = try MemoryFile()
            process = try ChildProcess(
                try program ?? Executable.own(), ["relay"], in: namespace,
                streams: ChildProcess.Streams(
                    input: commands.readEnd.rawValue, output: answers.writeEnd.rawValue,
                    error: errors.descriptor.rawValue))
            input = commands.keepingWriteEnd()
            output = answers.keepingReadEnd()
            try output.setNonBlocking()
            poll = try EventPoll()
            try poll.add(output.rawValue, token: 0)
        } catch {
            throw TestbedError("start the relay", error)
        }
        do {
            try send(RelayConfiguration(links, seed: seed).json)
            hasRealTimePriority = try awaitAnswer("ready")["real_time"]?.asBool
        } catch {
            stop()
            throw error
        }
    }

    deinit { stop() }

    package func cut(_ link: Int) throws(TestbedError) -> Instant {
        try Self.time(of: command("cut", [.init("link", .integer(Int64(link)))]))
    }

    package func mend(_ link: Int) throws(TestbedError) {
        _ = try command("mend", [.init("link", .integer(Int64(link)))])
    }

    @discardableResult
    package func change(
        _ link: Int, up: LinkProfile, down: LinkProfile
    ) throws(TestbedError) -> Instant {
        try Self.time(
            of: command(
                "change",
                [
                    .init("link", .integer(Int64(link))), .init("up", up.json),
                    .init("down", down.json),
                ]))
    }

    package func begin(seed: UInt64) throws(TestbedError) {
        _ = try command("begin", [.init("seed", .string(String(seed)))])
    }

    package func statistics() throws(TestbedError) -> [LinkStatistics] {
        guard case .array(let links)? = try command("statistics")["links"] else {
            throw TestbedError("relay statistics", "an answer without links")
        }
        return links.compactMap { LinkStatistics($0) }
    }

    package func stop() {
        input = nil
        process.terminate()
    }

    // MARK: Talking

    private static func time(of answer: JSONValue) throws(TestbedError) -> Instant {
        guard let time = answer["time_ns"]?.asInteger else {
            throw TestbedError("relay", "an answer without time: \(answer.compact)")
        }
        return Instant(nanoseconds: time)
    }

    private func command(
        _ name: String, _ members: [JSONValue.Member] = []
    ) throws(TestbedError) -> JSONValue {
        try send(.object([.init("command", .string(name))] + members))
        return try awaitAnswer(name)
    }

    private func send(_ json: JSONValue) throws(TestbedError) {
        guard input != nil else { throw TestbedError("relay", "is stopped") }
        do {
            try input?.write((json.compact + "\n").utf8)
        } catch {
            throw story("cannot be told: \(error)")
        }
    }

    private func awaitAnswer(_ name: String) throws(TestbedError) -> JSONValue {
        let deadline = MonotonicClock.now() + Self.patience
        while MonotonicClock.now() < deadline {
            if let line = lines.next() {
                guard let answer = try? JSONValue(parsing: line),
                    answer["reply"]?.asString == name
                else { throw story("said '\(line)' for an answer to '\(name)'") }
                return answer
            }
            if lines.isAtEnd { throw story("ended") }
            do {
                _ = try poll.wait(until: deadline)
                if let bytes = try output.readAvailable() { lines.append(bytes) }
            } catch {
                throw story("cannot be heard: \(error)")
            }
        }
        throw story("did not answer to '\(name)'")
    }

    /// What it said on standard error belongs to the story.
    private func story(_ what: String) -> TestbedError {
        let words = (try? errors.text()) ?? ""
        return TestbedError("relay", words.isEmpty ? what : "\(what): \(words)")
    }
}
