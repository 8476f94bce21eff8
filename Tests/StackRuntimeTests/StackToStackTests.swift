import HostStack
import LinuxSystem
import MPTCP
import NetworkPrimitives
import PacketDevice
import Scenario
import StackRuntime
import TCP
import Testing

/// Tests that make namespaces run one after the other.
@Suite(
    "Real networks", .serialized,
    .enabled("needs root (or a user namespace) and nft") { TestNetwork.isPossible })
struct RealNetworkTests {}

extension RealNetworkTests {
    @Suite("Our stack with itself", .serialized)
    struct StackToStack {
        @Test(arguments: WorkloadKind.allCases, Direction.allCases)
        func everyWorkloadArrivesIntact(_ kind: WorkloadKind, _ direction: Direction) throws {
            let network = try TestNetwork()
            let work = Workload(kind, direction, duration: .milliseconds(400), seed: 7)
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(.swift, in: network.client, work)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.isMPTCP && far.isMPTCP)
            #expect(near.summary.isComplete && far.summary.isComplete)
            #expect(near.summary.isIntact && far.summary.isIntact)
            #expect(near.summary.bytesSent == far.summary.bytesReceived)
            #expect(far.summary.bytesSent == near.summary.bytesReceived)
            #expect((direction == .upload ? near : far).summary.bytesSent > 0)
        }

        /// The sum of both paths is faster than either.
        @Test(arguments: Direction.allCases)
        func bothPathsCarryData(_ direction: Direction) throws {
            let network = try TestNetwork(rates: (wifi: 30, lte: 20))
            let size = 8_000_000
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, direction, size: size))
            let near = try client.outcome()
            let far = try server.outcome()
            let sender = direction == .upload ? near : far
            let receiver = direction == .upload ? far : near
            #expect(receiver.summary.bytesReceived == size && receiver.summary.isIntact)
            let subflows = try #require(sender.information?.subflows)
            #expect(subflows.count == 2)
            for subflow in subflows { #expect(subflow.counters.segmentsSent > 1_000) }
            // 8 MB at 50 Mbit/s take 1.28 s, over the faster path alone 2.13 s.
            let started = try #require(receiver.summary.firstArrival)
            let ended = try #require(receiver.summary.lastArrival)
            #expect(ended - started < .milliseconds(2_100))
        }

        @Test(arguments: [0.002, 0.02])
        func lossAndDamageAreRepaired(_ probability: Double) throws {
            let network = try TestNetwork()
            let faults = FaultInjectingDevice.Faults(
                dropIncoming: probability, dropOutgoing: probability,
                corruptOutgoing: probability / 2)
            var seed: UInt64 = 11
            let size = 2_000_000
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .upload, size: size)
            ) {
                $0.middleware = { device, _ in
                    seed += 1
                    return FaultInjectingDevice(device, faults: faults, seed: seed)
                }
            }
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(far.summary.bytesReceived == size && far.summary.isIntact)
            let counters = try #require(server.log.named("stack-counters").first)
            // About one in a hundred of at least 1400 segments is damaged.
            if probability == 0.02 {
                #expect((counters["checksum_errors"]?.asInteger ?? 0) > 0)
            }
        }

        @Test func ipv6() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.stream, .download), from: nil,
                to: TestNetwork.serverV6)
            try client.log.wait(for: "subflow_established", count: 2)
            client.command(.stop)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.summary.bytesReceived == far.summary.bytesSent)
            #expect(near.summary.isIntact && near.information?.subflows.count == 2)
        }

        @Test func manyConnectionsAtOnce() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host, connections: 8)
            let clients = try (0..<8).map { number in
                try TestEndpoint.client(
                    .swift, in: network.client,
                    Workload(.bulk, .upload, size: 200_000, seed: UInt64(number)))
            }
            for client in clients { #expect(try client.outcome().summary.failure == nil) }
            let served = try server.outcomes()
            #expect(served.count == 8)
            #expect(served.allSatisfy { $0.summary.isIntact && $0.summary.failure == nil })
        }

        @Test func stopEndsInOrder() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.stream, .upload))
            try client.log.wait(for: "subflow_established", count: 2)
            client.command(.stop)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.summary.bytesSent == far.summary.bytesReceived)
        }

        @Test func timeoutAbortsBothEnds() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.stream, .upload),
                timeout: .milliseconds(300))
            #expect(try client.outcome().summary.failure == .connection("timed out"))
            #expect(try server.outcome().summary.failure == .connection("reset"))
            #expect(!server.log.named("fastclose_received").isEmpty)
        }
    }
}
