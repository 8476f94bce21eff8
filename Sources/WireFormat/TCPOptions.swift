public import NetworkPrimitives

/// The timestamps option (RFC 7323, 3).
public struct Timestamps: Hashable, Sendable {
    /// The sender's clock.
    public var value: UInt32
    /// The peer's clock, echoed.
    public var echo: UInt32

    /// Timestamps of these values.
    @inline(__always)
    public init(value: UInt32, echo: UInt32) {
        self.value = value
        self.echo = echo
    }
}

/// One block of a SACK option (RFC 2018, 3).
public struct SACKBlock: Hashable, Sendable {
    /// First octet of the block.
    public var left: SequenceNumber
    /// First octet behind the block.
    public var right: SequenceNumber

    /// The block from `left` up to but not including `right`.
    @inline(__always)
    public init(left: SequenceNumber, right: SequenceNumber) {
        self.left = left
        self.right = right
    }
}

/// Up to four SACK blocks, stored in line so that an ACK costs no allocation.
public struct SACKBlocks: Hashable, Sendable {
    /// The most that a header has room for.
    public static let capacity = 4

    private var first = SACKBlocks.none
    private var second = SACKBlocks.none
    private var third = SACKBlocks.none
    private var fourth = SACKBlocks.none
    /// How many blocks are stored.
    public private(set) var count = 0

    private static let none = SACKBlock(left: SequenceNumber(0), right: SequenceNumber(0))

    /// No blocks.
    @inline(__always)
    public init() {}

    /// These blocks, as many as there is room for.
    public init(_ blocks: some Sequence<SACKBlock>) {
        for block in blocks.prefix(Self.capacity) { append(block) }
    }

    /// Whether there is no block.
    @inline(__always)
    public var isEmpty: Bool { count == 0 }

    /// Adds a block; a fifth one is dropped.
    public mutating func append(_ block: SACKBlock) {
        switch count {
        case 0: first = block
        case 1: second = block
        case 2: third = block
        case 3: fourth = block
        default: return
        }
        count += 1
    }

    /// The block at `index`, which must be below `count`.
    public subscript(index: Int) -> SACKBlock {
        precondition(index < count, "SACK block index out of range")
        return switch index {
        case 0: first
        case 1: second
        case 2: third
        default: fourth
        }
    }

    /// The first `length` blocks.
    public func prefix(_ length: Int) -> SACKBlocks {
        var result = SACKBlocks()
        for index in 0..<Swift.min(length, count) { result.append(self[index]) }
        return result
    }

    /// The blocks as an array.
    public var array: [SACKBlock] { (0..<count).map { self[$0] } }
}

/// An option that this project does not interpret.
public struct UnknownTCPOption: Hashable, Sendable {
    /// The option kind.
    public var kind: UInt8
    /// What follows kind and length.
    public var bytes: [UInt8]

    /// The option of this kind.
    public init(kind: UInt8, bytes: [UInt8]) {
        self.kind = kind
        self.bytes = bytes
    }
}

/// The options of one TCP header.
///
/// What every segment carries lies in line; the arrays stay empty, and so free of allocation, on
/// the data path. A repeated option: the last one counts, as in Linux.
public struct TCPOptions: Hashable, Sendable {
    /// Octets of option space in a header.
    public static let capacity = 40

    /// Maximum segment size (kind 2), on SYN only.
    public var maximumSegmentSize: UInt16?
    /// Window scale shift (kind 3), on SYN only.
    public var windowScale: UInt8?
    /// SACK permitted (kind 4), on SYN only.
    public var isSACKPermitted = false
    /// Timestamps (kind 8).
    public var timestamps: Timestamps?
    /// SACK blocks (kind 5).
    public var sack = SACKBlocks()
    /// The data sequence signal (kind 30, subtype 2).
    public var dss: DSS?
    /// All MPTCP options but DSS, in the order of the header.
    public var mptcp: [MPTCPOption] = []
    /// Options that are kept as they came.
    public var unknown: [UnknownTCPOption] = []

    /// No options.
    @inline(__always)
    public init() {}

    /// Octets on the wire, padding included. SACK gives way to MPTCP: blocks that do not fit are
    /// not written (mptcp-wire, 14.2). What has no room when each option is padded is written
    /// without padding between the options: a peer may have packed them so.
    @inline(__always)
    public var encodedLength: Int {
        let fixed = fixedLength
        if fixed > Self.capacity { return packedLength }
        let blocks = sackBlocksThatFit(beside: fixed)
        return fixed + (blocks > 0 ? 4 + 8 * blocks : 0)
    }

    /// Whether the options, each padded and SACK blocks aside, have room in a header.
    public var fits: Bool { fixedLength <= Self.capacity }

    /// Whether the options, SACK blocks aside, have room in a header without padding.
    public var fitsPacked: Bool { packedLength <= Self.capacity }

    @inline(__always)
    private func sackBlocksThatFit(beside fixed: Int) -> Int {
        sack.isEmpty ? 0 : Swift.max(0, Swift.min(sack.count, (Self.capacity - fixed - 4) / 8))
    }

