public import NetworkPrimitives

/// An ARP request or reply for IPv4 over Ethernet (RFC 826).
public struct ARPPacket: Hashable, Sendable {
    /// Octets on the wire.
    public static let length = 28

    /// Whether this asks or answers.
    public enum Operation: UInt16, Sendable {
        /// Who has the target address?
        case request = 1
        /// The sender has it.
        case reply = 2
    }

    /// Whether this asks or answers.
    public var operation: Operation
    /// The sender's hardware address.
    public var senderMAC: MACAddress
    /// The sender's IPv4 address.
    public var senderAddress: IPAddress
    /// The target's hardware address; zero in a request.
    public var targetMAC: MACAddress
    /// The target's IPv4 address.
    public var targetAddress: IPAddress

    /// An ARP packet of these fields.
    public init(
        operation: Operation, senderMAC: MACAddress, senderAddress: IPAddress,
        targetMAC: MACAddress, targetAddress: IPAddress
    ) {
        self.operation = operation
        self.senderMAC = senderMAC
        self.senderAddress = senderAddress
        self.targetMAC = targetMAC
        self.targetAddress = targetAddress
    }

    /// Reads an Ethernet/IPv4 ARP packet.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(ParseError) {
        var reader = ByteReader(bytes)
        guard reader.remaining >= Self.length else { throw .truncated }
        let formats = try reader.readUInt64()
        guard formats >> 16 == 0x0001_0800_0604,
            let operation = Operation(rawValue: UInt16(truncatingIfNeeded: formats))
        else { throw .unsupported }
        self.operation = operation
        senderMAC = MACAddress(
            rawValue: UInt64(try reader.readUInt16()) << 32 | UInt64(try reader.readUInt32()))
        senderAddress = .v4(try reader.readUInt32())
        targetMAC = MACAddress(
            rawValue: UInt64(try reader.readUInt16()) << 32 | UInt64(try reader.readUInt32()))
        targetAddress = .v4(try reader.readUInt32())
    }

    /// Writes the packet.
    public func encode(into writer: inout ByteWriter) {
        writer.write(0x0001_0800_0604 << 16 | UInt64(operation.rawValue))
        for (mac, address) in [(senderMAC, senderAddress), (targetMAC, targetAddress)] {
            writer.write(mac.bytes)
            writer.write(address)
        }
    }
}
