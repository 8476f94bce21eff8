import HostStack
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import TCP
import Testing

extension RealNetworkTests {
    /// Packets of up to 64 KiB with one mapping each, whole on links whose ends segment, cut by the
    /// kernel on others.
    @Suite("Super-packets", .serialized)
    struct SuperPackets {
        private static let size = 5_000_000

        @Test(
            .enabled(if: CaptureWitness.isPossible, "needs tcpdump and tshark"),
            arguments: [true, false])
        func areCutWhereTheLinkWantsIt(_ isCut: Bool) throws {
            try send(isCut: isCut, to: .swift)
        }

        @Test(
            .enabled(if: CaptureWitness.isPossible, "needs tcpdump and tshark"),
            .enabled("needs a kernel with MPTCP") { TestNetwork.canAskKernel },
            arguments: [true, false])
        func areCutWhereTheLinkToAKernelWantsIt(_ isCut: Bool) throws {
            try send(isCut: isCut, to: .kernel)
        }

        private func send(isCut: Bool, to peer: TestStack) throws {
            let network = try TestNetwork(up: [.wifi], completesChecksums: isCut)
            let witness = try CaptureWitness("eth0", in: network.host)
            let server = try TestEndpoint.server(peer, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .upload, size: Self.size))
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.isMPTCP && far.isMPTCP)
            #expect(far.summary.bytesReceived == Self.size && far.summary.isIntact)
            // The segments are counted, and far fewer packets were made.
            let segments = try #require(near.information?.subflows.first?.counters.segmentsSent)
            #expect(segments > Self.size / 1_460)
            let counters = try #require(client.log.named("stack-counters").first)
            let packets = try #require(counters["packets_sent"]?.asInteger)
            #expect(packets < segments / 2)
            if peer == .swift {
                let received = try #require(server.log.named("stack-counters").first)
                #expect(received["checksum_errors"]?.asInteger == 0)
                #expect(received["malformed"]?.asInteger == 0)
            }
            #expect(try witness.complaints() == "")
            let large = try witness.count("frame.len > 1514")
            #expect(isCut ? large == 0 : large > 0)
        }

        /// The payloads of super-packets are fetched from where they lie on the device on which the
        /// packet before left. They are copied for the other one, and for a packet that has to wait
        /// until there is a way for it.
        @Test func areCompletedForAnotherWayAndForLater() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host)
            let size = 60_000_000
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .upload, size: size)
            ) { $0.stack.connection.scheduler = .roundRobin }
            try client.log.wait(for: "subflow_established", count: 2)
            // A neighbour that nobody knows any more has to be asked for.
            for _ in 0..<20 {
                for path in TestNetwork.Path.allCases {
                    try network.ip(network.client, "neighbour flush dev \(path.interface)")
                }
            }
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(far.summary.bytesReceived == size && far.summary.isIntact)
            let subflows = try #require(near.information?.subflows)
            #expect(subflows.count == 2)
            #expect(subflows.allSatisfy { $0.counters.segmentsSent > 1_000 })
            let counters = try #require(client.log.named("stack-counters").first)
            let segments = subflows.map(\.counters.segmentsSent).reduce(0, +)
            #expect(try #require(counters["packets_sent"]?.asInteger) < segments / 2)
            #expect(try #require(counters["held_packets"]?.asInteger) > 0)
        }

        @Test func areCutOverIPv6() throws {
            let network = try TestNetwork(up: [.wifi])
            let server = try TestEndpoint.server(.swift, in: network.host)
            let remote = Endpoint(IPAddress.v6(0xfd00_0009 << 32, 1), 5_001)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .upload, size: Self.size), from: nil,
                to: remote)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(far.summary.bytesReceived == Self.size && far.summary.isIntact)
            let segments = try #require(near.information?.subflows.first?.counters.segmentsSent)
            let counters = try #require(client.log.named("stack-counters").first)
            #expect(try #require(counters["packets_sent"]?.asInteger) < segments / 2)
            let received = try #require(server.log.named("stack-counters").first)
            #expect(received["checksum_errors"]?.asInteger == 0)
        }

        /// A kernel sends such packets too.
        @Test(.enabled("needs a kernel with MPTCP") { TestNetwork.canAskKernel })
        func areTakenFromTheKernel() throws {
            let network = try TestNetwork(up: [.wifi], completesChecksums: false)
            let server = try TestEndpoint.server(.kernel, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .download, size: Self.size))
            let near = try client.outcome()
            #expect(try server.outcome().summary.failure == nil)
            #expect(near.summary.failure == nil && near.isMPTCP)
            #expect(near.summary.bytesReceived == Self.size && near.summary.isIntact)
            let counters = try #require(client.log.named("stack-counters").first)
            let packets = try #require(counters["packets_received"]?.asInteger)
            #expect(packets < Self.size / 1_460)
        }
    }
}
