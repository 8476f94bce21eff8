public import NetworkPrimitives

/// The one's-complement sum of RFC 1071, kept unfolded so that pieces can be added.
public struct InternetChecksum: Sendable {
    private var sum: UInt64 = 0
    /// Whether an odd number of octets was added so far.
    private var isOdd = false

    /// An empty sum.
    @inline(__always)
    public init() {}

    /// Adds octets; a piece that starts at an odd offset of the whole is byte-swapped as it must be.
    @inline(__always)
    public mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var partial = Self.sum(of: bytes)
        if isOdd { partial = UInt64(UInt16(truncatingIfNeeded: partial).byteSwapped) }
        sum &+= partial
        if bytes.count & 1 == 1 { isOdd.toggle() }
    }

    /// Adds a 16-bit number; the sum must stand at an even offset.
    @inline(__always)
    public mutating func add(_ value: UInt16) { sum &+= UInt64(value) }

    /// Adds a 32-bit number.
    @inline(__always)
    public mutating func add(_ value: UInt32) {
        sum &+= UInt64(value >> 16) &+ UInt64(value & 0xffff)
    }

    /// Adds a 64-bit number.
    @inline(__always)
    public mutating func add(_ value: UInt64) {
        add(UInt32(truncatingIfNeeded: value >> 32))
        add(UInt32(truncatingIfNeeded: value))
    }

    /// Adds the octets of an address.
    @inline(__always)
    public mutating func add(_ address: IPAddress) {
        switch address {
        case .v4(let value): add(value)
        case .v6(let high, let low):
            add(high)
            add(low)
        }
    }

    /// The folded 16-bit sum.
    @inline(__always)
    public var folded: UInt16 { Self.fold(sum) }

    /// What stands in a checksum field: the complement of the folded sum.
    @inline(__always)
    public var checksum: UInt16 { ~folded }

    @inline(__always)
    private static func fold(_ value: UInt64) -> UInt16 {
        var value = value
        while value > 0xffff { value = (value >> 16) &+ (value & 0xffff) }
        return UInt16(value)
    }

    /// The folded sum of a piece that starts at an even offset.
    ///
    /// Sums in the machine's byte order four octets at a time; RFC 1071, 2(B): byte order does not
    /// matter until the end.
    private static func sum(of bytes: UnsafeRawBufferPointer) -> UInt64 {
        guard let base = bytes.baseAddress else { return 0 }
        var (a, b, c, d): (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var offset = 0
        let count = bytes.count
        while offset &+ 16 <= count {
            a &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            b &+= UInt64(base.loadUnaligned(fromByteOffset: offset &+ 4, as: UInt32.self))
            c &+= UInt64(base.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt32.self))
            d &+= UInt64(base.loadUnaligned(fromByteOffset: offset &+ 12, as: UInt32.self))
            offset &+= 16
        }
        while offset &+ 2 <= count {
            a &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset &+= 2
        }
        if offset < count {
            let last = UInt16(base.loadUnaligned(fromByteOffset: offset, as: UInt8.self))
            a &+= UInt64(UInt16(littleEndian: last))
        }
        return UInt64(UInt16(bigEndian: fold(a &+ b &+ c &+ d)))
    }

    /// The pseudo-header of RFC 9293, 3.1 and RFC 8200, 8.1.
    @inline(__always)
    public static func pseudoHeader(
        source: IPAddress, destination: IPAddress, protocolNumber: UInt8, length: Int
    ) -> InternetChecksum {
        var sum = InternetChecksum()
        sum.add(source)
        sum.add(destination)
        sum.add(UInt16(protocolNumber))
        sum.add(UInt32(truncatingIfNeeded: length))
        return sum
    }
}
