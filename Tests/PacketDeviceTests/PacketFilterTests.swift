import PacketDevice
import Testing

/// Classic BPF as the kernel's documentation has it, for the instructions that are used.
private func accepts(_ program: [FilterInstruction], _ frame: [UInt8]) -> Bool {
    var a: UInt32 = 0
    var x: UInt32 = 0
    var index = 0
    func load(_ offset: Int, _ size: Int) -> UInt32? {
        guard offset + size <= frame.count else { return nil }
        return frame[offset..<offset + size].reduce(0) { $0 << 8 | UInt32($1) }
    }
    while true {
        let step = program[index]
        index += 1
        func skip(_ condition: Bool) { index += Int(condition ? step.yes : step.no) }
        switch step.code {
        case .loadHalf:
            guard let value = load(Int(step.k), 2) else { return false }
            a = value
        case .loadByte:
            guard let value = load(Int(step.k), 1) else { return false }
            a = value
        case .loadHalfIndexed:
            guard let value = load(Int(step.k + x), 2) else { return false }
            a = value
        case .loadByteIndexed:
            guard let value = load(Int(step.k + x), 1) else { return false }
            a = value
        case .loadHeaderLength:
            guard let value = load(Int(step.k), 1) else { return false }
            x = 4 * (value & 0xf)
        case .jump: index += Int(step.k)
        case .ifEqual: skip(a == step.k)
        case .ifAbove: skip(a > step.k)
        case .ifAtLeast: skip(a >= step.k)
        case .ifBits: skip(a & step.k != 0)
        case .answer: return step.k != 0
        default:
            Issue.record("instruction \(step.code) is not known")
            return false
        }
    }
}

@Suite("Packet filter")
struct PacketFilterTests {
    private let program = PacketFilter.tcpDestinationPorts(40000...40009).program

