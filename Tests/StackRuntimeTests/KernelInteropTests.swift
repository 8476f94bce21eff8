import HostStack
import KernelEndpoint
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import Synchronization
import TCP
import Testing

extension RealNetworkTests {
    /// kernel-peer.md, 22. The kernel's counters are the second witness, tshark is the third.
    @Suite(
        "Our stack with the kernel's", .serialized,
        .enabled("needs a kernel with MPTCP") { TestNetwork.canAskKernel })
    struct KernelInterop {
        /// A network in which the kernel's path managers are ready, and the kernel's side of it.
        final class Bench {
            let network: TestNetwork
            let kernelClient: Bool
            /// What the kernel's sockets are told.
            let kernelOptions = Mutex(KernelSocketOptions())

            init(
                kernelIsClient: Bool, up: [TestNetwork.Path] = TestNetwork.Path.allCases,
                rates: (wifi: Int, lte: Int)? = nil, completesChecksums: Bool = true
            ) throws {
                network = try TestNetwork(
                    up: up, rates: rates, completesChecksums: completesChecksums)
                kernelClient = kernelIsClient
                for namespace in [network.client, network.host] {
                    try NamespaceThread.run(in: namespace) {
                        try KernelPathManager().prepare()
                    }
                }
            }

            var kernel: NetworkNamespace { kernelClient ? network.client : network.host }

            /// Has the kernel's client join over lte0, too.
            func addEndpoint(
                _ address: IPAddress = TestNetwork.lte,
                _ flags: KernelPathEndpoint.Flags = [.subflow]
            ) throws {
                try NamespaceThread.run(in: kernel) {
                    try KernelPathManager().add(KernelPathEndpoint(address, flags))
                }
            }

            func server(
                connections: Int = 1, _ change: @escaping TestEndpoint.Change = { _ in }
            ) throws -> TestEndpoint {
                try .server(
                    kernelClient ? .swift : .kernel, in: network.host, connections: connections,
                    options: kernelOptions.withLock { $0 }, change)
            }

            func client(
                _ workload: Workload, connections: Int = 1, timeout: Duration = .seconds(60),
                _ change: @escaping TestEndpoint.Change = { _ in }
            ) throws -> TestEndpoint {
                try .client(
                    kernelClient ? .kernel : .swift, in: network.client, workload,
                    connections: connections, timeout: timeout,
                    options: kernelOptions.withLock { $0 }, change)
            }

            /// The kernel goes on closing, and counting, when its application has ended.
            func awaitKernelSockets() throws {
                let limit = MonotonicClock.now() + .seconds(5)
                while MonotonicClock.now() < limit {
                    let left = try NamespaceThread.run(in: kernel) {
                        try KernelSockets.unfinished(port: TestNetwork.server.port)
                    }
                    if left == 0 { return }
                    _ = try EventPoll().wait(until: MonotonicClock.now() + .milliseconds(5))
                }
            }

            /// What no clean run may count (kernel-peer.md, 19.5).
            func expectHealth(_ counters: KernelCounters) {
                for (name, value) in counters.nonZero {
                    let isBad =
                        name.hasSuffix("Err") || name.contains("Fallback")
                        || name.hasPrefix("DSSNo") || name.contains("Corruption")
                        // The second of two equal REMOVE_ADDR may find the first in work.
                        || (name.contains("Drop") && name != "RmAddrDrop") || name == "MPFailTx"
                        || name == "MPFailRx"
                        || name == "MPCurrEstab"
                    #expect(!isBad, "\(name) is \(value)")
                }
            }

            /// The handshakes were those of MPTCP, with `joins` joins.
            func expectHandshakes(_ counters: KernelCounters, joins: Int64 = 1) {
                if kernelClient {
                    #expect(counters[.capableSynAckReceived] == 1)
                    #expect(counters[.joinSynAckReceived] == joins)
                } else {
                    #expect(counters[.capableAccepted] == 1)
                    #expect(counters[.joinAckReceived] == joins)
                }
            }
        }

