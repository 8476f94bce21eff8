/// An MPTCP data sequence number: 64 bits, compared modulo 2^64 (RFC 8684, 3.3.1).
public struct DataSequenceNumber: Hashable, Sendable {
    /// The full 64-bit number.
    public var rawValue: UInt64

    /// The data sequence number with this value.
    @inlinable
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The low 32 bits, as the short forms of the DSS option carry them.
    @inlinable
    public var low32: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    /// The 64-bit number nearest to `reference` whose low half is `low32` (mptcp-wire, 5.6).
    @inlinable
    public init(expanding low32: UInt32, near reference: DataSequenceNumber) {
        let step = Int64(Int32(bitPattern: low32 &- reference.low32))
        self.rawValue = reference.rawValue &+ UInt64(bitPattern: step)
    }

    /// How far `other` lies ahead of this number; negative when it lies behind.
    @inlinable
    public func distance(to other: DataSequenceNumber) -> Int {
        Int(Int64(bitPattern: other.rawValue &- rawValue))
    }

    /// Whether this number lies before `other`.
    @inlinable
    public func precedes(_ other: DataSequenceNumber) -> Bool { distance(to: other) > 0 }

    /// Whether this number lies before `other` or equals it.
    @inlinable
    public func precedesOrEquals(_ other: DataSequenceNumber) -> Bool { distance(to: other) >= 0 }

    /// The number `count` further.
    @inlinable
    public static func + (lhs: DataSequenceNumber, count: Int) -> DataSequenceNumber {
        DataSequenceNumber(lhs.rawValue &+ UInt64(bitPattern: Int64(count)))
    }

    /// The number `count` before.
    @inlinable
    public static func - (lhs: DataSequenceNumber, count: Int) -> DataSequenceNumber {
        DataSequenceNumber(lhs.rawValue &- UInt64(bitPattern: Int64(count)))
    }

    /// Moves the number `count` further.
    @inlinable
    public static func += (lhs: inout DataSequenceNumber, count: Int) { lhs = lhs + count }
}

extension DataSequenceNumber: CustomStringConvertible {
    /// The number in hexadecimal, as `ss` prints it.
    public var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
