/// An MPTCP key: 64 random bits that identify one end of a connection (RFC 8684, 3.1).
public struct Key: Hashable, Sendable {
    /// The key.
    public var rawValue: UInt64

    /// The key of this value.
    @inlinable
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The 32 bits that name a connection in MP_JOIN, derived from a key (RFC 8684, 3.2).
public struct Token: Hashable, Sendable {
    /// The token.
    public var rawValue: UInt32

    /// The token of this value.
    @inlinable
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

extension Token: CustomStringConvertible {
    /// Eight hexadecimal digits, as `ss` prints them.
    public var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// The number of an address within a connection; 0 is the first subflow's (RFC 8684, 3.4).
public struct AddressID: Hashable, Comparable, Sendable {
    /// The number.
    public var rawValue: UInt8

    /// The address with this number.
    @inlinable
    public init(_ rawValue: UInt8) { self.rawValue = rawValue }

    /// The address of the first subflow.
    public static let initial = AddressID(0)

    /// Orders by number.
    @inlinable
    public static func < (lhs: AddressID, rhs: AddressID) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// The protocol version of an MPTCP connection.
public enum MPTCPVersion: UInt8, Sendable {
    /// RFC 6824.
    case v0 = 0
    /// RFC 8684.
    case v1 = 1
}
