import Glibc
import LinuxSystem
import NetworkPrimitives
import PacketCapture
import Testing
import WireFormat

@Suite("pcapng files")
struct PcapngTests {
    private static let section = CaptureSection(
        comment: "a run\nseed 7", system: "Linux 6.18", application: "mptcpctl test")
    private static let interfaces = [
        CaptureInterface(name: "client-wifi0", summary: "the client's end"),
        CaptureInterface(name: "server-eth0", linkType: .rawIP, snapshotLength: 200),
    ]

    private static func packet(
        _ time: Int64, _ length: Int = 20, on interface: Int? = nil
    ) -> CapturedPacket {
        CapturedPacket(
            time: time, wireLength: length + 3,
            bytes: [0x45] + [UInt8](repeating: UInt8(truncatingIfNeeded: time), count: length - 1),
            linkType: interface == 0 ? .ethernet : .rawIP, interface: interface)
    }

    private static func write(_ path: String) throws -> [CapturedPacket] {
        let packets = [
            packet(1_700_000_000_123_456_789, 21, on: 0),
            packet(1_700_000_000_123_456_790, 22, on: 1),
            packet(1_700_000_000_123_456_790, 24, on: 0),
        ]
        let writer = try PcapngWriter(path, section: section, interfaces: interfaces)
        let comments = [[], ["one"], ["break, t0 + 0 ms: \u{fc}ber", ""]]
        for (packet, comments) in zip(packets, comments) {
            writer.write(packet, interface: packet.interface ?? 0, comments: comments)
        }
        #expect(writer.count == 3)
        try writer.close()
        return packets
    }

    @Test("what is written is read, with the interface of each packet")
    func roundTrip() throws {
        let scratch = try Scratch()
        let written = try Self.write(scratch.file("a"))
        _ = try Self.write(scratch.file("b"))
        #expect(scratch.names == ["a", "b"])
        #expect(try scratch.read("a") == scratch.read("b"))
        let reader = try CaptureReader(scratch.file("a"))
        #expect(try reader.readAll() == written)
        #expect(reader.interfaces == Self.interfaces)
        #expect(reader.end == .complete)
    }

