import HostStack
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import TCP
import Testing

extension RealNetworkTests {
    /// ICMP from the kernel as router reaches the stack, although the kernel is kept away from its
    /// ports.
    @Suite("What routers say", .serialized)
    struct PathErrors {
        struct Case: CustomTestStringConvertible, Sendable {
            var isV6: Bool
            var direction: Direction
            var server = TestStack.swift
            var testDescription: String {
                "\(isV6 ? "IPv6" : "IPv4") \(direction), \(server) server"
            }
        }

        static let cases = [false, true].flatMap { isV6 in
            Direction.allCases.map { Case(isV6: isV6, direction: $0) }
                + (TestNetwork.canAskKernel
                    ? [Case(isV6: isV6, direction: .upload, server: .kernel)] : [])
        }

        /// The link behind the router takes 1300 octets: both hosts believe in 1500. A mapping then
        /// goes out in two segments.
        @Test(arguments: cases)
        func smallerLinkBehindTheRouter(_ test: Case) throws {
            let network = try TestNetwork(up: [.wifi])
            let isUpload = test.direction == .upload
            try network.ip(
                network.router, "link set \(isUpload ? "server0" : "wifi0") mtu 1300")
            let server = try TestEndpoint.server(
                test.server, in: network.host, address: test.isV6 ? .v6(0, 0) : .v4(0))
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, test.direction, size: 1_000_000),
                from: nil, to: test.isV6 ? TestNetwork.serverV6 : TestNetwork.server)
            let near = try client.outcome()
            let far = try server.outcome()
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(near.isMPTCP && far.isMPTCP)
            let receiver = isUpload ? far : near
            #expect(receiver.summary.isIntact && receiver.summary.bytesReceived == 1_000_000)
            let (sender, log) = isUpload ? (near, client.log) : (far, server.log)
            let lowered = log.named("path_mtu_lowered")
            #expect(lowered.count == 1)
            #expect(lowered.first?["mtu"]?.asInteger == 1_300)
            let counters = try #require(log.named("stack-counters").first)
            #expect(counters["lowered_mtus"]?.asInteger == 1)
            // Nothing waited for a timer.
            let subflow = try #require(sender.information?.subflows.first)
            #expect(subflow.counters.timeouts == 0)
        }

        /// Nothing gets there now; that may change, and the next SYN finds out.
        @Test(arguments: [false, true])
        func unreachableIsNotTheEnd(_ isV6: Bool) throws {
            let network = try TestNetwork(up: [.wifi])
            let address = IPAddress(isV6 ? "fd00:8::1" : "10.0.8.1")
            let remote = Endpoint(try required(address), 5_001)
            let server = try TestEndpoint.server(.swift, in: network.host)
            let client = try TestEndpoint.client(
                .swift, in: network.client, Workload(.bulk, .upload, size: 10_000),
                from: nil, to: remote)
            let told = try client.log.wait(for: "path_error")
            #expect(told["problem"]?.asString == "unreachable")
            let gateway = isV6 ? "fd00:9::1" : "10.0.9.1"
            try network.ip(
                network.host,
                "address add \(remote.address)/\(isV6 ? "128 nodad" : "32") dev eth0")
            try network.ip(network.router, "route add \(remote.address) via \(gateway)")
            #expect(try client.outcome().summary.failure == nil)
            let far = try server.outcome()
            #expect(far.isMPTCP && far.summary.bytesReceived == 10_000)
        }
    }
}
