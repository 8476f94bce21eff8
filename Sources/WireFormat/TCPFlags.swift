/// The control bits of a TCP header (RFC 9293, 3.1; RFC 3168, 6.1).
public struct TCPFlags: OptionSet, Hashable, Sendable {
    /// The octet on the wire.
    public var rawValue: UInt8

    /// The bits of this octet.
    @inline(__always)
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// No more data from the sender.
    public static let fin = TCPFlags(rawValue: 0x01)
    /// Synchronise sequence numbers.
    public static let syn = TCPFlags(rawValue: 0x02)
    /// Reset the connection.
    public static let rst = TCPFlags(rawValue: 0x04)
    /// Push.
    public static let psh = TCPFlags(rawValue: 0x08)
    /// The acknowledgment field counts.
    public static let ack = TCPFlags(rawValue: 0x10)
    /// The urgent pointer counts.
    public static let urg = TCPFlags(rawValue: 0x20)
    /// ECN echo.
    public static let ece = TCPFlags(rawValue: 0x40)
    /// Congestion window reduced.
    public static let cwr = TCPFlags(rawValue: 0x80)
}

extension TCPFlags: CustomStringConvertible {
    /// The letters of tcpdump: `S`, `F`, `R`, `P`, `.` for ACK, `U`, `E`, `W`.
    public var description: String {
        zip([TCPFlags.syn, .fin, .rst, .psh, .urg, .ece, .cwr, .ack], "SFRPUEW.")
            .filter { contains($0.0) }.map { String($0.1) }.joined()
    }
}