    @inline(__always)
    private var fixedLength: Int {
        var length = 0
        if maximumSegmentSize != nil { length += 4 }
        if timestamps != nil {
            length += 12
        } else if isSACKPermitted {
            length += 4
        }
        if windowScale != nil { length += 4 }
        if let dss { length += Self.padded(dss.encodedLength) }
        for option in mptcp { length += Self.padded(option.encodedLength) }
        for option in unknown { length += Self.padded(2 + option.bytes.count) }
        return length
    }

    @inline(__always)
    private static func padded(_ length: Int) -> Int { (length + 3) & ~3 }

    /// Octets without padding between the options, padded between TCP's and MPTCP's. SACK blocks are
    /// left out.
    private var packedLength: Int { Self.padded(bareLength) }

    private var bareLength: Int {
        var length = 0
        if maximumSegmentSize != nil { length += 4 }
        if isSACKPermitted { length += 2 }
        if timestamps != nil { length += 10 }
        if windowScale != nil { length += 3 }
        if let dss { length += dss.encodedLength }
        for option in mptcp { length += option.encodedLength }
        for option in unknown { length += 2 + option.bytes.count }
        return length
    }

    private func encodePacked(into writer: inout ByteWriter) {
        if let maximumSegmentSize { writer.write(0x0204_0000 | UInt32(maximumSegmentSize)) }
        if isSACKPermitted { writer.write(UInt16(0x0402)) }
        if let timestamps {
            writer.write(UInt16(0x080a))
            writer.write(timestamps.value)
            writer.write(timestamps.echo)
        }
        if let windowScale {
            writer.write(UInt16(0x0303))
            writer.write(windowScale)
        }
        for _ in 0..<(packedLength - bareLength) { writer.write(UInt8(1)) }
        dss?.encode(into: &writer)
        for option in mptcp { option.encode(into: &writer) }
        for option in unknown {
            writer.write(option.kind)
            writer.write(UInt8(2 + option.bytes.count))
            writer.write(option.bytes)
        }
    }

    /// Writes the options, each padded to four octets with NOPs, in the order Linux uses.
    @inline(__always)
    public func encode(into writer: inout ByteWriter) {
        let fixed = fixedLength
        guard fixed <= Self.capacity else {
            encodePacked(into: &writer)
            return
        }
        if let maximumSegmentSize { writer.write(0x0204_0000 | UInt32(maximumSegmentSize)) }
        if let timestamps {
            // SACK-permitted takes the place of the two NOPs before the timestamps.
            writer.write(isSACKPermitted ? UInt32(0x0402_080a) : 0x0101_080a)
            writer.write(timestamps.value)
            writer.write(timestamps.echo)
        } else if isSACKPermitted {
            writer.write(UInt32(0x0101_0402))
        }
        if let windowScale { writer.write(0x0103_0300 | UInt32(windowScale)) }
        let blocks = sackBlocksThatFit(beside: fixed)
        if blocks > 0 {
            writer.write(0x0101_0500 | UInt32(2 + 8 * blocks))
            for index in 0..<blocks {
                writer.write(sack[index].left.rawValue)
                writer.write(sack[index].right.rawValue)
            }
        }
        if let dss {
            let start = writer.position
            dss.encode(into: &writer)
            Self.pad(&writer, since: start)
        }
        for option in mptcp {
            let start = writer.position
            option.encode(into: &writer)
            Self.pad(&writer, since: start)
        }
        for option in unknown {
            let start = writer.position
            writer.write(option.kind)
            writer.write(UInt8(2 + option.bytes.count))
            writer.write(option.bytes)
            Self.pad(&writer, since: start)
        }
    }

    @inline(__always)
    private static func pad(_ writer: inout ByteWriter, since start: Int) {
        while (writer.position - start) & 3 != 0 { writer.write(UInt8(1)) }
    }

    /// Reads an option area. A malformed length ends the reading; what came before it stays
    /// (mptcp-wire, 1.2).
    public init(parsing bytes: UnsafeRawBufferPointer) {
        var reader = ByteReader(bytes)
        while let kind = try? reader.readUInt8(), kind != 0 {
            if kind == 1 { continue }
            guard let length = try? reader.readUInt8(), length >= 2,
                var body = try? reader.readSlice(Int(length) - 2)
            else { return }
            // A known kind of a wrong length is ignored like an unknown one.
            (try? parse(kind: kind, from: &body)) ?? ()
        }
    }

    @inline(__always)
    private mutating func parse(kind: UInt8, from body: inout ByteReader) throws(ParseError) {
        switch (kind, body.remaining) {
        case (2, 2): maximumSegmentSize = try body.readUInt16()
        case (3, 1): windowScale = try body.readUInt8()
        case (4, 0): isSACKPermitted = true
        case (5, let length) where length >= 8 && length % 8 == 0:
            sack = SACKBlocks()
            while body.remaining >= 8 {
                sack.append(
                    SACKBlock(
                        left: SequenceNumber(try body.readUInt32()),
                        right: SequenceNumber(try body.readUInt32())))
            }
        case (8, 8):
            timestamps = Timestamps(value: try body.readUInt32(), echo: try body.readUInt32())
        case (30, let length) where length >= 1:
            switch try MPTCPOption(parsing: &body) {
            case .dss(let signal): dss = signal
            case let option: mptcp.append(option)
            }
        case (2...5, _), (8, _), (30, _): return
        default:
            unknown.append(UnknownTCPOption(kind: kind, bytes: try body.readBytes(body.remaining)))
        }
    }
}