        /// 6 MB each way over both subflows, closed with DATA_FIN.
        @Test(
            .enabled(if: CaptureWitness.isPossible, "needs tcpdump and tshark"),
            arguments: [false, true], Direction.allCases)
        func transferOverBothSubflows(_ kernelIsClient: Bool, _ direction: Direction) throws {
            let bench = try Bench(kernelIsClient: kernelIsClient, rates: (wifi: 50, lte: 40))
            if kernelIsClient { try bench.addEndpoint() }
            let witness = try CaptureWitness("eth0", in: bench.network.host)
            let before = try bench.network.counters(bench.kernel)
            let size = 6_000_000
            let server = try bench.server()
            let client = try bench.client(Workload(.bulk, direction, size: size))
            let near = try client.outcome()
            let far = try server.outcome()
            let receiver = direction == .upload ? far : near
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.isMPTCP && far.isMPTCP)
            #expect(receiver.summary.bytesReceived == size && receiver.summary.isIntact)
            let counters = try bench.network.counters(bench.kernel).since(before)
            bench.expectHandshakes(counters)
            bench.expectHealth(counters)
            // A fifth at least went over each path.
            let ours = try #require((near.information ?? far.information)?.subflows)
            #expect(ours.count == 2)
            let isSender = (near.information != nil) == (direction == .upload)
            for subflow in ours {
                let segments =
                    isSender ? subflow.counters.segmentsSent : subflow.counters.segmentsReceived
                #expect(segments > size / 1_500 / 5)
            }
            #expect(try witness.complaints() == "")
            let dataFINs = try witness.count("tcp.options.mptcp.datafin.flag == 1")
            let resets = try witness.count("tcp.flags.reset == 1")
            #expect(dataFINs >= 2 && resets == 0)
        }

        /// Super-packets and unfinished checksums, as between any two namespaces of one machine.
        @Test(arguments: [false, true], Direction.allCases)
        func offloadsOfThePeerDoNotMatter(
            _ kernelIsClient: Bool, _ direction: Direction
        ) throws {
            let bench = try Bench(kernelIsClient: kernelIsClient, completesChecksums: false)
            if kernelIsClient { try bench.addEndpoint() }
            let before = try bench.network.counters(bench.kernel)
            let server = try bench.server()
            let client = try bench.client(Workload(.bulk, direction, size: 5_000_000))
            let near = try client.outcome()
            let far = try server.outcome()
            let receiver = direction == .upload ? far : near
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(receiver.summary.bytesReceived == 5_000_000 && receiver.summary.isIntact)
            let counters = try bench.network.counters(bench.kernel).since(before)
            // Without a limit the transfer may be over before the kernel has joined.
            #expect(near.isMPTCP && far.isMPTCP)
            bench.expectHealth(counters)
        }

        @Test(arguments: [false, true], [WorkloadKind.requestResponse, .stream, .echo])
        func smallMessages(_ kernelIsClient: Bool, _ kind: WorkloadKind) throws {
            let bench = try Bench(kernelIsClient: kernelIsClient)
            if kernelIsClient { try bench.addEndpoint() }
            let before = try bench.network.counters(bench.kernel)
            let server = try bench.server()
            let client = try bench.client(
                Workload(kind, .download, duration: .milliseconds(500)))
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.summary.bytesReceived == far.summary.bytesSent)
            #expect(near.summary.bytesReceived > 0)
            let counters = try bench.network.counters(bench.kernel).since(before)
            bench.expectHandshakes(counters)
            bench.expectHealth(counters)
        }

        @Test(arguments: [false, true])
        func ipv6(_ kernelIsClient: Bool) throws {
            let bench = try Bench(kernelIsClient: kernelIsClient)
            let network = bench.network
            let server = try TestEndpoint.server(
                kernelIsClient ? .swift : .kernel, in: network.host,
                address: TestNetwork.serverV6.address)
            let client = try TestEndpoint.client(
                kernelIsClient ? .kernel : .swift, in: network.client,
                Workload(.bulk, .upload, size: 1_000_000), from: nil,
                to: TestNetwork.serverV6)
            #expect(try client.outcome().summary.failure == nil)
            let far = try server.outcome()
            #expect(far.isMPTCP && far.summary.bytesReceived == 1_000_000)
        }

        // MARK: Checksums

        enum ChecksumWish: CaseIterable {
            case ours
            case kernels
            case both
        }

        @Test(arguments: [false, true], ChecksumWish.allCases)
        func eitherSideMayAskForChecksums(_ kernelIsClient: Bool, _ wish: ChecksumWish) throws {
            let bench = try Bench(kernelIsClient: kernelIsClient)
            if kernelIsClient { try bench.addEndpoint() }
            if wish != .ours {
                try NamespaceThread.run(in: bench.kernel) {
                    try KernelSetting.usesChecksum.set("1")
                }
            }
            let change: TestEndpoint.Change = {
                $0.stack.connection.usesChecksum = wish != .kernels
            }
            let before = try bench.network.counters(bench.kernel)
            let server = try bench.server(change)
            let client = try bench.client(
                Workload(.requestResponse, .upload, size: 40_000, duration: .milliseconds(400)),
                change)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.summary.isIntact && far.summary.isIntact)
            let counters = try bench.network.counters(bench.kernel).since(before)
            bench.expectHandshakes(counters)
            bench.expectHealth(counters)
        }
    }
}
