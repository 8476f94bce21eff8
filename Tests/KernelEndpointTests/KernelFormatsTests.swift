import KernelEndpoint
import NetworkPrimitives
import Testing

@Suite("What the kernel writes")
struct KernelFormatsTests {
    /// `struct mptcp_info` with a different number in each field (kernel-peer.md, 17.1).
    private var octets: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 96)
        func put<T: FixedWidthInteger>(_ offset: Int, _ value: T) {
            withUnsafeBytes(of: value) {
                bytes.replaceSubrange(offset..<(offset + $0.count), with: $0)
            }
        }
        for (offset, value) in [(0, 1), (1, 2), (2, 3), (3, 4), (42, 1), (80, 2)] {
            put(offset, UInt8(value))
        }
        put(8, UInt32(2))
        put(12, UInt32(0xdead_beef))
        put(16, UInt64(0x1122_3344_5566_7788))
        put(24, UInt64(100))
        put(32, UInt64(200))
        put(44, UInt32(7))
        for (index, offset) in [48, 56, 64, 72].enumerated() { put(offset, UInt64(1_000 + index)) }
        return bytes
    }

    @Test func informationIsReadFieldByField() throws {
        let found = try #require(MPTCPInformation(octets))
        #expect(found.extraSubflows == 1 && found.addressesSignalled == 2)
        #expect(found.addressesAccepted == 3 && found.subflowLimit == 4)
        #expect(!found.isFallback && found.hasRemoteKey && found.usesChecksum)
        #expect(found.localToken == 0xdead_beef)
        #expect(found.writeSequence == DataSequenceNumber(0x1122_3344_5566_7788))
        #expect(found.unacknowledged == DataSequenceNumber(100))
        #expect(found.receiveNext == DataSequenceNumber(200))
        #expect(found.retransmissions == 7 && found.totalSubflows == 2)
        #expect(found.bytesRetransmitted == 1_000 && found.bytesSent == 1_001)
        #expect(found.bytesReceived == 1_002 && found.bytesAcknowledged == 1_003)
    }

    @Test func olderKernelsFillLess() {
        for length in 0..<96 {
            let found = MPTCPInformation(Array(octets.prefix(length)))
            #expect((found == nil) == (length < 40))
            if length < 56 { #expect((found?.bytesRetransmitted ?? 0) == 0) }
        }
    }

    @Test func countersAreThoseOfTheGroup() {
        let before = KernelCounters(
            netstat: """
                TcpExt: SyncookiesSent MPTCPRetrans
                TcpExt: 9 9
                MPTcpExt: MPCapableSYNRX MPTCPRetrans MPCurrEstab
                MPTcpExt: 3 4 1
                """)
        let after = KernelCounters(
            netstat: """
                MPTcpExt: MPCapableSYNRX MPTCPRetrans MPCurrEstab
                MPTcpExt: 5 4 0
                """)
        #expect(before[.retransmissions] == 4 && before["MPTCPRetrans"] == 4)
        #expect(before["SyncookiesSent"] == nil && before[.joinRejected] == 0)
        let change = after.since(before)
        #expect(change[.capableSynReceived] == 2 && change[.established] == -1)
        #expect(change.nonZero.map(\.name) == ["MPCapableSYNRX", "MPCurrEstab"])
        #expect(!KernelCounters(netstat: "TcpExt: A\nTcpExt: 1\n").isAvailable)
        #expect(!KernelCounters(netstat: "MPTcpExt: A").isAvailable)
    }

    @Test func droppedPacketsOfAllProcessors() throws {
        let text = """
            0697e633 000000a4 0000002e 00000000
            06e0f825 0000032b 00000021 00000000

            """
        #expect(PacketBacklog.dropped(softnet: text) == 0xa4 + 0x32b)
        #expect(PacketBacklog.dropped(softnet: "x\n1 g") == 0)
        let interfaces = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets
                lo:     100       2    0    3    0     0          0         0      100       2
            wifi0-c:12345      20    7   40    0     0          0         0       10       1

            """
        #expect(PacketBacklog.arrivalDrops(interfaces: interfaces) == 43)
        #expect(try PacketBacklog.arrivalDrops() >= 0)
        #expect(try PacketBacklog.dropped() >= 0)
    }

    @Test(.enabled("needs root and a kernel with MPTCP") { KernelNamespace.isPossible })
    func settingsBelongToTheNamespace() throws {
        let namespace = try KernelNamespace()
        let before = try KernelSetting.closeTimeout.value()
        try namespace.run {
            try KernelSetting.closeTimeout.set("7")
            #expect(try KernelSetting.closeTimeout.value() == "7")
            #expect(try KernelCounters.current().isAvailable)
        }
        #expect(try KernelSetting.closeTimeout.value() == before)
    }
}
