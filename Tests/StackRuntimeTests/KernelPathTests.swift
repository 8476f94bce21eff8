import HostStack
import KernelEndpoint
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import Testing

/// Addresses, priorities, breaks and aborts between our stack and the kernel's.
extension RealNetworkTests.KernelInterop {
    typealias Path = TestNetwork.Path

    private func finish(
        _ bench: Bench, _ client: TestEndpoint, _ server: TestEndpoint,
        before: KernelCounters
    ) throws -> KernelCounters {
        client.command(.stop)
        let near = try client.outcome()
        let far = try server.outcome()
        #expect(near.summary.failure == nil && far.summary.failure == nil)
        #expect(near.summary.bytesSent == far.summary.bytesReceived)
        #expect(far.summary.bytesSent == near.summary.bytesReceived)
        #expect(near.summary.isIntact && far.summary.isIntact)
        return try bench.network.counters(bench.kernel).since(before)
    }

    // MARK: ADD_ADDR

    /// The kernel forbids joins to its first address and announces another one: we join there.
    @Test func weJoinTheAddressThatTheKernelAnnounces() throws {
        let bench = try Bench(kernelIsClient: false)
        try NamespaceThread.run(in: bench.kernel) {
            try KernelSetting.allowsJoinToInitialAddress.set("0")
        }
        try bench.addEndpoint(TestNetwork.secondServerAddress, [.signal])
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server()
        let client = try bench.client(Workload(.stream, .upload))
        try client.log.wait(for: "address_announced")
        let joined = try client.log.wait(for: "subflow_established", count: 2)
        #expect(joined["tuple"]?.asString?.hasSuffix("10.0.9.2:5001") == true)
        let counters = try finish(bench, client, server, before: before)
        bench.expectHealth(counters)
        #expect(counters["AddAddrTx"] == 1)
        #expect(counters["EchoAdd"] == 1)
        #expect(counters[.joinAckReceived] == 1)
    }

    /// We announce an address: the kernel joins there.
    @Test func kernelJoinsTheAddressThatWeAnnounce() throws {
        let bench = try Bench(kernelIsClient: true)
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server {
            $0.stack.connection.announcedAddresses = [TestNetwork.secondServerAddress]
        }
        let client = try bench.client(Workload(.stream, .upload))
        let joined = try server.log.wait(for: "subflow_established", count: 2)
        #expect(joined["tuple"]?.asString?.hasPrefix("10.0.9.2:5001") == true)
        let counters = try finish(bench, client, server, before: before)
        bench.expectHealth(counters)
        #expect(counters["AddAddr"] == 1)
        #expect(counters["EchoAddTx"] == 1)
        #expect(counters[.joinSynAckReceived] == 1)
    }

    // MARK: REMOVE_ADDR

    @Test(arguments: Path.allCases)
    func kernelHearsThatWeGiveAnAddressUp(_ path: Path) throws {
        let bench = try Bench(kernelIsClient: false)
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server()
        let client = try bench.client(Workload(.echo, .upload))
        try client.log.wait(for: "subflow_established", count: 2)
        client.command(.giveUpAddress(path.address))
        try client.log.wait(for: "subflow_closed_by_peer")
        let counters = try finish(bench, client, server, before: before)
        bench.expectHealth(counters)
        // On each subflow once: it is neither acknowledged nor retransmitted.
        #expect(counters[.addressRemovedReceived] >= 1)
    }

    @Test(arguments: Path.allCases)
    func weHearThatTheKernelGivesAnAddressUp(_ path: Path) throws {
        let bench = try Bench(kernelIsClient: true)
        try bench.addEndpoint()
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server()
        let client = try bench.client(Workload(.echo, .upload))
        try server.log.wait(for: "subflow_established", count: 2)
        try NamespaceThread.run(in: bench.kernel) {
            try KernelPathManager().giveUp(path.address)
        }
        try server.log.wait(for: "address_removed_by_peer")
        let counters = try finish(bench, client, server, before: before)
        bench.expectHealth(counters)
        #expect(counters[.addressRemovedSent] == 1)
    }

    // MARK: MP_PRIO

    @Test func kernelHearsOurPriorities() throws {
        let bench = try Bench(kernelIsClient: false)
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server()
        let client = try bench.client(Workload(.echo, .upload))
        try client.log.wait(for: "subflow_established", count: 2)
        client.command(.setBackup(TestNetwork.wifi, true))
        client.command(.setBackup(TestNetwork.wifi, false))
        let counters = try finish(bench, client, server, before: before)
        bench.expectHealth(counters)
        #expect(counters[.priorityReceived] == 2)
    }

    @Test func weHearTheKernelsPriorities() throws {
        let bench = try Bench(kernelIsClient: true)
        try bench.addEndpoint()
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server()
        let client = try bench.client(Workload(.echo, .upload))
        try server.log.wait(for: "subflow_established", count: 2)
        try NamespaceThread.run(in: bench.kernel) {
            let manager = try KernelPathManager()
            let known = try required(
                manager.endpoints().first { $0.address == TestNetwork.lte })
            try manager.setBackup(true, identifier: known.identifier)
        }
        let heard = try server.log.wait(for: "priority_received")
        #expect(heard["backup"]?.asInteger == 1)
        let counters = try finish(bench, client, server, before: before)
        bench.expectHealth(counters)
        #expect(counters[.prioritySent] == 1)
    }

    // MARK: Breaks