    private func frame4(
        port: UInt16, transport: UInt8 = 6, options: Int = 0, fragment: UInt16 = 0x4000
    ) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: 14 + 20 + 4 * options + 20)
        frame[12] = 0x08
        frame[14] = 0x45 + UInt8(options)
        frame[20] = UInt8(fragment >> 8)
        frame[21] = UInt8(fragment & 0xff)
        frame[23] = transport
        frame[34 + 4 * options + 2] = UInt8(port >> 8)
        frame[34 + 4 * options + 3] = UInt8(port & 0xff)
        return frame
    }

    private func frame6(port: UInt16, next: UInt8 = 6) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: 14 + 40 + 20)
        frame[12] = 0x86
        frame[13] = 0xdd
        frame[14] = 0x60
        frame[20] = next
        frame[56] = UInt8(port >> 8)
        frame[57] = UInt8(port & 0xff)
        return frame
    }

    @Test(
        "the range's ends are in, their neighbours out",
        arguments: [
            (39999, false), (40000, true), (40005, true), (40009, true), (40010, false),
            (0, false), (65535, false),
        ])
    func range(_ port: Int, _ expected: Bool) {
        let port = UInt16(port)
        #expect(accepts(program, frame4(port: port)) == expected)
        #expect(accepts(program, frame4(port: port, options: 10)) == expected)
        #expect(accepts(program, frame6(port: port)) == expected)
    }

    @Test("fragments, other protocols and other frames are dropped")
    func others() {
        #expect(!accepts(program, frame4(port: 40000, fragment: 0x2000)))
        #expect(!accepts(program, frame4(port: 40000, fragment: 0x00b9)))
        #expect(accepts(program, frame4(port: 40000, fragment: 0)))
        #expect(!accepts(program, frame4(port: 40000, transport: 17)))
        #expect(!accepts(program, frame6(port: 40000, next: 17)))
        #expect(!accepts(program, frame6(port: 40000, next: 0)))
        var arp = frame4(port: 40000)
        arp[13] = 6
        #expect(!accepts(program, arp))
    }

    /// An ICMP error about a segment from this port.
    private func error4(
        port: UInt16, options: Int = 0, quotes: UInt8 = 6, quotedVersion: UInt8 = 0x45
    ) -> [UInt8] {
        var frame = frame4(port: 0, transport: 1, options: options)
        frame += [UInt8](repeating: 0, count: 16)
        let quoted = 34 + 4 * options + 8
        frame[34 + 4 * options] = 3
        frame[quoted] = quotedVersion
        frame[quoted + 9] = quotes
        frame[quoted + 20] = UInt8(port >> 8)
        frame[quoted + 21] = UInt8(port & 0xff)
        return frame
    }

    private func error6(port: UInt16, type: UInt8 = 2, quotes: UInt8 = 6) -> [UInt8] {
        var frame = frame6(port: 0, next: 58) + [UInt8](repeating: 0, count: 36)
        frame[54] = type
        frame[62] = 0x60
        frame[68] = quotes
        frame[102] = UInt8(port >> 8)
        frame[103] = UInt8(port & 0xff)
        return frame
    }

    @Test("ICMP errors about the range's segments are in, others out")
    func errors() {
        for (port, expected) in [
            (UInt16(39999), false), (40000, true), (40009, true), (40010, false),
        ] {
            #expect(accepts(program, error4(port: port)) == expected)
            #expect(accepts(program, error4(port: port, options: 3)) == expected)
            #expect(accepts(program, error6(port: port)) == expected)
        }
        #expect(!accepts(program, error4(port: 40000, quotes: 17)))
        #expect(!accepts(program, error4(port: 40000, quotedVersion: 0x46)))
        #expect(!accepts(program, error6(port: 40000, quotes: 17)))
        // Neighbour discovery and echoes.
        #expect(!accepts(program, error6(port: 40000, type: 128)))
        #expect(!accepts(program, error6(port: 40000, type: 135)))
    }

    @Test("a frame that is cut off before the port is dropped, at every length")
    func truncated() {
        for length in 0..<38 {
            #expect(!accepts(program, Array(frame4(port: 40000).prefix(length))))
        }
        #expect(accepts(program, Array(frame4(port: 40000).prefix(38))))
        for length in 0..<58 {
            #expect(!accepts(program, Array(frame6(port: 40000).prefix(length))))
        }
        #expect(accepts(program, Array(frame6(port: 40000).prefix(58))))
        for length in 0..<64 {
            #expect(!accepts(program, Array(error4(port: 40000).prefix(length))))
        }
        for length in 0..<104 {
            #expect(!accepts(program, Array(error6(port: 40000).prefix(length))))
        }
    }

    @Test("one port, the whole range, everything")
    func extremes() {
        let one = PacketFilter.tcpDestinationPorts(80...80).program
        #expect(accepts(one, frame4(port: 80)))
        #expect(!accepts(one, frame4(port: 81)) && !accepts(one, frame4(port: 79)))
        let whole = PacketFilter.tcpDestinationPorts(0...65535).program
        #expect(accepts(whole, frame4(port: 0)) && accepts(whole, frame6(port: 65535)))
        #expect(PacketFilter.all.program.isEmpty)
    }
}

@Suite("Port ranges")
struct PortRangesTests {
    @Test("the kernel's text is read and written")
    func text() {
        #expect(PortRanges(parsing: "8080,9148-9150\n").ranges == [8080...8080, 9148...9150])
        #expect(PortRanges(parsing: "8080,9148-9150").description == "8080,9148-9150")
        #expect(PortRanges(parsing: "").description == "")
        #expect(PortRanges(parsing: "x,9-7,-,70000,5").ranges == [5...5])
    }

    @Test("union joins what touches, subtraction splits")
    func sets() {
        let before = PortRanges(parsing: "10-20,30")
        #expect(before.union(PortRanges([21...29])).description == "10-30")
        #expect(before.union(PortRanges([15...40])).description == "10-40")
        #expect(PortRanges([0...65535]).subtracting(before).description == "0-9,21-29,31-65535")
        #expect(PortRanges([12...40]).subtracting(before).description == "21-29,31-40")
        #expect(before.subtracting(PortRanges([0...65535])).description == "")
        #expect(PortRanges([65535...65535]).subtracting(PortRanges([65535...65535])).ranges == [])
    }

    @Test("taking back what was added gives what was there")
    func restore() {
        let before = PortRanges(parsing: "100-200,40005")
        let wanted = PortRanges([40000...40009])
        let added = wanted.subtracting(before)
        #expect(before.union(wanted).subtracting(added) == before)
    }
}
