/// A TCP sequence number: 32 bits, compared modulo 2^32 (RFC 9293, 3.4).
///
/// Not `Comparable`: "before" on a circle is no total order.
public struct SequenceNumber: Hashable, Sendable {
    /// The number as it stands in the header.
    public var rawValue: UInt32

    /// The sequence number with this value on the wire.
    @inlinable
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// How far `other` lies ahead of this number; negative when it lies behind.
    @inlinable
    public func distance(to other: SequenceNumber) -> Int {
        Int(Int32(bitPattern: other.rawValue &- rawValue))
    }

    /// Whether this number lies before `other` on the circle.
    @inlinable
    public func precedes(_ other: SequenceNumber) -> Bool { distance(to: other) > 0 }

    /// Whether this number lies before `other` or equals it.
    @inlinable
    public func precedesOrEquals(_ other: SequenceNumber) -> Bool { distance(to: other) >= 0 }

    /// The number `count` further.
    @inlinable
    public static func + (lhs: SequenceNumber, count: Int) -> SequenceNumber {
        SequenceNumber(lhs.rawValue &+ UInt32(truncatingIfNeeded: count))
    }

    /// The number `count` before.
    @inlinable
    public static func - (lhs: SequenceNumber, count: Int) -> SequenceNumber {
        SequenceNumber(lhs.rawValue &- UInt32(truncatingIfNeeded: count))
    }

    /// Moves the number `count` further.
    @inlinable
    public static func += (lhs: inout SequenceNumber, count: Int) { lhs = lhs + count }

    /// The later one of two numbers.
    @inlinable
    public func later(_ other: SequenceNumber) -> SequenceNumber {
        precedes(other) ? other : self
    }
}

extension SequenceNumber: CustomStringConvertible {
    /// The number in decimal, as tcpdump prints it.
    public var description: String { String(rawValue) }
}
