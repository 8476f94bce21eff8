import HostStack
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import Testing

extension RealNetworkTests {
    @Suite("Link events", .serialized)
    struct LinkEvents {
        /// A path goes in the middle of a transfer: the other carries everything.
        @Test(arguments: Direction.allCases, [TestNetwork.Path.wifi, .lte])
        func transferSurvivesThatALinkGoesDown(
            _ direction: Direction, _ path: TestNetwork.Path
        ) throws {
            let network = try TestNetwork(rates: (wifi: 30, lte: 30))
            let size = 3_000_000
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, direction, size: size))
            try client.log.wait(for: "subflow_established", count: 2)
            try network.takeDown(path)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            let receiver = direction == .upload ? far : near
            #expect(receiver.summary.bytesReceived == size && receiver.summary.isIntact)
            #expect(client.log.named("link_down").count == 1)
            #expect(client.log.named("subflow_lost").count == 1)
            // The peer is told, and need not find out.
            #expect(server.log.named("address_removed_by_peer").count == 1)
        }

        /// Break before make: no path at all for a while, then another one.
        @Test(arguments: Direction.allCases)
        func connectionOutlivesItsLastPath(_ direction: Direction) throws {
            let network = try TestNetwork(up: [.wifi])
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client,
                Workload(.stream, direction, duration: .milliseconds(1_500))
            ) { $0.stack.connection.policy = .singlePath }
            try client.log.wait(for: "subflow_established")
            try network.takeDown(.wifi)
            try client.log.wait(for: "no_subflow_left")
            try network.bringUp(.lte)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            let sender = direction == .upload ? near : far
            let receiver = direction == .upload ? far : near
            #expect(receiver.summary.bytesReceived == sender.summary.bytesSent)
            #expect(receiver.summary.isIntact)
            #expect(near.information?.counters.joinsOpened == 1)
        }

        /// IFF_UP comes first, then routes, then the neighbour: the SYN waits for what is missing and
        /// for nothing else.
        @Test func joinLeavesAsSoonAsThereIsAWay() throws {
            let network = try TestNetwork(up: [.wifi])
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.stream, .upload)
            ) { $0.stack.connection.policy = .singlePath }
            try client.log.wait(for: "subflow_established")
            try network.ip(network.client, "link set lte0 up")
            let sent = try client.log.wait(for: "join_sent")
            #expect(client.log.named("join_received").isEmpty)
            try network.ip(
                network.client, "route add default via 10.0.2.1 dev lte0 table 102")
            let joined = try client.log.wait(for: "subflow_established", count: 2)
            // The first SYN got through: a second one would have come after a second.
            #expect(joined.time - sent.time < .milliseconds(900))
            client.command(.stop)
            #expect(try client.outcome().summary.failure == nil)
            #expect(try server.outcome().summary.failure == nil)
        }

        /// The interface itself vanishes and another one of its name comes.
        @Test func vanishedInterfaceReturns() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.stream, .upload))
            try client.log.wait(for: "subflow_established", count: 2)
            try network.ip(network.client, "link delete lte0")
            try client.log.wait(for: "subflow_lost")
            try network.ip(
                network.client,
                "link add lte0 type veth peer name lte0 netns \(network.router.name)")
            try network.ip(network.client, "address add 10.0.2.2/24 dev lte0")
            try network.ip(network.router, "address add 10.0.2.1/24 dev lte0")
            try network.ip(network.router, "link set lte0 up")
            try network.ip(network.client, "link set lte0 up")
            try network.ip(
                network.client, "route add default via 10.0.2.1 dev lte0 table 102")
            try client.log.wait(for: "subflow_established", count: 3)
            client.command(.stop)
            #expect(try client.outcome().summary.failure == nil)
            #expect(try server.outcome().summary.failure == nil)
        }

        /// An address that goes is a path that goes, and comes again.
        @Test func addressIsRemovedAndReturns() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.stream, .download))
            try client.log.wait(for: "subflow_established", count: 2)
            try network.ip(network.client, "address delete 10.0.2.2/24 dev lte0")
            try client.log.wait(for: "subflow_lost")
            try network.ip(network.client, "address add 10.0.2.2/24 dev lte0")
            try network.ip(
                network.client, "route replace default via 10.0.2.1 dev lte0 table 102")
            try client.log.wait(for: "subflow_established", count: 3)
            client.command(.stop)
            #expect(try client.outcome().summary.failure == nil)
            #expect(try server.outcome().summary.failure == nil)
        }

        @Test func addressIsGivenUpOnCommand() throws {
            let network = try TestNetwork()
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.stream, .upload))
            try client.log.wait(for: "subflow_established", count: 2)
            client.command(.giveUpAddress(TestNetwork.wifi))
            try server.log.wait(for: "address_removed_by_peer")
            try client.log.wait(for: "subflow_closed_by_peer")
            client.command(.stop)
            #expect(try client.outcome().summary.failure == nil)
            #expect(try server.outcome().summary.failure == nil)
        }
    }
}
