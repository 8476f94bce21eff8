import Glibc
import LinuxSystem
import NetworkPrimitives
import PacketCapture
import Testing
import WireFormat

@Suite("Capture files")
struct CaptureFileTests {
    private static func packets(_ count: Int, linkType: LinkType = .ethernet) -> [CapturedPacket] {
        (0..<count).map { index in
            let header: [UInt8] =
                linkType == .ethernet ? [UInt8](repeating: 2, count: 12) + [8, 0] : []
            let packet: [UInt8] = [0x45, 0, 0, UInt8(20 + index)]
            return CapturedPacket(
                time: 1_700_000_000_123_456_789 + Int64(index) * 1_000_001,
                wireLength: header.count + 20 + index,
                bytes: header + packet + [UInt8](repeating: UInt8(index), count: 10),
                linkType: linkType)
        }
    }

    private static func captured(_ packet: CapturedPacket, on interface: Int?) -> CapturedPacket {
        var packet = packet
        packet.interface = interface
        return packet
    }

    private static func readAll(_ path: String) throws -> (CaptureReader, [CapturedPacket]) {
        let reader = try CaptureReader(path)
        return (reader, try reader.readAll())
    }

    @Test(
        "what is written is read, to the nanosecond",
        arguments: [LinkType.ethernet, .rawIP, .rawIPInMemory, .linuxCooked, .linuxCookedV2, .ipv4])
    func roundTrip(_ linkType: LinkType) throws {
        let scratch = try Scratch()
        let written = Self.packets(5, linkType: linkType)
        for name in ["a", "b"] {
            let writer = try CaptureWriter(scratch.file(name), linkType: linkType)
            for packet in written { writer.write(packet) }
            #expect(scratch.names.contains("\(name).partial"))
            #expect(!scratch.names.contains(name))
            try writer.close()
        }
        #expect(scratch.names == ["a", "b"])
        #expect(try scratch.read("a") == scratch.read("b"))

        let (reader, read) = try Self.readAll(scratch.file("a"))
        #expect(reader.end == .complete)
        #expect(reader.warning == nil)
        // Raw IP has one number in files and another one in memory.
        #expect(read.map(\.bytes) == written.map(\.bytes))
        #expect(read.map(\.time) == written.map(\.time))
        #expect(read.map(\.wireLength) == written.map(\.wireLength))
        #expect(read.map(\.ipPacket) == written.map(\.ipPacket))
    }

    @Test("the writer keeps no more than asked for, and an empty frame too")
    func snapshotLength() throws {
        let scratch = try Scratch()
        let writer = try CaptureWriter(scratch.file("a"), snapshotLength: 20)
        writer.write(Self.packets(1)[0])
        writer.write(CapturedPacket(time: 0, wireLength: 60, bytes: [], linkType: .ethernet))
        try writer.close()
        let (reader, read) = try Self.readAll(scratch.file("a"))
        #expect(reader.snapshotLength == 20)
        #expect(read.map(\.bytes.count) == [20, 0])
        #expect(read.map(\.wireLength) == [34, 60])
        #expect(read.map(\.time) == [1_700_000_000_123_456_789, 0])
    }