    /// A link goes down at the client in the middle of a transfer.
    @Test(arguments: [false, true], Direction.allCases)
    func transferSurvivesThatALinkGoesDown(
        _ kernelIsClient: Bool, _ direction: Direction
    ) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient, rates: (wifi: 30, lte: 30))
        if kernelIsClient { try bench.addEndpoint() }
        let size = 3_000_000
        let server = try bench.server()
        let client = try bench.client(Workload(.bulk, direction, size: size))
        let ours = kernelIsClient ? server : client
        try ours.log.wait(for: "subflow_established", count: 2)
        try bench.network.takeDown(.wifi)
        let near = try client.outcome()
        let far = try server.outcome()
        #expect(near.summary.failure == nil && far.summary.failure == nil)
        let receiver = direction == .upload ? far : near
        #expect(receiver.summary.bytesReceived == size && receiver.summary.isIntact)
        #expect(near.isMPTCP && far.isMPTCP)
    }

    /// The last path goes; the connection goes on over a new one.
    @Test(arguments: [false, true], Direction.allCases)
    func connectionOutlivesItsLastPath(
        _ kernelIsClient: Bool, _ direction: Direction
    ) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient, up: [.wifi])
        let network = bench.network
        let before = try network.counters(bench.kernel)
        let server = try bench.server()
        let client = try bench.client(Workload(.stream, direction)) {
            $0.stack.connection.policy = .singlePath
        }
        try (kernelIsClient ? server : client).log.wait(for: "subflow_established")
        try client.log.wait(for: "workload-started")
        try network.takeDown(.wifi)
        if kernelIsClient {
            // The kernel reacts to nothing that it is not told (kernel-baseline.md, 6.1).
            try network.bringUp(.lte)
            try NamespaceThread.run(in: bench.kernel) {
                let manager = try KernelPathManager()
                try manager.giveUp(TestNetwork.wifi)
                try manager.add(KernelPathEndpoint(TestNetwork.lte, [.subflow]))
            }
            try server.log.wait(for: "subflow_established", count: 2)
        } else {
            try client.log.wait(for: "no_subflow_left")
            try network.bringUp(.lte)
            try client.log.wait(for: "subflow_established", count: 2)
        }
        let counters = try finish(bench, client, server, before: before)
        bench.expectHealth(counters)
        bench.expectHandshakes(counters)
    }

    // MARK: Aborts

    @Test(arguments: [false, true])
    func kernelHearsOurFastClose(_ kernelIsClient: Bool) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient)
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server()
        let client = try bench.client(Workload(.stream, .upload))
        let (ours, theirs) = kernelIsClient ? (server, client) : (client, server)
        try ours.log.wait(for: "workload-started")
        // A second stop does not wait for anything.
        ours.command(.stop)
        ours.command(.stop)
        _ = try ours.outcome()
        let other = try theirs.outcome()
        let counters = try bench.network.counters(bench.kernel).since(before)
        #expect(counters[.fastCloseReceived] >= 1)
        // The first stop finishes our direction. Where the two are read in separate turns, the
        // kernel's application may have taken the DATA_FIN, and be done, before the fast close.
        if other.summary.isComplete { return }
        guard case .connection = other.summary.failure else {
            Issue.record("the kernel's application was told \(String(describing: other))")
            return
        }
    }

    @Test(arguments: [false, true])
    func weHearTheKernelsFastClose(_ kernelIsClient: Bool) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient)
        let before = try bench.network.counters(bench.kernel)
        // Nobody ends this stream but the timeout of the kernel's side, which aborts it.
        let server = try TestEndpoint.server(
            kernelIsClient ? .swift : .kernel, in: bench.network.host,
            timeout: kernelIsClient ? nil : .milliseconds(500))
        let client = try bench.client(
            Workload(.stream, .upload),
            timeout: kernelIsClient ? .milliseconds(500) : .seconds(60))
        let ours = kernelIsClient ? server : client
        #expect(try ours.outcome().summary.failure == .connection("reset"))
        #expect(!ours.log.named("fastclose_received").isEmpty)
        _ = try (kernelIsClient ? client : server).outcome()
        let counters = try bench.network.counters(bench.kernel).since(before)
        #expect(counters[.fastCloseSent] >= 1)
    }

    // MARK: Middleboxes

    enum Stripped: CaseIterable {
        case syn
        case synACK
        case everything
    }

    /// A middlebox takes MPTCP's options away: what is left is TCP, and every octet arrives.
    @Test(arguments: [false, true], Stripped.allCases)
    func strippedOptionsLeaveTCP(_ kernelIsClient: Bool, _ stripped: Stripped) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient)
        let condition =
            switch stripped {
            case .syn: "tcp flags & (syn | ack) == syn"
            case .synACK: "tcp flags & (syn | ack) == (syn | ack)"
            case .everything: "meta l4proto tcp"
            }
        try bench.network.nft(
            """
            table inet strip {
              chain forward {
                type filter hook forward priority 0; policy accept;
                \(condition) reset tcp option mptcp
              }
            }

            """)
        let server = try bench.server()
        let client = try bench.client(
            Workload(.requestResponse, .upload, size: 30_000, duration: .milliseconds(300)))
        let near = try client.outcome()
        let far = try server.outcome()
        #expect(near.summary.failure == nil && far.summary.failure == nil)
        #expect(near.summary.isIntact && far.summary.isIntact)
        #expect(near.summary.bytesSent == far.summary.bytesReceived)
        #expect(!near.isMPTCP && !far.isMPTCP)
    }
}
