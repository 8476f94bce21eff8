import HostStack
import KernelEndpoint
import LinuxSystem
import MPTCP
import NetworkPrimitives
import PacketDevice
import Scenario
import StackRuntime
import Synchronization
import Testing
import WireFormat

/// Rows of the test matrix (kernel-peer.md, 22) for which something on the way has to go wrong.
extension RealNetworkTests.KernelInterop {
    private typealias Script = ScriptedDevice.Script

    private struct Both {
        var near: EndOutcome
        var far: EndOutcome
        var counters: KernelCounters
        var events: EventLog
    }

    /// Plays a workload with a script between our stack and its devices.
    private func play(
        _ bench: Bench, _ workload: Workload, outgoing: Script? = nil, incoming: Script? = nil,
        _ change: @escaping TestEndpoint.Change = { _ in }
    ) throws -> Both {
        let scripted: TestEndpoint.Change = {
            $0.middleware = { device, _ in
                ScriptedDevice(device, outgoing: outgoing, incoming: incoming)
            }
            change(&$0)
        }
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server(scripted)
        let client = try bench.client(workload, scripted)
        let near = try client.outcome()
        let far = try server.outcome()
        try bench.awaitKernelSockets()
        return Both(
            near: near, far: far,
            counters: try bench.network.counters(bench.kernel).since(before),
            events: bench.kernelClient ? server.log : client.log)
    }

    private func expectIntact(_ both: Both, isMPTCP: Bool = true) {
        #expect(both.near.summary.failure == nil && both.far.summary.failure == nil)
        #expect(both.near.summary.isIntact && both.far.summary.isIntact)
        #expect(both.near.summary.bytesSent == both.far.summary.bytesReceived)
        #expect(both.far.summary.bytesSent == both.near.summary.bytesReceived)
        #expect(both.near.isMPTCP == isMPTCP && both.far.isMPTCP == isMPTCP)
    }

    private static let exchange = Workload(
        .requestResponse, .upload, size: 20_000, duration: .milliseconds(300))

    // MARK: Rows 3 and 4: the third ACK

    /// The first data carry MP_CAPABLE: they stand for a third ACK that is lost.
    @Test func firstDataStandForALostThirdACK() throws {
        let bench = try Bench(kernelIsClient: false, up: [.wifi])
        let lost = ScriptedDevice.Flag()
        let both = try play(
            bench, Self.exchange,
            outgoing: Script { segment in
                let isThird = segment.capable?.receiverKey != nil && segment.payload.isEmpty
                return isThird && lost.raise() ? [] : nil
            })
        expectIntact(both)
        #expect(lost.isRaised)
        #expect(both.counters[.capableAccepted] == 1)
        bench.expectHealth(both.counters)
    }

    /// Without MP_CAPABLE on the packet that completes the handshake the kernel is plain TCP for
    /// ever; we follow.
    @Test func kernelThatNeverHeardTheThirdACKIsFollowedIntoFallback() throws {
        let bench = try Bench(kernelIsClient: false, up: [.wifi])
        let both = try play(
            bench, Self.exchange,
            outgoing: Script { segment in
                segment.capable?.receiverKey == nil ? nil : [segment.withoutMPTCP]
            })
        expectIntact(both, isMPTCP: false)
        #expect(both.counters["MPCapableFallbackACK"] == 1)
    }

    // MARK: Row 12: DATA_FIN

