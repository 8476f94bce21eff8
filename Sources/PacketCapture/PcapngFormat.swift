/// Numbers of the pcapng format (draft-ietf-opsawg-pcapng).
enum PcapngFormat {
    /// Block types.
    enum Block {
        static let sectionHeader: UInt32 = 0x0a0d_0d0a
        static let interfaceDescription: UInt32 = 1
        static let obsoletePacket: UInt32 = 2
        static let simplePacket: UInt32 = 3
        static let enhancedPacket: UInt32 = 6
    }

    /// Option codes; those from 2 on mean something else in each kind of block.
    enum Option {
        static let end: UInt16 = 0
        static let comment: UInt16 = 1
        static let sectionSystem: UInt16 = 3
        static let sectionApplication: UInt16 = 4
        static let interfaceName: UInt16 = 2
        static let interfaceDescription: UInt16 = 3
        static let interfaceResolution: UInt16 = 9
        static let interfaceTimeOffset: UInt16 = 14
    }

    static let byteOrderMagic: UInt32 = 0x1a2b_3c4d
    /// Of an interface that says nothing: microseconds.
    static let defaultResolution: UInt8 = 6
    /// Type and length before a body, and the length again behind it.
    static let frameLength = 12
    /// Larger blocks are damage.
    static let largestBlock = 1 << 24
    /// Octets before the options of an Enhanced Packet Block, or before its frame.
    static let packetHeader = 20

    /// Rounds up to a multiple of four.
    static func padded(_ count: Int) -> Int { (count + 3) & ~3 }
}

/// The body of a block in the byte order of its section.
struct PcapngBody {
    let bytes: [UInt8]
    let isBigEndian: Bool

    /// A number of two octets, `nil` behind the end.
    func half(at offset: Int) -> UInt16? {
        guard offset + 2 <= bytes.count else { return nil }
        let value = UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
        return isBigEndian ? value.byteSwapped : value
    }

    /// A number of four octets, `nil` behind the end.
    func word(at offset: Int) -> UInt32? {
        guard let first = half(at: offset), let second = half(at: offset + 2) else { return nil }
        let (low, high) = isBigEndian ? (second, first) : (first, second)
        return UInt32(high) << 16 | UInt32(low)
    }

    /// The options from `offset` on, as far as they are whole.
    func options(from offset: Int) -> [(code: UInt16, value: ArraySlice<UInt8>)] {
        var options: [(code: UInt16, value: ArraySlice<UInt8>)] = []
        var offset = offset
        while let code = half(at: offset), let length = half(at: offset + 2),
            code != PcapngFormat.Option.end
        {
            let start = offset + 4
            guard start + Int(length) <= bytes.count else { break }
            options.append((code, bytes[start..<start + Int(length)]))
            offset = start + PcapngFormat.padded(Int(length))
        }
        return options
    }
}

/// How an interface of a pcapng file counts time.
struct PcapngClock: Equatable {
    private var ticksPerSecond: UInt64
    /// Seconds to add.
    private var offset: Int64

    private static let nanosecondsPerSecond: UInt64 = 1_000_000_000
    /// Seconds whose nanoseconds a number of 64 bits holds.
    private static let longest: Int64 = 9_000_000_000

    /// From `if_tsresol` and `if_tsoffset`; `nil` for units too small to count.
    init?(resolution: UInt8, offset: Int64) {
        let exponent = resolution & 0x7f
        if resolution & 0x80 != 0 {
            guard exponent < 64 else { return nil }
            ticksPerSecond = 1 << UInt64(exponent)
        } else {
            guard exponent < 20 else { return nil }
            ticksPerSecond = (0..<exponent).reduce(1) { power, _ in power * 10 }
        }
        self.offset = offset
    }

    /// Nanoseconds since 1970, the farthest that can be said where it is farther.
    func nanoseconds(_ ticks: UInt64) -> Int64 {
        let (seconds, rest) = ticks.quotientAndRemainder(dividingBy: ticksPerSecond)
        // Less than a second of ticks: the quotient is less than a second of nanoseconds.
        let fraction = ticksPerSecond.dividingFullWidth(
            rest.multipliedFullWidth(by: Self.nanosecondsPerSecond)
        ).quotient
        let (sum, overflow) = Int64(clamping: seconds).addingReportingOverflow(offset)
        let whole = overflow ? Self.longest : min(max(sum, -Self.longest), Self.longest)
        return whole * Int64(Self.nanosecondsPerSecond) + Int64(fraction)
    }
}
