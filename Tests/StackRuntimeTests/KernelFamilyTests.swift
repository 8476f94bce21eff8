import HostStack
import KernelEndpoint
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import Testing

/// IPv6, and IPv6 and IPv4 in one connection, between our stack and the kernel's.
extension RealNetworkTests.KernelInterop {
    /// The connection begins on IPv6; the server announces its IPv4 address. Our client joins from
    /// each of its addresses, the kernel's with the endpoint it has and to the address it is told.
    @Test(
        .enabled(if: CaptureWitness.isPossible, "needs tcpdump and tshark"),
        arguments: [false, true], Direction.allCases)
    func bothFamiliesInOneConnection(_ kernelIsClient: Bool, _ direction: Direction) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient)
        let network = bench.network
        let second = TestNetwork.serverAddress
        if kernelIsClient {
            try bench.addEndpoint(TestNetwork.lteV6)
        } else {
            try bench.addEndpoint(second, [.signal])
        }
        let witness = try CaptureWitness("eth0", in: network.host)
        let before = try network.counters(bench.kernel)
        let server = try TestEndpoint.server(
            kernelIsClient ? .swift : .kernel, in: network.host, address: .v6(0, 0)
        ) { $0.stack.connection.announcedAddresses = [second] }
        let client = try TestEndpoint.client(
            kernelIsClient ? .kernel : .swift, in: network.client,
            Workload(.stream, direction, duration: .milliseconds(500)),
            from: nil, to: TestNetwork.serverV6)
        let joins = kernelIsClient ? 2 : 3
        let near = try client.outcome()
        let far = try server.outcome()
        #expect(near.summary.failure == nil && far.summary.failure == nil)
        #expect(near.isMPTCP && far.isMPTCP)
        let (sender, receiver) = direction == .upload ? (near, far) : (far, near)
        #expect(receiver.summary.isIntact)
        #expect(receiver.summary.bytesReceived == sender.summary.bytesSent)
        #expect(receiver.summary.bytesReceived > 0)
        let counters = try network.counters(bench.kernel).since(before)
        bench.expectHandshakes(counters, joins: Int64(joins))
        bench.expectHealth(counters)
        #expect(counters[kernelIsClient ? "AddAddr" : "EchoAdd"] == 1)
        let subflows = try #require((near.information ?? far.information)?.subflows)
        #expect(subflows.contains { !$0.tuple.local.address.isV6 })
        #expect(subflows.count { $0.tuple.local.address.isV6 } == 2)
        #expect(
            subflows.allSatisfy {
                $0.tuple.local.address.isV6 == $0.tuple.remote.address.isV6
            })
        #expect(try witness.complaints() == "")
        #expect(try witness.count("ip && tcp.options.mptcp.recvtok") == (kernelIsClient ? 1 : 2))
        #expect(try witness.count("ipv6 && tcp.options.mptcp.recvtok") == 1)
    }
}