    @Test(arguments: [false, true], [false, true])
    func aLostDataFINIsSentAgain(_ kernelIsClient: Bool, _ isOurs: Bool) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient)
        if kernelIsClient { try bench.addEndpoint() }
        let lost = ScriptedDevice.Flag()
        let script = Script { segment in
            segment.header.options.dss?.isDataFIN == true && lost.raise() ? [] : nil
        }
        let both = try play(
            bench, Self.exchange, outgoing: isOurs ? script : nil, incoming: isOurs ? nil : script)
        expectIntact(both)
        #expect(lost.isRaised)
        bench.expectHealth(both.counters)
    }

    // MARK: Row 14: joins that are refused

    private func joinIsRefused(
        _ change: @escaping @Sendable (MPJoin) -> MPJoin?
    ) throws -> Both {
        let bench = try Bench(kernelIsClient: false)
        let both = try play(
            bench, Workload(.echo, .upload, duration: .milliseconds(500)),
            outgoing: Script { segment in
                segment.join.flatMap(change).map { [segment.with(.join($0))] }
            })
        expectIntact(both)
        #expect(both.counters[.joinAckReceived] == 0)
        // The join ended; the first subflow did not.
        let ended = try #require(both.events.named("subflow_closed").first)
        #expect(ended["subflow"]?.asInteger != 0)
        #expect(["refused", "reset"].contains(ended["reason"]?.asString))
        return both
    }

    @Test func kernelRefusesAnUnknownToken() throws {
        let both = try joinIsRefused { join in
            guard case .syn(let isBackup, let id, let token, let nonce) = join else { return nil }
            return .syn(
                isBackup: isBackup, addressID: id, token: Token(token.rawValue ^ 1), nonce: nonce)
        }
        #expect(both.counters[.joinNoToken] >= 1)
    }

    @Test func kernelRefusesAWrongHMAC() throws {
        let both = try joinIsRefused { join in
            guard case .ack(var hmac) = join else { return nil }
            hmac.middle ^= 1
            return .ack(hmac: hmac)
        }
        #expect(both.counters[.joinWrongHMAC] >= 1)
    }

    @Test func kernelRefusesJoinsBeyondItsLimit() throws {
        let bench = try Bench(kernelIsClient: false)
        try NamespaceThread.run(in: bench.kernel) {
            try KernelPathManager().setLimits(subflows: 0, acceptedAddresses: 0)
        }
        let both = try play(bench, Workload(.echo, .upload, duration: .milliseconds(500)))
        expectIntact(both)
        #expect(both.counters[.joinRejected] >= 1)
        #expect(both.counters[.joinAckReceived] == 0)
    }

    // MARK: Row 16: payload that somebody changed

    /// One octet of our payload changes on the way once so many data segments have passed.
    private func corrupting(after count: Int, path: IPAddress? = nil) -> Script {
        let passed = Mutex(0)
        return Script { segment in
            guard segment.payload.count > 100, path.map({ segment.source == $0 }) ?? true,
                segment.header.options.dss?.mapping != nil
            else { return nil }
            let number = passed.withLock { passed in
                passed += 1
                return passed
            }
            guard number == count else { return nil }
            var changed = segment
            changed.payload[50] ^= 0xff
            return [changed]
        }
    }

    /// On the only subflow both sides give MPTCP up and go on as TCP.
    @Test func aWrongChecksumOnTheOnlySubflowEndsInFallback() throws {
        let bench = try Bench(kernelIsClient: false, up: [.wifi])
        let both = try play(
            bench, Workload(.bulk, .upload, size: 400_000), outgoing: corrupting(after: 20)
        ) { $0.stack.connection.usesChecksum = true }
        #expect(both.counters[.checksumError] == 1)
        #expect(both.counters["MPFailTx"] == 1)
        #expect(both.counters["MPFailRx"] == 1)
        // The kernel gives its application what came (kernel-peer.md, 5): changed, but all of it.
        #expect(both.far.summary.bytesReceived == 400_000)
        #expect(both.near.summary.failure == nil)
        #expect(!both.events.named("fallback").isEmpty)
    }

    /// On one of two subflows only that one ends; the octets arrive on the other.
    @Test func aWrongChecksumOnOneOfTwoSubflowsCostsThatOne() throws {
        let bench = try Bench(kernelIsClient: false, rates: (wifi: 30, lte: 30))
        let both = try play(
            bench, Workload(.bulk, .upload, size: 2_000_000),
            outgoing: corrupting(after: 20, path: TestNetwork.lte)
        ) { $0.stack.connection.usesChecksum = true }
        expectIntact(both)
        #expect(both.counters[.checksumError] == 1)
        #expect(both.counters["MPFailTx"] == 1)
        #expect(both.counters[.resetSent] >= 1)
        #expect(both.counters["DssFallback"] == 0)
    }

    // MARK: Row 17: segments that are split

    /// As a device does that cuts large segments: every piece carries the whole mapping.
    @Test func segmentsMayBeSplit() throws {
        let bench = try Bench(kernelIsClient: false)
        let splits = Mutex(0)
        let both = try play(
            bench, Workload(.bulk, .upload, size: 300_000),
            outgoing: Script { segment in
                guard segment.payload.count > 200, segment.header.options.dss?.mapping != nil else {
                    return nil
                }
                splits.withLock { $0 += 1 }
                var (first, second) = (segment, segment)
                let half = segment.payload.count / 2
                first.payload = Array(segment.payload[..<half])
                second.payload = Array(segment.payload[half...])
                second.header.sequence = segment.header.sequence + half
                return [first, second]
            })
        expectIntact(both)
        #expect(splits.withLock { $0 } > 0)
        bench.expectHealth(both.counters)
    }

    // MARK: Row 20: small buffers

    @Test(arguments: [false, true], [false, true])
    func smallReceiveBuffersOnTwoPaths(_ kernelIsClient: Bool, _ isOurs: Bool) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient, rates: (wifi: 40, lte: 40))
        if kernelIsClient { try bench.addEndpoint() }
        var options = KernelSocketOptions()
        if !isOurs { options.receiveBuffer = 8_192 }
        bench.kernelOptions.withLock { $0 = options }
        // The octets go to the end with the small buffer.
        let toClient = kernelIsClient != isOurs
        let windows = WindowWatch()
        let both = try play(
            bench, Workload(.bulk, toClient ? .download : .upload, size: 500_000),
            outgoing: isOurs ? windows.script : nil, incoming: isOurs ? nil : windows.script
        ) { if isOurs { $0.stack.connection.receiveBuffer = 16_384 } }
        expectIntact(both)
        // The kernel doubles what it is asked for.
        #expect((1...16_384).contains(windows.greatest))
        #expect(both.counters["NoDSSInWindow"] ?? 0 == 0)
        bench.expectHealth(both.counters)
    }

    /// The greatest window that one end advertises behind its SYNs.
    private final class WindowWatch: Sendable {
        private let state = Mutex((scales: [Endpoint: UInt8](), greatest: 0))

        var greatest: Int { state.withLock { $0.greatest } }

        /// Looks, and changes nothing.
        var script: Script {
            Script { [self] segment in
                let source = Endpoint(segment.source, segment.header.sourcePort)
                state.withLock { state in
                    if segment.header.flags.contains(.syn) {
                        state.scales[source] = segment.header.options.windowScale ?? 0
                    } else if !segment.header.flags.contains(.rst) {
                        let window = Int(segment.header.window) << (state.scales[source] ?? 0)
                        state.greatest = max(state.greatest, window)
                    }
                }
                return nil
            }
        }
    }

    // MARK: Row 21: versions

    /// Version 2 is answered with version 1, version 0 as plain TCP.
    @Test(arguments: [2, 0] as [UInt8])
    func kernelAnswersOtherVersions(_ version: UInt8) throws {
        let bench = try Bench(kernelIsClient: false, up: [.wifi])
        let both = try play(
            bench, Self.exchange,
            outgoing: Script { segment in
                guard var capable = segment.capable, segment.header.flags.contains(.syn) else {
                    return nil
                }
                capable.version = version
                // In version 0 the SYN carries the key.
                if version == 0 { capable.senderKey = Key(0x0102_0304_0506_0708) }
                return [segment.with(.capable(capable))]
            })
        expectIntact(both, isMPTCP: version == 2)
        #expect(both.counters[.capableAccepted] == (version == 2 ? 1 : 0))
    }

    // MARK: Row 22: the low half of the DSN wraps

    @Test func lowHalfOfTheDSNWraps() throws {
        let size = 6_000_000
        let seed = try #require(Self.seedWhoseDSNWraps(within: size / 2))
        let bench = try Bench(kernelIsClient: true)
        try bench.addEndpoint()
        let before = try bench.network.counters(bench.kernel)
        // The highest number sent so far, and how often a higher one had a lower low half.
        let sent = Mutex((highest: UInt64(0), wraps: 0))
        let watch = Script { segment in
            guard case .full(let number)? = segment.header.options.dss?.mapping?.dataSequenceNumber
            else { return nil }
            sent.withLock { sent in
                guard number > sent.highest else { return }
                let falls =
                    UInt32(truncatingIfNeeded: number) < UInt32(truncatingIfNeeded: sent.highest)
                if sent.highest > 0, falls { sent.wraps += 1 }
                sent.highest = number
            }
            return nil
        }
        let server = try TestEndpoint.server(.swift, in: bench.network.host) {
            $0.seed = seed
            $0.middleware = { device, _ in ScriptedDevice(device, outgoing: watch) }
        }
        let client = try bench.client(Workload(.bulk, .download, size: size))
        let near = try client.outcome()
        let far = try server.outcome()
        #expect(near.isMPTCP && far.isMPTCP)
        #expect(near.summary.bytesReceived == size && near.summary.isIntact)
        #expect(sent.withLock { $0.wraps } == 1)
        bench.expectHealth(try bench.network.counters(bench.kernel).since(before))
    }

    /// A seed of a server whose first key makes an initial DSN with its low half so near the wrap.
    private static func seedWhoseDSNWraps(within distance: Int) -> UInt64? {
        let server = Endpoint(TestNetwork.serverAddress, 5_001)
        var header = SegmentHeader(
            sourcePort: 40_000, destinationPort: server.port, sequence: SequenceNumber(1),
            acknowledgment: SequenceNumber(0), flags: [.syn], window: 65_535)
        header.options.mptcp = [.capable(MPCapable())]
        let syn = Segment(
            source: TestNetwork.wifi, destination: server.address, header: header
        ).encodedPacket()
        var buffer = [UInt8](repeating: 0, count: 2_048)
        return (1...20_000 as ClosedRange<UInt64>).first { seed in
            let stack = HostStack(configuration: StackConfiguration(), seed: seed)
            let interface = StackInterface(
                id: InterfaceID(1), name: "eth0", addresses: [server.address], mtu: 1_500,
                isUp: true)
            stack.setInterface(interface, now: .zero)
            guard (try? stack.listen(port: server.port)) != nil else { return false }
            syn.withUnsafeBytes {
                stack.receive($0, verification: .checksum, on: InterfaceID(1), now: .zero)
            }
            let length = buffer.withUnsafeMutableBytes {
                stack.pollTransmit(now: .zero, into: $0)?.length ?? 0
            }
            guard let answer = try? Segment(parsing: Array(buffer[..<length])),
                let key = answer.capable?.senderKey
            else { return false }
            let first = HandshakeScheme.v1.initialDataSequenceNumber(of: key)
            let low = UInt32(truncatingIfNeeded: first.rawValue)
            return UInt32.max - low < UInt32(distance)
        }
    }

    // MARK: Row 19: Fast Open

    /// The first connection brings the cookie; the SYN of the second carries data, which arrive once
    /// and lie outside of the data sequence space (RFC 8684, B).
    @Test(arguments: [false, true])
    func dataInTheFirstSYN(_ kernelIsClient: Bool) throws {
        let bench = try Bench(kernelIsClient: kernelIsClient, up: [.wifi])
        try NamespaceThread.run(in: bench.kernel) {
            try SysctlFile(KernelFastOpen.settingName).write("3")
        }
        bench.kernelOptions.withLock { $0.fastOpen = true }
        let sawEarlyData = ScriptedDevice.Flag()
        let script = Script { segment in
            if segment.header.flags.contains(.syn), !segment.payload.isEmpty {
                _ = sawEarlyData.raise()
            }
            return nil
        }
        let change: TestEndpoint.Change = {
            $0.stack.fastOpen = true
            $0.middleware = { device, _ in
                ScriptedDevice(
                    device, outgoing: kernelIsClient ? nil : script,
                    incoming: kernelIsClient ? script : nil)
            }
        }
        let before = try bench.network.counters(bench.kernel)
        let server = try bench.server(connections: 2, change)
        let workload = Workload(.bulk, .upload, size: 30_000)
        let client = try bench.client(workload, connections: 2, change)
        let near = try client.outcomes()
        let far = try server.outcomes()
        #expect(near.count == 2 && far.count == 2)
        for (near, far) in zip(near, far) {
            #expect(near.summary.failure == nil && far.summary.failure == nil)
            #expect(far.summary.isIntact && far.summary.bytesReceived == 30_000)
            #expect(near.isMPTCP && far.isMPTCP)
        }
        #expect(sawEarlyData.isRaised)
        try bench.awaitKernelSockets()
        bench.expectHealth(try bench.network.counters(bench.kernel).since(before))
    }
}
