internal import ArgumentParser
internal import HostStack
internal import KernelEndpoint
internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
internal import Scenario
internal import StackRuntime

/// `mptcpctl serve`
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Accept MPTCP connections and do what each client asks.",
        discussion: """
            The server end of every workload of `mptcpctl connect`, on our own stack or on the \
            kernel's, in the network namespace in which it is started. It checks every octet, and \
            ends after `--connections` connections, at SIGINT, SIGTERM or SIGHUP, or at a `stop` \
            command. Events are described in mptcpctl-events(5).
            """)

    @OptionGroup var endpoint: EndpointOptions

    @Option(
        parsing: .unconditional,
        help: "End after so many connections; without it, only when told to.")
    var connections: Int?

    @Option(
        name: .customLong("announce"),
        help: "Announce this address with ADD_ADDR (may repeat). Swift stack only.",
        transform: IPAddress.read)
    var announcements: [IPAddress] = []

    @Option(
        help: ArgumentHelp(
            "The address under which clients know the server.",
            discussion: """
                Without it connections are accepted on every address of the namespace. Our own stack \
                only checks that the namespace has it, because joins may go to others.
                """), transform: IPAddress.read)
    var address: IPAddress?

    mutating func validate() throws {
        if let connections, connections < 1 {
            throw ValidationError("--connections is at least 1")
        }
        if endpoint.stack == .kernel, !announcements.isEmpty {
            throw ValidationError(
                "--announce is for --stack swift; the kernel has `ip mptcp endpoint add ... signal`"
            )
        }
    }

    func run() throws {
        let session = try EndpointSession(endpoint)
        switch endpoint.stack {
        case .swift:
            var configuration = endpoint.driver(.acceptOnly)
            configuration.listeningPorts = [endpoint.port]
            configuration.stack.connection.announcedAddresses = announcements
            try session.run(configuration, connections: connections) {
                runner throws(StackDriverError) in
                if let address, !runner.driver.hasAddress(address) { throw .noAddress(address) }
                runner.listen()
            }
        case .kernel:
            let local = Endpoint(address ?? KernelSetting.anyAddress, endpoint.port)
            try session.runKernel(as: .server, connections: connections) {
                runner, options throws(SystemError) in
                try runner.listen(on: local, options: options)
            }
        }
    }
}
