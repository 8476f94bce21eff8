import Glibc
import HostStack
import KernelEndpoint
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import TCP
import Testing

extension RealNetworkTests {
    @Suite("Driver", .serialized)
    struct Driver {
        private func makeDriver(
            in namespace: NetworkNamespace, _ change: (inout StackDriver.Configuration) -> Void
        ) throws -> StackDriver {
            var configuration = StackDriver.Configuration(seed: 1)
            change(&configuration)
            return try NamespaceThread.run(in: namespace) { try StackDriver(configuration) }
        }

        private func tables(_ namespace: NetworkNamespace) throws -> [Substring] {
            let listing = try ChildProcess.run("nft", ["list", "tables"], in: namespace).output
            return listing.split(separator: "\n")
        }

        @Test func kernelIsSilentOnlyWhileTheDriverIsThere() throws {
            let network = try TestNetwork()
            let driver = try makeDriver(in: network.host) { $0.listeningPorts = [5_001] }
            let owner = try #require(ProcessIdentity.current())
            let found = try tables(network.host)
            #expect(found.count == 1)
            #expect(found[0].hasPrefix("table netdev mptcpctl-\(owner)-"))
            let reserved = SysctlFile("net.ipv4.ip_local_reserved_ports")
            #expect(try reserved.read(in: network.host) == "5001")
            driver.close()
            #expect(try tables(network.host).isEmpty)
            #expect(try reserved.read(in: network.host) == "")
        }

        @Test func portOfAnotherStackIsInUse() throws {
            let network = try TestNetwork()
            let first = try makeDriver(in: network.host) { $0.listeningPorts = [5_001] }
            #expect(throws: StackDriverError.portInUse(5_001)) {
                try makeDriver(in: network.host) { $0.listeningPorts = [5_001] }
            }
            // Another namespace has ports of its own.
            let other = try makeDriver(in: network.client) { $0.listeningPorts = [5_001] }
            other.close()
            first.close()
        }

