public import NetworkPrimitives

/// A cursor that writes numbers in network order into a buffer of the caller.
///
/// Room is the caller's duty: writing past the end is a broken invariant and traps.
public struct ByteWriter {
    private let buffer: UnsafeMutableRawBufferPointer
    /// Octets written so far.
    public private(set) var position = 0

    /// A writer at the start of `buffer`.
    @inline(__always)
    public init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    @inline(__always)
    private mutating func store<T: FixedWidthInteger>(_ value: T) {
        let size = MemoryLayout<T>.size
        precondition(position + size <= buffer.count, "packet buffer too small")
        buffer.storeBytes(of: value.bigEndian, toByteOffset: position, as: T.self)
        position += size
    }

    /// Writes one octet.
    @inline(__always)
    public mutating func write(_ value: UInt8) { store(value) }

    /// Writes a 16-bit number.
    @inline(__always)
    public mutating func write(_ value: UInt16) { store(value) }

    /// Writes a 32-bit number.
    @inline(__always)
    public mutating func write(_ value: UInt32) { store(value) }

    /// Writes a 64-bit number.
    @inline(__always)
    public mutating func write(_ value: UInt64) { store(value) }

    /// Writes the octets of an address.
    @inline(__always)
    public mutating func write(_ address: IPAddress) {
        switch address {
        case .v4(let value): store(value)
        case .v6(let high, let low):
            store(high)
            store(low)
        }
    }

    /// Writes octets.
    public mutating func write(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { store(byte) }
    }

    /// Writes `value` over what stands at `position`.
    @inline(__always)
    public func overwrite(_ value: UInt16, at position: Int) {
        precondition(position + 2 <= self.position, "overwrites only what was written")
        buffer.storeBytes(of: value.bigEndian, toByteOffset: position, as: UInt16.self)
    }
}