    @Test(
        "an interface of frames that are not understood is passed over, and said",
        arguments: [[1, 201], [201, 1]] as [[UInt16]])
    func passedOver(linkTypes: [UInt16]) throws {
        let scratch = try Scratch()
        let packets = (0..<4).map { Self.packet(Int64($0), on: 0) }
        let path = try scratch.write(
            CaptureBytes.pcapng(packets, linkTypes: linkTypes), to: "a")
        let reader = try CaptureReader(path)
        #expect(reader.linkType == .ethernet)
        #expect(try reader.readAll().count == 2)
        #expect(reader.end == .complete)
        #expect(
            reader.warning
                == "\(path): 2 packets passed over, in frames of BLUETOOTH_HCI_H4_WITH_PHDR")
    }

    @Test("a name of an interface moves no cursor")
    func names() throws {
        let scratch = try Scratch()
        let name = "eth0\u{1b}[31m\u{202e}\r\n\u{fc}\u{9b}"
        try PcapngWriter(
            scratch.file("a"), section: Self.section, interfaces: [CaptureInterface(name: name)]
        ).close()
        let reader = try CaptureReader(scratch.file("a"))
        #expect(
            reader.interfaces.first?.name
                == "eth0\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fc}\u{fffd}")
    }

    @Test("the header is what the format says")
    func vector() throws {
        let scratch = try Scratch()
        let writer = try PcapngWriter(
            scratch.file("a"),
            section: CaptureSection(comment: "c", system: "", application: "ab"),
            interfaces: [CaptureInterface(name: "n")])
        writer.write(
            CapturedPacket(
                time: 0x1_0000_0002, wireLength: 9, bytes: [1, 2, 3], linkType: .ethernet),
            interface: 0, comments: ["hello"])
        try writer.close()
        let header: [UInt8] =
            [0x0a, 0x0d, 0x0d, 0x0a, 52, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]
            + [UInt8](repeating: 0xff, count: 8)
            + [1, 0, 1, 0, 0x63, 0, 0, 0, 3, 0, 0, 0, 4, 0, 2, 0, 0x61, 0x62, 0, 0, 0, 0, 0, 0]
            + [52, 0, 0, 0]
        let interface: [UInt8] =
            [1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
            + [2, 0, 1, 0, 0x6e, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0]
        let packet: [UInt8] =
            [6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0]
            + [1, 2, 3, 0, 1, 0, 5, 0] + Array("hello".utf8)
            + [0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0]
        #expect(try scratch.read("a") == header + interface + packet)
    }

    @Test("a writer that is abandoned or fails leaves nothing")
    func abandoned() throws {
        let scratch = try Scratch()
        do {
            let writer = try PcapngWriter(
                scratch.file("a"), section: Self.section, interfaces: Self.interfaces)
            writer.write(Self.packet(1), interface: 0)
            #expect(scratch.names == ["a.partial"])
        }
        #expect(scratch.names.isEmpty)
        let error = #expect(throws: CaptureError.self) {
            try PcapngWriter(scratch.file("no/where"), section: Self.section, interfaces: [])
        }
        #expect(error?.kind == .unwritable)
    }

    @Test("the first failure is what is told, whatever fails after it")
    func full() throws {
        let scratch = try Scratch()
        // The first name leads to a device that is always full.
        symlink("/dev/full", scratch.file("full.partial"))
        let writer = try PcapngWriter(
            scratch.file("full"), section: Self.section, interfaces: Self.interfaces)
        for time in 0..<20 { writer.write(Self.packet(Int64(time), 60_000), interface: 1) }
        errno = EPERM
        let error = #expect(throws: CaptureError.self) { try writer.close() }
        #expect(error?.description == "\(scratch.file("full")): No space left on device")
        #expect(scratch.names.isEmpty)
    }

    @Test("sections of both byte orders follow each other, each with its own interfaces")
    func sections() throws {
        let scratch = try Scratch()
        let packets = [Self.packet(5), Self.packet(6)]
        let file =
            CaptureBytes.pcapng(packets, linkTypes: [101, 228])
            + CaptureBytes.pcapng(packets, linkTypes: [1], isBigEndian: true)
        let reader = try CaptureReader(scratch.write(file, to: "a"))
        let read = try reader.readAll()
        #expect(read.map(\.interface) == [0, 1, 2, 2])
        #expect(read.map(\.linkType) == [.rawIP, .ipv4, .ethernet, .ethernet])
        #expect(read.map(\.time) == [5, 6, 5, 6])
        #expect(reader.interfaces.count == 3)
    }

    /// `if_tsresol` and `if_tsoffset` of an interface, a time in its units, and the nanoseconds.
    @Test(
        "time in whatever units",
        arguments: [
            (nil, nil, 1_500_000, 1_500_000_000),
            (3, nil, 1_500, 1_500_000_000),
            (0, 10, 2, 12_000_000_000),
            (9, -1, 1_000_000_007, 7),
            (12, nil, 1_999, 1),
            (0x80 | 10, nil, 1_536, 1_500_000_000),
            (0, nil, .max, 9_000_000_000_000_000_000),
            (0, .max, .max, 9_000_000_000_000_000_000),
            (0x80 | 63, nil, 1 << 62, 500_000_000),
        ] as [(UInt8?, Int64?, UInt64, Int64)])
    func clocks(resolution: UInt8?, offset: Int64?, ticks: UInt64, expected: Int64) throws {
        let scratch = try Scratch()
        for isBigEndian in [false, true] {
            let file = CaptureBytes.pcapng(
                ticks: ticks, resolution: resolution, offset: offset, isBigEndian: isBigEndian)
            let reader = try CaptureReader(scratch.write(file, to: "a"))
            #expect(try reader.readAll().map(\.time) == [expected])
            #expect(reader.end == .complete)
        }
    }

    @Test("what cannot be read is said")
    func damage() throws {
        let scratch = try Scratch()
        let whole = CaptureBytes.pcapng([Self.packet(5)], linkTypes: [101])
        func reason(_ change: (inout [UInt8]) -> Void) throws -> String? {
            var file = whole
            change(&file)
            let path = try scratch.write(file, to: "a")
            let reader: CaptureReader
            do {
                reader = try CaptureReader(path)
            } catch {
                #expect(error.kind == .notACapture)
                return error.detail
            }
            _ = try reader.readAll()
            if case .cut(let reason) = reader.end { return reason }
            return nil
        }
        // 28 octets of section header, 32 of the interface, then the packet.
        #expect(try reason { _ in } == nil)
        #expect(try reason { $0[8] = 0 } == "a section without byte order")
        #expect(try reason { $0[4] = 29 } == "a block of an impossible length")
        #expect(try reason { $0[67] = 0xff } == "a block of an impossible length")
        #expect(try reason { $0[60 + 8] = 1 }?.hasPrefix("a packet of interface 1") == true)
        #expect(try reason { $0[60 + 20] = 100 } == "a packet longer than its block")
        #expect(try reason { $0[$0.count - 1] = 1 } == "a block's two lengths differ")
        #expect(try reason { $0.removeLast() } == "truncated pcapng file")
        #expect(try reason { $0[28] = 9 }?.hasPrefix("a packet of interface 0") == true)
        #expect(try reason { $0.removeSubrange(28...) } == "no interface is described")
        #expect(try reason { $0[48] = 20 } == "an interface counts time in units too small")
    }

    @Test("captures are merged in the order of time, a little disorder notwithstanding")
    func merging() throws {
        let scratch = try Scratch()
        let times: [[Int64]] = [[10, 30, 20, 40], [5, 20, 35], []]
        var sources: [CaptureMerger.Source] = []
        for (index, times) in times.enumerated() {
            let file = scratch.file("\(index).pcap")
            let writer = try CaptureWriter(file, linkType: .rawIP, snapshotLength: 30)
            for time in times { writer.write(Self.packet(time)) }
            try writer.close()
            sources.append(
                .init(file: file, interface: CaptureInterface(name: "point\(index)")))
        }
        var seen: [Bool] = []
        try CaptureMerger.merge(
            sources, into: scratch.file("a"), section: Self.section
        ) { packet, source, isLast in
            seen.append(isLast)
            return ["\(packet.time) at \(source)"]
        }
        let reader = try CaptureReader(scratch.file("a"))
        let packets = try reader.readAll()
        #expect(packets.map(\.time) == [5, 10, 20, 20, 30, 35, 40])
        #expect(packets.map(\.interface) == [1, 0, 0, 1, 0, 1, 0])
        #expect(packets.allSatisfy { $0.wireLength == 23 && $0.linkType == .rawIP })
        #expect(reader.interfaces.map(\.name) == ["point0", "point1", "point2"])
        #expect(reader.interfaces.allSatisfy { $0.snapshotLength == 30 })
        #expect(seen == [false, false, false, false, false, false, true])

        let cut = try scratch.read("0.pcap").dropLast()
        try scratch.write(Array(cut), to: "0.pcap")
        #expect(throws: CaptureError.self) {
            try CaptureMerger.merge(
                sources, into: scratch.file("b"), section: Self.section
            ) { _, _, _ in [] }
        }
        #expect(!scratch.names.contains { $0.hasPrefix("b") })
    }

    private static let hasTshark = (try? Executable.find("tshark")) != nil

    @Test("tshark shows interfaces and comments", .enabled(if: hasTshark, "needs tshark"))
    func secondWitness() throws {
        let scratch = try Scratch()
        _ = try Self.write(scratch.file("a.pcapng"))
        let outcome = try ChildProcess.run(
            "tshark",
            [
                "-n", "-r", scratch.file("a.pcapng"), "-T", "fields", "-e", "frame.time_epoch",
                "-e", "frame.interface_name", "-e", "frame.len", "-e", "frame.comment",
            ])
        #expect(
            outcome.output.split(separator: "\n").map(String.init) == [
                "1700000000.123456789\tclient-wifi0\t24\t",
                "1700000000.123456790\tserver-eth0\t25\tone",
                "1700000000.123456790\tclient-wifi0\t27\tbreak, t0 + 0 ms: \u{fc}ber,",
            ])
        let about = try ChildProcess.run("capinfos", ["-M", scratch.file("a.pcapng")])
        for word in [
            "Linux 6.18", "mptcpctl test", "seed 7", "Name = client-wifi0", "the client's end",
            "Time resolution = 0x09",
        ] {
            #expect(about.output.contains(word), "\(word): \(about.output)")
        }
    }
}