    @Test("a writer that is abandoned or fails leaves nothing")
    func abandoned() throws {
        let scratch = try Scratch()
        do {
            let writer = try CaptureWriter(scratch.file("a"))
            writer.write(Self.packets(1)[0])
        }
        #expect(scratch.names.isEmpty)
        let error = #expect(throws: CaptureError.self) {
            try CaptureWriter(scratch.file("no/where.pcap"))
        }
        #expect(error?.kind == .unwritable)
        let full = #expect(throws: CaptureError.self) {
            // The temporary name leads to a device that is always full.
            symlink("/dev/full", scratch.file("full.partial"))
            let writer = try CaptureWriter(scratch.file("full"))
            writer.write(Self.packets(1)[0])
            try writer.close()
        }
        #expect(full?.description == "\(scratch.file("full")): No space left on device")
        #expect(scratch.names.isEmpty)
    }

    @Test("pcap and pcapng of both byte orders, micro- and nanoseconds")
    func formats() throws {
        let scratch = try Scratch()
        let packets = Self.packets(4)
        for isBigEndian in [false, true] {
            let files = [
                (CaptureBytes.pcap(packets, isBigEndian: isBigEndian), nil),
                (CaptureBytes.pcapng(packets, isBigEndian: isBigEndian), 0),
            ]
            for (file, interface) in files {
                let (reader, read) = try Self.readAll(scratch.write(file, to: "a"))
                #expect(read == packets.map { Self.captured($0, on: interface) })
                #expect(reader.end == .complete)
            }
            let coarse = CaptureBytes.pcap(packets, isBigEndian: isBigEndian, nanoseconds: false)
            let (_, read) = try Self.readAll(scratch.write(coarse, to: "a"))
            #expect(read.map(\.time) == packets.map { $0.time / 1000 * 1000 })
        }
    }

    @Test("a file cut at any octet gives the packets before the cut, and says so")
    func truncation() throws {
        let scratch = try Scratch()
        let packets = Self.packets(3)
        for (file, interface) in [
            (CaptureBytes.pcap(packets), nil), (CaptureBytes.pcapng(packets), 0),
        ] {
            let packets = packets.map { Self.captured($0, on: interface) }
            var complete = 0
            for length in 0..<file.count {
                let path = try scratch.write(Array(file[..<length]), to: "a")
                let reader: CaptureReader
                do {
                    reader = try CaptureReader(path)
                } catch {
                    #expect(error.kind == .notACapture)
                    #expect(error.subject == path)
                    continue
                }
                let read = try reader.readAll()
                #expect(read == Array(packets.prefix(read.count)))
                #expect(read.count < packets.count)
                switch reader.end {
                case .complete:
                    // Only between two packets can nobody tell.
                    complete += 1
                    #expect(reader.warning == nil)
                case .cut:
                    #expect(reader.warning?.contains("\(read.count) packets before") == true)
                case .notReached: Issue.record("the end was reached")
                }
            }
            #expect(complete == packets.count)
        }
    }

    @Test("files with flipped, missing and added octets do not crash")
    func mutations() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 0x5eed)
        let originals = [
            CaptureBytes.pcap(Self.packets(4)), CaptureBytes.pcapng(Self.packets(4)),
            CaptureBytes.pcap(Self.packets(4), isBigEndian: true),
        ]
        for round in 0..<3000 {
            var file = originals[round % originals.count]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let position = Int.random(in: 0..<file.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: file[position] = UInt8.random(in: 0...255, using: &generator)
                case 1: file[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: file.remove(at: position)
                default: file.insert(0xff, at: position)
                }
            }
            try scratch.write(file, to: "a")
            guard let reader = try? CaptureReader(scratch.file("a")) else { continue }
            var count = 0
            while let packet = try? reader.next() {
                _ = packet.ipPacket
                _ = packet.interfaceIndex
                count += 1
            }
            #expect(count <= 8)
        }
    }

    @Test("what is wrong with a file is said with its name and what to do")
    func errors() throws {
        let scratch = try Scratch()
        func error(_ bytes: [UInt8]?) throws -> CaptureError? {
            let path = try bytes.map { try scratch.write($0, to: "a") } ?? scratch.file("none")
            do throws(CaptureError) {
                _ = try CaptureReader(path).readAll()
                return nil
            } catch {
                #expect(error.subject == path)
                return error
            }
        }
        #expect(try error(nil)?.detail == "No such file or directory")
        #expect(try error([])?.kind == .notACapture)
        let text = try error(Array("this is a text, and no capture at all\n".utf8))
        #expect(text?.kind == .notACapture)
        #expect(text?.suggestion?.contains("pcapng") == true)
        let bluetooth = try error(CaptureBytes.pcap(Self.packets(1), linkType: 201))
        #expect(bluetooth?.kind == .unsupportedLinkType)
        #expect(bluetooth?.detail.contains("BLUETOOTH") == true)
        #expect(try error(CaptureBytes.pcapng(Self.packets(2), linkTypes: [1, 101])) == nil)
        let strange = try error(CaptureBytes.pcapng(Self.packets(2), linkTypes: [201, 147]))
        #expect(strange?.kind == .unsupportedLinkType)
        let directory = #expect(throws: CaptureError.self) { try CaptureReader(scratch.path) }
        #expect(directory?.kind == .unreadable)
    }

    @Test("tshark reads what is written here")
    func secondWitness() throws {
        guard (try? Executable.find("tshark")) != nil else { return }
        let scratch = try Scratch()
        let packets = Self.packets(3)
        let writer = try CaptureWriter(scratch.file("a.pcap"))
        for packet in packets { writer.write(packet) }
        try writer.close()
        let outcome = try ChildProcess.run(
            "tshark",
            [
                "-r", scratch.file("a.pcap"), "-T", "fields", "-e", "frame.time_epoch", "-e",
                "frame.len", "-e", "frame.cap_len", "-e", "frame.encap_type",
            ])
        let expected = packets.map { packet in
            let fraction = String(packet.time % 1_000_000_000)
            let zeros = String(repeating: "0", count: 9 - fraction.count)
            return "\(packet.time / 1_000_000_000).\(zeros)\(fraction)\t\(packet.wireLength)"
                + "\t\(packet.bytes.count)\t1"
        }
        #expect(outcome.output.split(separator: "\n").map(String.init) == expected)
    }
}
