internal import ArgumentParser
internal import Experiment
internal import Reporting
internal import Scenario

/// `mptcpctl bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure our stack against the kernel's MPTCP, in turn, in the same namespaces.",
        discussion: """
            Both ends run on one stack, then both on the other, and so on: A B A B. Printed are the \
            medians, the least and the greatest of all rounds, and our number divided by the \
            kernel's. Unless a benchmark says otherwise the link is a veth that nothing slows down.

            recovery: one subflow over an emulated link of 50 Mbit/s and 20 ms that loses packets at \
            random, the same ones of both stacks in each round; against the kernel's plain TCP.

            memory: of our stack by how many octets the larger of the two processes grew, of the \
            kernel's by how many its objects grew, both ends together, halved; each divided by the \
            number of connections. A round in which the kernel gave back more than it took yields no \
            ratio, and that is said.

            A connection that was not MPTCP, or had not the subflows that it should, fails the \
            benchmark: it prints what was measured until then and ends with 1.
            """)

    @Argument(
        help: ArgumentHelp(
            "What to measure; all if none is named.",
            valueName: "benchmark"))
    var kinds: [BenchmarkKind] = []

    @Option(parsing: .unconditional, help: "How often each is measured, on each stack.")
    var rounds = 5

    @Option(
        parsing: .unconditional, help: "Length of each transfer (default: 2s).",
        transform: DurationArgument.read)
    var duration = DurationArgument(.seconds(2))

    @Option(
        parsing: .unconditional,
        help: "Connections that `connections` opens and closes in each round.")
    var connections = 2_000

    @Option(parsing: .unconditional, help: "Connections that are open at once in `memory`.")
    var idle = 10_000

    @Flag(
        inversion: .prefixedNo,
        help: "Whether `goodput` also measures one and two subflows over emulated links.")
    var shaped = true

    @Option(help: "Format of the results on standard output.")
    var format = OutputFormat.text

    @Flag(help: "No progress on standard error.")
    var quiet = false

    mutating func validate() throws {
        for (value, name) in [(rounds, "rounds"), (connections, "connections"), (idle, "idle")]
        where value < 1 {
            throw ValidationError("--\(name) is at least 1")
        }
        if duration.value < .milliseconds(10) {
            throw ValidationError("--duration is at least 10ms")
        }
        if idle > 20_000 { throw ValidationError("--idle is at most 20000") }
        if connections > 20_000 { throw ValidationError("--connections is at most 20000") }
    }

    func run() throws {
        var plan = BenchmarkRunner.Plan(kinds.isEmpty ? BenchmarkKind.allCases : kinds)
        plan.rounds = rounds
        plan.duration = duration.value
        plan.connections = connections
        plan.idle = idle
        plan.isShaped = shaped
        let progress = Progress(isQuiet: quiet)
        let result: BenchmarkResult
        do {
            result = try BenchmarkRunner(plan, version: CommandLineTool.version) {
                progress.report($0)
            }.run()
        } catch {
            progress.finish()
            throw CommandFailure(error)
        }
        progress.finish()
        switch format {
        case .text: Terminal.output(BenchmarkRenderer.text(result))
        case .json: Terminal.output(BenchmarkRenderer.json(result))
        }
        if let failure = result.failure { throw CommandFailure.failed(failure) }
    }
}

extension BenchmarkKind: ExpressibleByArgument {}
