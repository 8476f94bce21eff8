internal import ArgumentParser
internal import Experiment
internal import Reporting
internal import Scenario
internal import Synchronization

/// `mptcpctl interop`
struct InteropCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interop",
        abstract: "Talk MPTCP with the Linux kernel in every way that there is, and judge it.",
        discussion: """
            Each cell is one conversation: our stack as client or server, IPv4 or IPv6, DSS checksums \
            asked for by nobody, by us or by the kernel, one to three subflows, an end (close, \
            half-close, an abort from either side), something said on the way (ADD_ADDR, REMOVE_ADDR, \
            MP_PRIO, from either side), without loss or with 1 %, the kernel's sockets used by a \
            program that asks for MPTCP or by one that mptcpize runs. A cell passes when every octet \
            arrived, or the abort was seen, and the kernel's MPTCP counters say what the cell is about \
            and count nothing that it is not about.

            Without --full a selection in which any two values of two axes meet. Ends with 1 when a \
            cell fails.
            """)

    @Flag(help: "Every cell; takes a quarter of an hour and more.")
    var full = false

    @Option(
        parsing: .unconditional, help: "Cells of the selection: pairs first, then drawn at random.")
    var cells = 50

    @Option(parsing: .unconditional, help: "Seed of the selection.")
    var seed: UInt64 = 1

    @Option(
        name: .customLong("only"),
        help: ArgumentHelp(
            "Only cells with this value (may repeat).",
            discussion: """
                Such as v6, csum-ours, 2sf, half-close, we-remove, loss (see the table), or the name \
                of a cell. The selection is made among them.
                """))
    var only: [String] = []

    @Option(name: .shortAndLong, parsing: .unconditional, help: "Conversations at a time.")
    var jobs = 4

    @Option(help: "Directory for captures and events of cells that fail; must not exist yet.")
    var output: String?

    @Option(help: "How the results are printed: a table, JSON, or a Markdown summary.")
    var format = InteropFormat.text

    @Flag(help: "No progress.")
    var quiet = false

    mutating func validate() throws {
        if jobs < 1 { throw ValidationError("--jobs is at least 1") }
        if cells < 1 { throw ValidationError("--cells is at least 1") }
    }

    func run() throws {
        let chosen = selection()
        if chosen.isEmpty {
            throw CommandFailure.usage("no cell has all of: \(only.joined(separator: ", "))")
        }
        var configuration = InteropSuite.Configuration(version: CommandLineTool.version)
        configuration.jobs = jobs
        configuration.output = output
        let progress = InteropProgress(count: chosen.count, isQuiet: quiet)
        let report: InteropReport
        do {
            report = try InteropSuite(chosen, configuration).run { result, _ in
                progress.note(result)
            }
        } catch {
            throw CommandFailure(error)
        }
        switch format {
        case .text: Terminal.output(InteropRenderer.text(report))
        case .json: Terminal.output(InteropRenderer.json(report))
        case .markdown: Terminal.output(InteropRenderer.markdown(report))
        }
        if report.hasFailed { throw CommandFailure.failed() }
    }

    private func selection() -> [InteropCell] {
        let matrix = InteropMatrix.all(applications: InteropSuite.applications).filter { cell in
            only.allSatisfy { cell.values.contains($0) || cell.name == $0 }
        }
        if full { return matrix.cells }
        let selection = matrix.selection(count: cells, seed: seed)
        // Where a stack lacks something for every one of them, that is the answer.
        return selection.cells.isEmpty ? matrix.cells : selection.cells
    }
}

/// How `interop` prints.
enum InteropFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
    case markdown
}

/// Counts what is done, on whichever thread.
private final class InteropProgress: Sendable {
    private let count: Int
    private let isQuiet: Bool
    private let done = Mutex(0)

    init(count: Int, isQuiet: Bool) {
        self.count = count
        self.isQuiet = isQuiet
    }

    func note(_ result: InteropResult) {
        let number = done.withLock { done in
            done += 1
            return done
        }
        // Of a long run only what went wrong is worth a line each.
        guard !isQuiet, result.outcome == .failed || count <= 100 || number % 100 == 0 else {
            return
        }
        Terminal.rawError(InteropRenderer.progress(result, of: count, done: number))
    }
}
