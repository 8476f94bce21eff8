public import NetworkPrimitives

/// A bounds-checked cursor over bytes in network order.
///
/// The bytes belong to the caller and must outlive the reader; a reader never escapes the call it
/// is made in. Every read either succeeds whole or throws `.truncated` and moves nothing.
public struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    /// Octets read so far.
    public private(set) var position = 0

    /// A reader at the start of `bytes`.
    @inline(__always)
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Octets not yet read.
    @inline(__always)
    public var remaining: Int { bytes.count - position }

    @inline(__always)
    private mutating func load<T: FixedWidthInteger>(_ type: T.Type) throws(ParseError) -> T {
        let size = MemoryLayout<T>.size
        guard remaining >= size else { throw .truncated }
        let value = bytes.loadUnaligned(fromByteOffset: position, as: T.self)
        position += size
        return T(bigEndian: value)
    }

    /// Reads one octet.
    @inline(__always)
    public mutating func readUInt8() throws(ParseError) -> UInt8 { try load(UInt8.self) }

    /// Reads a 16-bit number.
    @inline(__always)
    public mutating func readUInt16() throws(ParseError) -> UInt16 { try load(UInt16.self) }

    /// Reads a 32-bit number.
    @inline(__always)
    public mutating func readUInt32() throws(ParseError) -> UInt32 { try load(UInt32.self) }

    /// Reads a 64-bit number.
    @inline(__always)
    public mutating func readUInt64() throws(ParseError) -> UInt64 { try load(UInt64.self) }

    /// Passes over `count` octets.
    @inline(__always)
    public mutating func skip(_ count: Int) throws(ParseError) {
        guard count >= 0, remaining >= count else { throw .truncated }
        position += count
    }

    /// Copies the next `count` octets.
    public mutating func readBytes(_ count: Int) throws(ParseError) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .truncated }
        let result = [UInt8](bytes[position..<(position + count)])
        position += count
        return result
    }

    /// The next `count` octets as a reader of their own.
    @inline(__always)
    public mutating func readSlice(_ count: Int) throws(ParseError) -> ByteReader {
        guard count >= 0, remaining >= count else { throw .truncated }
        let slice = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
        position += count
        return ByteReader(slice)
    }

    /// Reads an IPv4 or IPv6 address.
    @inline(__always)
    public mutating func readAddress(isV6: Bool) throws(ParseError) -> IPAddress {
        if isV6 {
            guard remaining >= 16 else { throw .truncated }
            return .v6(try readUInt64(), try readUInt64())
        }
        return .v4(try readUInt32())
    }
}
