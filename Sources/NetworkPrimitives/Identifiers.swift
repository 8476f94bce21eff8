/// A network interface as its owner numbers it: the kernel's `ifindex` on real devices, the
/// position in the host's list in a simulation.
public struct InterfaceID: Hashable, Comparable, Sendable {
    /// The number.
    public var rawValue: Int32

    /// The interface with this number.
    @inlinable
    public init(_ rawValue: Int32) { self.rawValue = rawValue }

    /// Orders by number.
    @inlinable
    public static func < (lhs: InterfaceID, rhs: InterfaceID) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// A rate in bits per second.
public struct BitRate: Hashable, Comparable, Sendable {
    /// Bits per second.
    public var bitsPerSecond: Int64

    /// A rate of so many bits per second.
    @inlinable
    public init(bitsPerSecond: Int64) { self.bitsPerSecond = bitsPerSecond }

    /// Orders by speed.
    @inlinable
    public static func < (lhs: BitRate, rhs: BitRate) -> Bool {
        lhs.bitsPerSecond < rhs.bitsPerSecond
    }

    /// Nanoseconds that `bytes` occupy the line, rounded up.
    @inlinable
    public func serialisationNanoseconds(bytes: Int) -> Int64 {
        let product = Int64(bytes).multipliedFullWidth(by: 8_000_000_000)
        let (quotient, remainder) = bitsPerSecond.dividingFullWidth(product)
        return remainder > 0 ? quotient + 1 : quotient
    }

    /// Time that `bytes` occupy the line.
    @inlinable
    public func serialisation(bytes: Int) -> Duration {
        .nanoseconds(serialisationNanoseconds(bytes: bytes))
    }
}
