internal import Glibc
internal import LinuxSystem
internal import Scenario

/// What tells an endpoint to do something while it runs: signals, and lines on standard input.
final class EndpointControl {
    private let signals: SignalDescriptor
    private let poll: EventPoll
    private var readsInput: Bool
    private var pending: [UInt8] = []
    /// Whether a signal asked for the end.
    private(set) var wasInterrupted = false

    private static let signalToken: UInt64 = 1
    private static let inputToken: UInt64 = 2

    /// Blocks SIGINT, SIGTERM and SIGHUP: make it before anything starts a thread.
    init(readsInput: Bool) throws(CommandFailure) {
        self.readsInput = readsInput
        do throws(SystemError) {
            signals = try SignalDescriptor([SIGINT, SIGTERM, SIGHUP])
            poll = try EventPoll()
            try poll.add(signals.rawValue, token: Self.signalToken)
        } catch {
            throw .environment(error.description)
        }
        guard readsInput else { return }
        do {
            try poll.add(STDIN_FILENO, token: Self.inputToken)
        } catch {
            throw .usage("--control needs a pipe or a terminal as standard input")
        }
    }

    /// Readable when `take` yields something.
    var descriptor: Int32 { poll.descriptor }

    /// The commands that came since the last call.
    func take() -> [EndpointCommand] {
        var commands: [EndpointCommand] = []
        guard let ready = try? poll.poll() else { return [.stop] }
        for entry in ready {
            if entry.token == Self.signalToken {
                while let signal = try? signals.next(), signal > 0 {
                    wasInterrupted = true
                    commands.append(.stop)
                }
            } else if readsInput {
                commands += readInput()
            }
        }
        return commands
    }

    private func readInput() -> [EndpointCommand] {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = read(STDIN_FILENO, &buffer, buffer.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return [] }
        guard count > 0 else {
            // The end stays readable.
            poll.remove(STDIN_FILENO)
            readsInput = false
            return [.stop]
        }
        pending += buffer[..<count]
        var commands: [EndpointCommand] = []
        while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: pending[..<end], as: UTF8.self)
            pending.removeSubrange(...end)
            if let command = EndpointCommand(line: line) {
                commands.append(command)
            } else if !line.allSatisfy(\.isWhitespace) {
                Terminal.error("not a command: \(line)")
            }
        }
        return commands
    }
}