        @Test func portOfAKernelServerIsInUse() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.kernel, in: network.host)
            #expect(throws: StackDriverError.portInUse(5_001)) {
                try makeDriver(in: network.host) { $0.listeningPorts = [5_001] }
            }
            server.command(.stop)
            _ = try server.outcomes()
        }

        @Test func blocksOfEphemeralPortsDoNotOverlap() throws {
            let network = try TestNetwork()
            let drivers = try (0..<5).map { _ in
                try makeDriver(in: network.client) { $0.opensConnections = true }
            }
            let listing = try ChildProcess.run(
                "nft", ["list", "ruleset"], in: network.client
            ).output
            let ranges = Set(
                listing.split(separator: "\n").filter { $0.contains("tcp dport") }.map(String.init))
            // Each range stands in one chain per interface.
            #expect(ranges.count == 5)
            for driver in drivers { driver.close() }
        }

        @Test func errorsSayWhatIsMissing() throws {
            let network = try TestNetwork(up: [.wifi])
            #expect(throws: StackDriverError.noInterface("wifi9")) {
                try makeDriver(in: network.client) { $0.interfaces = ["wifi9"] }
            }
            let driver = try makeDriver(in: network.client) {
                $0.opensConnections = true
                $0.interfaces = ["wifi0"]
            }
            let now = MonotonicClock.now()
            #expect(throws: StackDriverError.noAddress(.v4(0x0a00_0909))) {
                try driver.connect(
                    to: TestNetwork.server, from: .v4(0x0a00_0909), now: now)
            }
            try network.takeDown(.wifi)
            #expect(throws: StackDriverError.noRoute(TestNetwork.serverAddress)) {
                try driver.connect(to: TestNetwork.server, from: nil, now: now)
            }
            driver.close()
        }

        /// Nobody listens there: the server's kernel answers for it.
        @Test(arguments: TestStack.allCases)
        func refusedConnectionIsReported(_ stack: TestStack) throws {
            let network = try TestNetwork()
            let client = try TestEndpoint.client(stack, in: network.client, Workload(.bulk))
            #expect(
                try client.outcome().summary.failure
                    == .connection("connect: Connection refused"))
        }

        /// The kernel's own neighbours are used; one that is not there is asked for.
        @Test func missingNeighbourIsResolved() throws {
            let network = try TestNetwork()
            try network.ip(network.client, "neighbour flush dev wifi0")
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .upload, size: 1_000))
            let near = try client.outcome()
            #expect(near.summary.failure == nil)
            #expect(try server.outcome().summary.failure == nil)
            let counters = try #require(client.log.named("stack-counters").first)
            #expect((counters["held_packets"]?.asInteger ?? 0) > 0)
            #expect(counters["unroutable_packets"]?.asInteger == 0)
            // Not by TCP's second try.
            #expect(near.information?.subflows.first?.counters.timeouts == 0)
        }

        /// The server's address stands on the loopback interface, as routers have it.
        @Test func addressOnLoopbackIsServed() throws {
            let network = try TestNetwork()
            try network.ip(network.host, "address add 10.0.8.1/32 dev lo")
            try network.ip(network.router, "route add 10.0.8.1/32 via 10.0.9.1")
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .download, size: 100_000),
                to: Endpoint(.v4(0x0a00_0801), 5_001))
            #expect(try client.outcome().summary.bytesReceived == 100_000)
            #expect(try server.outcome().summary.failure == nil)
        }

        /// Both ends in one namespace, over its loopback interface.
        @Test func loopbackWorksWhenAskedFor() throws {
            let network = try TestNetwork()
            let loopback = IPAddress.v4(0x7f00_0001)
            let server = try TestEndpoint.server(.swift, in: network.host) {
                $0.interfaces = ["lo"]
            }
            let client = try TestEndpoint.client(
                .swift, in: network.host, Workload(.echo, .upload, duration: .milliseconds(100)),
                from: loopback, to: Endpoint(loopback, 5_001)
            ) { $0.interfaces = ["lo"] }
            #expect(try client.outcome().summary.failure == nil)
            #expect(try server.outcome().summary.failure == nil)
        }

        /// Connections of the kernel's that are in TIME-WAIT, in every block of ports, are in nobody's
        /// way.
        @Test func timeWaitTakesNoPorts() throws {
            let network = try TestNetwork()
            let loopback = IPAddress.v4(0x7f00_0001)
            try NamespaceThread.run(in: network.host) {
                var options = KernelSocketOptions()
                options.usesMPTCP = false
                let listener = try KernelMPTCPSocket.listening(
                    on: Endpoint(loopback, 7_000), options: options)
                let range = SysctlFile("net.ipv4.ip_local_port_range")
                for port in stride(from: 40_100, to: 50_000, by: 512) {
                    try range.write("\(port) \(port + 1)")
                    var client: KernelMPTCPSocket? = try .connecting(
                        from: nil, to: Endpoint(loopback, 7_000), options: options)
                    let accepted = try listener.accept()
                    #expect(client != nil && accepted != nil)
                    client = nil
                }
            }
            let server = try TestEndpoint.server(.swift, in: network.host) {
                $0.interfaces = ["lo"]
            }
            let client = try TestEndpoint.client(
                .swift, in: network.host, Workload(.bulk, .upload, size: 1_000),
                from: loopback, to: Endpoint(loopback, 5_001)
            ) { $0.interfaces = ["lo"] }
            #expect(try client.outcome().summary.failure == nil)
            #expect(try server.outcome().summary.failure == nil)
        }
    }
}

@Suite("Endpoint commands")
struct EndpointCommandTests {
    @Test(arguments: [
        EndpointCommand.stop, .giveUpAddress(.v4(0x0a00_0102)), .setBackup(.v6(1, 2), true),
        .setBackup(.v4(1), false),
    ])
    func roundTrip(_ command: EndpointCommand) {
        let line = JSONValue.object(command.members).compact
        #expect(EndpointCommand(line: line) == command)
    }

    @Test func linesOfTheBrief() {
        #expect(EndpointCommand(line: #"{"command":"stop"}"#) == .stop)
        #expect(
            EndpointCommand(line: #"{"command":"give-up-address","address":"10.0.1.2"}"#)
                == .giveUpAddress(.v4(0x0a00_0102)))
        #expect(
            EndpointCommand(
                line: #"{"command":"set-backup","address":"10.0.1.2","backup":true}"#)
                == .setBackup(.v4(0x0a00_0102), true))
    }

    @Test(arguments: [
        "", "stop", "{}", #"{"command":"go"}"#, #"{"command":"give-up-address"}"#,
        #"{"command":"give-up-address","address":"10.0.1"}"#,
        #"{"command":"set-backup","address":"10.0.1.2"}"#,
    ])
    func otherLinesAreNone(_ line: String) { #expect(EndpointCommand(line: line) == nil) }
}
