internal import Glibc
internal import LinuxSystem
internal import WireFormat

/// Reads the packets of a pcapng file, block by block, of either byte order and any number of
/// sections and interfaces. Blocks that hold no packets are passed over.
final class PcapngReader {
    /// Why nothing more can be read.
    struct Damage: Error {
        var reason: String
    }

    /// Interfaces described so far, those of all sections in one row.
    private(set) var interfaces: [CaptureInterface] = []

    private let file: UnsafeMutablePointer<FILE>
    private var isBigEndian = false
    private var clocks: [PcapngClock] = []
    /// Where the interfaces of this section begin, and its number.
    private var sectionStart = 0
    private var section = -1

    /// Packets of interfaces whose frames are not understood, by their link type: passed over.
    private(set) var passedOver: [LinkType: Int] = [:]

    /// Takes over an open file and reads up to the first interface whose frames are understood, or to
    /// the end.
    init(_ file: UnsafeMutablePointer<FILE>) throws(Damage) {
        self.file = file
        while !interfaces.contains(where: \.linkType.isSupported) {
            guard let block = try readBlock() else {
                if interfaces.isEmpty { throw Damage(reason: "no interface is described") }
                return
            }
            _ = try packet(in: block)
        }
    }

    deinit { fclose(file) }

    /// The next packet, `nil` at the end.
    func next() throws(Damage) -> CapturedPacket? {
        while let block = try readBlock() {
            if let packet = try packet(in: block) { return packet }
        }
        return nil
    }

    // MARK: Blocks

    private struct Block {
        var type: UInt32
        var body: PcapngBody
    }

    private func readBlock() throws(Damage) -> Block? {
        var head = try read(8)
        if head.isEmpty { return nil }
        guard head.count == 8 else { throw Self.truncated }
        var fields = PcapngBody(bytes: head, isBigEndian: isBigEndian)
        if fields.word(at: 0) == PcapngFormat.Block.sectionHeader {
            // A section has a byte order of its own, which stands behind the length.
            head += try read(4)
            isBigEndian = try Self.isBigEndian(Array(head.dropFirst(8)))
            fields = PcapngBody(bytes: head, isBigEndian: isBigEndian)
            sectionStart = interfaces.count
            section += 1
        }
        let excess = head.count - 8
        guard let type = fields.word(at: 0), let length = fields.word(at: 4).map({ Int($0) }),
            length >= PcapngFormat.frameLength + excess, length % 4 == 0,
            length <= PcapngFormat.largestBlock
        else { throw Damage(reason: "a block of an impossible length") }
        let rest = try read(length - head.count)
        guard rest.count == length - head.count else { throw Self.truncated }
        let behind = PcapngBody(bytes: Array(rest.suffix(4)), isBigEndian: isBigEndian)
        guard behind.word(at: 0) == UInt32(length) else {
            throw Damage(reason: "a block's two lengths differ")
        }
        return Block(
            type: type,
            body: PcapngBody(bytes: Array(rest.dropLast(4)), isBigEndian: isBigEndian))
    }

    private static func isBigEndian(_ magic: [UInt8]) throws(Damage) -> Bool {
        for order in [false, true] {
            let fields = PcapngBody(bytes: magic, isBigEndian: order)
            if fields.word(at: 0) == PcapngFormat.byteOrderMagic { return order }
        }
        throw magic.count < 4 ? truncated : Damage(reason: "a section without byte order")
    }

