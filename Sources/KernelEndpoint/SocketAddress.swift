internal import Glibc
internal import NetworkPrimitives

/// `sockaddr_in` and `sockaddr_in6` as octets.
struct SocketAddress {
    private(set) var bytes: [UInt8]

    /// Room for the kernel to write one.
    init() { bytes = [UInt8](repeating: 0, count: 28) }

    init(_ endpoint: Endpoint) {
        let family = UInt16(endpoint.address.isV6 ? AF_INET6 : AF_INET)
        let port = [UInt8(endpoint.port >> 8), UInt8(truncatingIfNeeded: endpoint.port)]
        bytes = withUnsafeBytes(of: family) { Array($0) } + port
        if endpoint.address.isV6 {
            // Flow information before the address, scope behind it.
            bytes += [0, 0, 0, 0] + endpoint.address.bytes + [0, 0, 0, 0]
        } else {
            bytes += endpoint.address.bytes + [UInt8](repeating: 0, count: 8)
        }
    }

    var endpoint: Endpoint? {
        let family = Int32(UInt16(bytes[0]) | UInt16(bytes[1]) << 8)
        let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        let octets = family == AF_INET ? bytes[4..<8] : family == AF_INET6 ? bytes[8..<24] : []
        guard let address = IPAddress(bytes: octets) else { return nil }
        // RFC 4291, 2.5.5.2: how a socket of both families says IPv4.
        if case .v6(0, let low) = address, low >> 32 == 0xffff {
            return Endpoint(.v4(UInt32(truncatingIfNeeded: low)), port)
        }
        return Endpoint(address, port)
    }

    func withPointer<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        bytes.withUnsafeBytes { buffer in
            // An array of octets is never empty here, so it has an address.
            body(
                buffer.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped,
                socklen_t(buffer.count))
        }
    }

    mutating func withMutablePointer<Result>(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        bytes.withUnsafeMutableBytes { buffer in
            var length = socklen_t(buffer.count)
            return body(
                buffer.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped,
                &length)
        }
    }
}
