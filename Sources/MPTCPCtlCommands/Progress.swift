internal import Experiment
internal import Logging
internal import Reporting
internal import Synchronization

/// Progress on standard error: one line that is written over on a terminal, plain lines elsewhere.
/// From any thread.
final class Progress: Sendable {
    private let isQuiet: Bool
    let isTerminal = Terminal.errorIsTerminal
    private let logger: Logger
    private let hasOpenLine = Mutex(false)

    init(isQuiet: Bool) {
        self.isQuiet = isQuiet
        logger = Logger(label: "mptcpctl") { _ in PlainLogHandler() }
    }

    /// Tells how far an experiment is.
    func report(_ progress: ExperimentRunner.Progress, of runs: Int) {
        switch progress {
        case .stage(let text): report(text)
        case .run(let result): report(TextRenderer.progress(result, of: runs))
        }
    }

    /// Tells what is being done.
    func report(_ text: String) {
        if isQuiet { return }
        if isTerminal {
            hasOpenLine.withLock { hasOpenLine in
                Terminal.rawError("\r\u{1b}[K\(text)", isTerminated: false)
                hasOpenLine = true
            }
        } else {
            logger.info("\(text)")
        }
    }

    /// Leaves the terminal as it was.
    func finish() {
        hasOpenLine.withLock { hasOpenLine in
            if hasOpenLine { Terminal.rawError("\r\u{1b}[K", isTerminated: false) }
            hasOpenLine = false
        }
    }
}

/// Log messages as plain lines on standard error; warnings and worse carry their level.
struct PlainLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let level = event.level >= .warning ? "\(event.level): " : ""
        Terminal.rawError("\(level)\(event.message)")
    }
}
