import NetworkPrimitives
import WireFormat

/// ICMP errors as a router sends them.
enum RouterMessage {
    /// RFC 792: as much of the packet as every router quotes. RFC 4443: as much as fits.
    private static let quotedV4 = 28
    private static let quotedV6 = 1_232

    static func tooBig(_ packet: [UInt8], mtu: Int, from router: IPAddress) -> [UInt8] {
        router.isV6
            ? message(type: 2, code: 0, word: UInt32(mtu), packet, from: router)
            : message(type: 3, code: 4, word: UInt32(mtu), packet, from: router)
    }

    static func unreachable(_ packet: [UInt8], code: UInt8, from router: IPAddress) -> [UInt8] {
        message(type: router.isV6 ? 1 : 3, code: code, word: 0, packet, from: router)
    }

    private static func message(
        type: UInt8, code: UInt8, word: UInt32, _ packet: [UInt8], from router: IPAddress
    ) -> [UInt8] {
        let isV6 = router.isV6
        let source = IPAddress(bytes: packet[isV6 ? 8..<24 : 12..<16])
        guard let sender = source else { preconditionFailure("an IP packet has a source") }
        let quotation = packet.prefix(isV6 ? quotedV6 : quotedV4)
        let length = 8 + quotation.count
        let headerLength = isV6 ? IPv6Header.length : IPv4Header.minimumLength
        var bytes = [UInt8](repeating: 0, count: headerLength + length)
        bytes.withUnsafeMutableBytes { buffer in
            var writer = ByteWriter(buffer)
            if isV6 {
                IPv6Header(
                    source: router, destination: sender, nextHeader: 58, payloadLength: length
                ).encode(into: &writer)
            } else {
                IPv4Header(
                    source: router, destination: sender, protocolNumber: 1, payloadLength: length
                ).encode(into: &writer)
            }
            writer.write(UInt16(type) << 8 | UInt16(code))
            writer.write(UInt16(0))
            writer.write(word)
            for octet in quotation { writer.write(octet) }
            var sum =
                isV6
                ? InternetChecksum.pseudoHeader(
                    source: router, destination: sender, protocolNumber: 58, length: length)
                : InternetChecksum()
            sum.add(UnsafeRawBufferPointer(rebasing: buffer[headerLength...]))
            writer.overwrite(sum.checksum, at: headerLength + 2)
        }
        return bytes
    }
}
