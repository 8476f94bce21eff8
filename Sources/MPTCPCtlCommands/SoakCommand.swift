internal import ArgumentParser
internal import Experiment
internal import LinuxSystem
internal import Reporting
internal import Scenario

/// `mptcpctl soak`
struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Transfer for a long time over bad paths that come and go; look for leaks.",
        discussion: """
            A bulk transfer over the two first paths of a testbed, with random loss on both, while \
            every --flap one of them breaks and the other one is back; half of the breaks are \
            silent. It passes when every octet arrived, nothing stood still for longer than \
            --stall-limit, either path had a subflow, and the memory of both ends did not grow: not \
            by more than 2 MiB (pages that the allocator touches for the first time) from the median \
            of the middle third of the samples, one a second, to that of the last. It ends by itself.
            """)

    @Argument(help: "Name of a testbed, or path of a testbed file.")
    var testbed = "wifi-lte"

    @Option(
        parsing: .unconditional, help: "How long, such as 30s (default: 10min).",
        transform: DurationArgument.read)
    var duration = DurationArgument(.seconds(600))

    @Option(
        parsing: .unconditional, help: "From one break to the next (default: 2s).",
        transform: DurationArgument.read)
    var flap = DurationArgument(.seconds(2))

    @Option(
        parsing: .unconditional, help: "Percent of packets lost at random, each way on each path.")
    var loss = 1.0

    @Option(
        parsing: .unconditional, help: "The longest time without a new octet (default: 5s).",
        transform: DurationArgument.read)
    var stallLimit = DurationArgument(.seconds(5))

    @Option(help: "Which way the bytes go.")
    var direction = Direction.upload

    @Option(help: "netns: real time in network namespaces; simulation: virtual time.")
    var backend = Backend.auto

    @Option(help: "Whose stack the client is.")
    var client = EndpointKind.swift

    @Option(help: "Whose stack the server is.")
    var server = EndpointKind.swift

    @Option(
        parsing: .unconditional, help: "Where every chance comes from; random if it is not given.")
    var seed: UInt64?

    @Option(help: "Format of the result on standard output.")
    var format = OutputFormat.text

    @Flag(help: "No progress on standard error.")
    var quiet = false

    mutating func validate() throws {
        if duration.value < flap.value * 3 {
            throw ValidationError("--duration is at least three times --flap")
        }
        if flap.value < .milliseconds(100) {
            throw ValidationError("--flap is at least 100ms")
        }
        if !(0...50).contains(loss) { throw ValidationError("--loss lies between 0 and 50") }
    }

    func run() throws {
        var plan = SoakPlan()
        plan.duration = duration.value
        plan.flapInterval = flap.value
        plan.loss = loss / 100
        plan.stallLimit = stallLimit.value
        plan.direction = direction
        plan.client = client
        plan.server = server
        plan.seed = seed ?? RandomBytes.next() >> 32
        let topology = try TestbedFile.load(testbed)
        let result: SoakResult
        do {
            result = try SoakRunner.run(plan, on: topology, backend: backend) { text in
                if !quiet { Terminal.rawError(text) }
            }
        } catch {
            throw CommandFailure(error)
        }
        switch format {
        case .text: Terminal.output(SoakRenderer.text(result))
        case .json: Terminal.output(SoakRenderer.json(result))
        }
        if !result.complaints.isEmpty { throw CommandFailure.failed() }
    }
}
