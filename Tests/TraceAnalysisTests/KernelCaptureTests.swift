import NetworkPrimitives
import Testing
import TraceAnalysis
import WireFormat

/// Captures of Linux 6.18 talking to itself over two paths; the expected numbers are tshark's.
@Suite struct KernelCaptureTests {
    private func connection(_ name: String) throws -> (ConnectionTrace, [TracePacket]) {
        let packets = CaptureFile.packets(name)
        try #require(!packets.isEmpty)
        var analyzer = TraceAnalyzer(points: ["client"])
        for packet in packets { analyzer.add(packet) }
        let report = analyzer.finish()
        #expect(report.counts.segments == packets.count)
        #expect(report.connections.count == 1)
        return (try #require(report.connections.first), packets)
    }

    /// An upload with a backup subflow; the first path goes silent. The kernel maps 28,001 octets in
    /// one DSS over 20 segments.
    @Test func backupUploadOverASilentBreak() throws {
        let (connection, packets) = try connection("kernel-backup-silent-upload")
        #expect(connection.kind == .mptcpV1)
        // mptcp.expected_token of the SYN/ACK.
        #expect(connection.serverToken == .value(Token(3_320_946_026)))
        let join = try #require(connection.joins.first)
        #expect(join.outcome == .established)
        #expect(join.synACKHMAC == .valid)
        #expect(join.thirdACKHMAC == .valid)
        #expect(join.openerBackup == true)
        #expect(join.openerAddressID == AddressID(1))
        let upload = connection.upload
        #expect(upload.sentOctets == 80_001)
        #expect(upload.deliveredOffset == 80_001)
        #expect(upload.dataFIN?.offset == 80_001)
        #expect(upload.unmapped == 0)
        #expect(upload.implausibleMappings == 0)
        #expect(upload.notCaptured == 0)
        #expect(upload.mappingCounts == [21, 5])
        func frames(_ kind: TransmissionKind) -> Set<Int> {
            Set(
                upload.transmissions.filter { $0.kind == kind }.compactMap { transmission in
                    packets.firstIndex { $0.time == transmission.times.sent }.map { $0 + 1 }
                })
        }
        // mptcp.reinjection_of without tcp.analysis.retransmission. It names frames 150 and 151 as
        // well: a second copy, of octets whose DATA_ACK frame 148 had brought.
        #expect(
            frames(.reinjection)
                == Set(97...99).union(103...105).union(109...111).union(115...123)
                .union(133...142))
        #expect(frames(.lateReinjection).isSuperset(of: [150, 151]))
        #expect(frames(.retransmission).contains(163))
        #expect(upload.octets(.reinjection) == 38_848)
        #expect(upload.reinjections.allSatisfy { $0.from == 0 && $0.to == 1 })
    }

    /// A download that the server ends with unread data: fast close on every subflow.
    @Test func downloadEndedByFastClose() throws {
        let (connection, _) = try connection("kernel-fastclose-download")
        #expect(connection.download.sentOctets == 80_000)
        #expect(connection.download.deliveredOffset == 80_000)
        #expect(connection.download.octets(.retransmission) == 1_160)
        #expect(connection.download.mappingCounts == [11, 9])
        #expect(connection.download.reinjections.isEmpty)
        let closing = connection.signals.filter { $0.content == .fastClose }
        #expect(closing.map(\.subflow) == [0, 1])
        #expect(closing.allSatisfy { !$0.isFromClient })
        #expect(connection.subflows.allSatisfy { $0.reset?.isFromClient == false })
        #expect(connection.subflows[0].reset?.reason == MPTCPReset(.unspecified))
        #expect(connection.download.dataFIN == nil)
    }

    /// Segmentation is left to the hardware that a veth pair does not have: super-packets.
    @Test func uploadWithSegmentationOffload() throws {
        let packets = CaptureFile.packets("kernel-offload-upload")
        var analyzer = TraceAnalyzer(points: ["client"])
        for packet in packets { analyzer.add(packet) }
        let report = analyzer.finish()
        #expect(report.counts.superPackets == 20)
        let connection = try #require(report.connections.first)
        #expect(connection.upload.sentOctets == 80_001)
        #expect(connection.upload.transmissions.map(\.range.count).max() == 4_000)
        #expect(connection.upload.deliveredOffset == 80_001)
        #expect(connection.upload.unmapped == 0)
    }

    @Test func everyCutOfEveryCapture() {
        for name in ["kernel-backup-silent-upload", "kernel-offload-upload"] {
            let packets = CaptureFile.packets(name)
            for start in stride(from: 0, to: packets.count, by: 7) {
                var analyzer = TraceAnalyzer(points: ["client"])
                for packet in packets[start...] { analyzer.add(packet) }
                let report = analyzer.finish()
                #expect(report.connections.count <= 2)
                let octets = report.connections.reduce(0) { $0 + $1.upload.sentOctets }
                #expect(octets <= 80_001)
            }
        }
    }
}
