import Glibc
import LinuxSystem
import NetworkPrimitives
import PacketCapture
import Reporting
import Scenario
import Testing
import TraceAnalysis
import WireFormat

/// The whole way of a capture, from the file to the picture, with damaged files.
@Suite("Damaged captures")
struct DamagedCaptureTests {
    private static let original: String =
        "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        + "/Captures/client-links.pcap"

    /// Reads, analyses and renders. Whatever the file is, nothing of this may trap.
    private static func digest(_ path: String) -> TraceReport? {
        guard let reader = try? CaptureReader(path), let packets = try? reader.readAll() else {
            return nil
        }
        return digest(packets)
    }

    @discardableResult
    private static func digest(_ packets: [CapturedPacket]) -> TraceReport {
        var analyzer = TraceAnalyzer(points: [TracePoint("client", place: .atClient)])
        for packet in packets {
            let bytes = packet.ipPacket ?? []
            analyzer.add(
                TracePacket(
                    time: packet.time, point: 0, bytes: bytes,
                    wireLength: bytes.count + max(packet.wireLength - packet.bytes.count, 0)))
        }
        let report = analyzer.finish()
        let document = TraceDocument(captures: [], report: report)
        #expect(TraceTextRenderer.report(document).hasPrefix("0 captures"))
        #expect(TraceJSONRenderer.value(document)["schema"]?.asString == "mptcpctl.trace/1")
        for connection in report.connections {
            for direction in TraceDirection.allCases {
                #expect(SequencePlot(connection, direction, in: document).svg.hasSuffix("</svg>\n"))
            }
        }
        return report
    }

    private static func withTemporaryFile(_ body: (String) throws -> Void) throws {
        let path = "/tmp/mptcpctl-damaged-\(RandomBytes.suffix())"
        defer { unlink(path) }
        try body(path)
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        try OwnedDescriptor(checkedErrno(open(path, flags, 0o600), "open \(path)")).write(bytes)
    }

    @Test("packets with flipped, missing and added octets, lost and swapped ones")
    func mutatedPackets() throws {
        let original = try CaptureReader(Self.original).readAll()
        #expect(Self.digest(original).connections.count == 1)
        var generator = SeededGenerator(seed: 0xca97)
        for _ in 0..<150 {
            var packets = original
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                let index = Int.random(in: 0..<packets.count, using: &generator)
                Self.damage(&packets[index], &generator)
                switch Int.random(in: 0..<6, using: &generator) {
                case 0: packets.remove(at: index)
                case 1: packets.append(packets[index])
                case 2: packets.swapAt(index, Int.random(in: 0..<packets.count, using: &generator))
                default: break
                }
            }
            Self.digest(packets)
        }
    }

    private static func damage(
        _ packet: inout CapturedPacket, _ generator: inout SeededGenerator
    ) {
        guard !packet.bytes.isEmpty else { return }
        // Behind the Ethernet header, where the interesting octets are.
        let position = Int.random(
            in: min(14, packet.bytes.count - 1)..<packet.bytes.count, using: &generator)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: packet.bytes.removeSubrange(position...)
        case 1: packet.bytes.remove(at: position)
        case 2: packet.bytes.insert(0xff, at: position)
        case 3: packet.bytes[position] = UInt8.random(in: 0...255, using: &generator)
        case 4: packet.time = Int64.random(in: Int64.min...Int64.max, using: &generator)
        default: packet.bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
    }

    @Test("files with flipped octets, and cut at any place")
    func mutatedFiles() throws {
        try Self.withTemporaryFile { path in
            let writer = try CaptureWriter(path)
            for packet in try CaptureReader(Self.original).readAll().prefix(120) {
                writer.write(packet)
            }
            try writer.close()
            let original = try TextFile.bytes(path)
            var generator = SeededGenerator(seed: 0xf11e)
            for round in 0..<150 {
                var file = original
                if round % 2 == 0 {
                    file.removeLast(Int.random(in: 0...file.count, using: &generator))
                }
                for _ in 0..<Int.random(in: 0...20, using: &generator) where !file.isEmpty {
                    let position = Int.random(in: 0..<file.count, using: &generator)
                    file[position] = UInt8.random(in: 0...255, using: &generator)
                }
                try Self.write(file, to: path)
                _ = Self.digest(path)
            }
        }
    }
}