    /// As many octets as there are, at most `count`.
    private func read(_ count: Int) throws(Damage) -> [UInt8] {
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = fread(buffer.baseAddress, 1, count, file)
        }
        if bytes.count < count, ferror(file) != 0 {
            throw Damage(reason: SystemError.text(of: errno))
        }
        return bytes
    }

    private static let truncated = Damage(reason: "truncated pcapng file")

    // MARK: What is in them

    private func packet(in block: Block) throws(Damage) -> CapturedPacket? {
        let body = block.body
        switch block.type {
        case PcapngFormat.Block.interfaceDescription:
            try addInterface(body)
            return nil
        case PcapngFormat.Block.enhancedPacket:
            return try packet(body, interface: body.word(at: 0).map { Int($0) })
        case PcapngFormat.Block.obsoletePacket:
            return try packet(body, interface: body.half(at: 0).map { Int($0) })
        case PcapngFormat.Block.simplePacket:
            guard let wireLength = body.word(at: 0) else { throw Self.truncatedBlock }
            let index = try interface(0)
            let limit = interfaces[index].snapshotLength
            let kept = min(Int(wireLength), limit == 0 ? .max : limit)
            return try packet(body, at: 4, kept: kept, of: Int(wireLength), time: 0, index)
        default: return nil
        }
    }

    private func addInterface(_ body: PcapngBody) throws(Damage) {
        guard let linkType = body.half(at: 0), let snapshotLength = body.word(at: 4) else {
            throw Self.truncatedBlock
        }
        var interface = CaptureInterface(
            name: nil, linkType: LinkType(rawValue: Int32(linkType)),
            snapshotLength: Int(snapshotLength))
        interface.section = section
        var resolution = PcapngFormat.defaultResolution
        var offset: Int64 = 0
        for (code, value) in body.options(from: 8) {
            switch code {
            case PcapngFormat.Option.interfaceName: interface.name = Self.text(value)
            case PcapngFormat.Option.interfaceDescription: interface.summary = Self.text(value)
            case PcapngFormat.Option.interfaceResolution: resolution = value.first ?? resolution
            case PcapngFormat.Option.interfaceTimeOffset where value.count == 8:
                let octets = isBigEndian ? Array(value) : value.reversed()
                offset = Int64(bitPattern: octets.reduce(0) { $0 << 8 | UInt64($1) })
            default: break
            }
        }
        guard let clock = PcapngClock(resolution: resolution, offset: offset) else {
            throw Damage(reason: "an interface counts time in units too small")
        }
        interfaces.append(interface)
        clocks.append(clock)
    }

    private static func text(_ value: ArraySlice<UInt8>) -> String? {
        let octets = value.prefix { $0 != 0 }
        if octets.isEmpty { return nil }
        return String(
            String.UnicodeScalarView(
                String(decoding: octets, as: UTF8.self).unicodeScalars.map {
                    isPrintable($0) ? $0 : "\u{fffd}"
                }))
    }

    /// Not what moves a terminal's cursor or turns its text round.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    /// A packet with the interface's number in its section before the time.
    private func packet(
        _ body: PcapngBody, interface number: Int?
    ) throws(Damage) -> CapturedPacket? {
        guard let number, let high = body.word(at: 4), let low = body.word(at: 8),
            let kept = body.word(at: 12), let wireLength = body.word(at: 16)
        else { throw Self.truncatedBlock }
        let index = try interface(number)
        let time = clocks[index].nanoseconds(UInt64(high) << 32 | UInt64(low))
        return try packet(
            body, at: PcapngFormat.packetHeader, kept: Int(kept), of: Int(wireLength), time: time,
            index)
    }

    private func packet(
        _ body: PcapngBody, at start: Int, kept: Int, of wireLength: Int, time: Int64, _ index: Int
    ) throws(Damage) -> CapturedPacket? {
        guard start + kept <= body.bytes.count else {
            throw Damage(reason: "a packet longer than its block")
        }
        let linkType = interfaces[index].linkType
        guard linkType.isSupported else {
            passedOver[linkType, default: 0] += 1
            return nil
        }
        return CapturedPacket(
            time: time, wireLength: wireLength, bytes: Array(body.bytes[start..<start + kept]),
            linkType: linkType, interface: index)
    }

    private func interface(_ number: Int) throws(Damage) -> Int {
        let index = sectionStart + number
        guard index < interfaces.count else {
            throw Damage(reason: "a packet of interface \(number), which is not described")
        }
        return index
    }

    private static let truncatedBlock = Damage(reason: "a block too short for its type")
}
