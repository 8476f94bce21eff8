internal import ArgumentParser
internal import HostStack
internal import KernelEndpoint
internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
internal import Scenario
internal import StackRuntime

/// `mptcpctl connect`
struct ConnectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Open an MPTCP connection to `mptcpctl serve` and run a workload on it.",
        discussion: """
            On our own stack or on the kernel's, in the network namespace in which it is started. \
            Every octet is checked at its receiver. SIGINT, SIGTERM and SIGHUP end the workload in \
            order. Events are described in mptcpctl-events(5).
            """)

    @Argument(help: "Address of the server.", transform: IPAddress.read)
    var server: IPAddress

    @OptionGroup var endpoint: EndpointOptions

    @Option(
        help: ArgumentHelp(
            "Connect from this address; without it from the one that the routes say.",
            discussion: """
                When nobody answers there for a second, or its interface goes away, our own stack \
                tries the other interfaces, too, one after the other; the first answer decides. Not \
                with --policy accept-only, and not once a SYN has carried data.
                """), transform: IPAddress.read)
    var from: IPAddress?

    @Option(
        help: ArgumentHelp(
            "When which path is used (default: backup).",
            discussion: PathPolicy.help
                + " accept-only: none is joined. Swift stack only; the kernel's path manager is told "
                + "with `ip mptcp`."))
    var policy: SwitchPolicy?

    @Option(help: "What to send.")
    var workload = WorkloadKind.bulk

    @Option(help: "Which way most of it goes.")
    var direction = Direction.upload

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Octets: of the transfer (bulk), of a record, or of the larger message.",
            discussion: "Such as 200, 64kB, 20MB."), transform: ByteCountArgument.read)
    var size: ByteCountArgument?

    @Option(
        parsing: .unconditional,
        help: "From record to record, such as 20ms; or from a reply to the next request.",
        transform: DurationArgument.read)
    var interval: DurationArgument?

    @Option(
        parsing: .unconditional,
        help: "interactive: octets a second beside the bursts, such as 12kB.",
        transform: ByteCountArgument.read)
    var background: ByteCountArgument?

    @Option(
        parsing: .unconditional,
        help:
            "How long to make data; 0s for no end (default: 4s). A transfer with a size ignores it.",
        transform: DurationArgument.read)
    var duration = DurationArgument(.seconds(4))

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many connections to open, each with this workload.",
            discussion: """
                Our own stack opens them from one block of ports, at most 511; subflows beyond the \
                first take ports of it, too, and a port rests when its connection has ended.
                """))
    var connections = 1

    @Flag(help: "Open them one after the other, each when the last one has ended.")
    var inTurn = false

    mutating func validate() throws {
        if connections < 1 { throw ValidationError("--connections is at least 1") }
        if endpoint.stack == .swift, connections > StackDriver.mostConnections {
            throw ValidationError(
                "--connections is at most \(StackDriver.mostConnections) with --stack swift, which "
                    + "has one block of ports")
        }
        if endpoint.stack == .kernel, policy != nil {
            throw ValidationError(
                "--policy is for --stack swift; the kernel's path manager is told with `ip mptcp`")
        }
        if let problem = work(seed: 1).problem { throw ValidationError(problem) }
        if let from, from.isV6 != server.isV6 {
            throw ValidationError("--from and the server's address are of different families")
        }
    }

    private func work(seed: UInt64) -> Workload {
        Workload(
            workload, direction, size: size?.value, interval: interval?.value,
            duration: duration.value, seed: seed, background: background?.value ?? 0)
    }

    func run() throws {
        let session = try EndpointSession(endpoint)
        let remote = Endpoint(server, endpoint.port)
        let seed = endpoint.seed ?? RandomBytes.next()
        let works = inTurn ? [] : (0..<UInt64(connections)).map { work(seed: seed &+ $0) }
        let series = ConnectionSeries(
            inTurn ? connections : 0, from: from, to: [remote], workload: work(seed: seed),
            limit: .open(1))
        switch endpoint.stack {
        case .swift:
            var configuration = endpoint.driver(policy ?? .backup)
            configuration.opensConnections = true
            try session.run(configuration) { runner throws(StackDriverError) in
                for work in works { try runner.connect(from: from, to: remote, workload: work) }
                try runner.connectInSeries(series)
            }
        case .kernel:
            try session.runKernel(as: .client) { runner, options throws(SystemError) in
                for work in works {
                    try runner.connect(from: from, to: remote, workload: work, options: options)
                }
                try runner.connectInSeries(series, options: options)
            }
        }
    }
}
