internal import CNetlinkRoute
package import NetworkPrimitives

/// One netlink message as it lies in a receive buffer. Pure: bounds-checked, no system call.
struct NetlinkMessage {
    static let headerLength = 16

    var type: UInt16
    var flags: UInt16
    var sequence: UInt32
    /// What follows the 16 octets of the header.
    var payload: UnsafeRawBufferPointer

    /// Cuts the first message off `rest`; `nil` at the end or where the length is nonsense.
    static func next(in rest: inout UnsafeRawBufferPointer) -> NetlinkMessage? {
        guard rest.count >= headerLength else { return nil }
        let length = Int(rest.loadUnaligned(as: UInt32.self))
        guard length >= headerLength, length <= rest.count else { return nil }
        let message = NetlinkMessage(
            type: rest.loadUnaligned(fromByteOffset: 4, as: UInt16.self),
            flags: rest.loadUnaligned(fromByteOffset: 6, as: UInt16.self),
            sequence: rest.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
            payload: UnsafeRawBufferPointer(rebasing: rest[headerLength..<length]))
        rest = UnsafeRawBufferPointer(rebasing: rest[min((length + 3) & ~3, rest.count)...])
        return message
    }

    /// The fixed structure at the start of the payload, `nil` when it is cut off.
    func header<T: BitwiseCopyable>(_ type: T.Type) -> T? {
        payload.count >= MemoryLayout<T>.size ? payload.loadUnaligned(as: T.self) : nil
    }

    /// The attributes behind a fixed structure of `size` octets.
    func attributes(after size: Int) -> AttributeReader {
        AttributeReader(payload, from: (size + 3) & ~3)
    }
}

/// The type-length-value attributes of a netlink message.
package struct AttributeReader: Sequence, IteratorProtocol {
    package struct Attribute {
        package var type: UInt16
        var value: UnsafeRawBufferPointer

        /// A number in the machine's order; `nil` if there are too few octets.
        package func number<Number: FixedWidthInteger & BitwiseCopyable>() -> Number? {
            value.count >= MemoryLayout<Number>.size
                ? value.loadUnaligned(as: Number.self) : nil
        }
        var uint32: UInt32? { number() }
        /// Up to the first zero octet.
        var string: String {
            String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
        }
        package var address: IPAddress? { IPAddress(bytes: value) }
        package var nested: AttributeReader { AttributeReader(value, from: 0) }
    }

    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer, from offset: Int) {
        rest = UnsafeRawBufferPointer(rebasing: bytes[Swift.min(offset, bytes.count)...])
    }

    package mutating func next() -> Attribute? {
        guard rest.count >= 4 else { return nil }
        let length = Int(rest.loadUnaligned(as: UInt16.self))
        guard length >= 4, length <= rest.count else { return nil }
        // The upper two bits say "nested" and "network order".
        let type = rest.loadUnaligned(fromByteOffset: 2, as: UInt16.self) & 0x3fff
        let value = UnsafeRawBufferPointer(rebasing: rest[4..<length])
        rest = UnsafeRawBufferPointer(
            rebasing: rest[Swift.min((length + 3) & ~3, rest.count)...])
        return Attribute(type: type, value: value)
    }
}
