/// Why bytes are not the packet they were taken for.
public enum ParseError: Error, Hashable, Sendable {
    /// The bytes end before the format does.
    case truncated
    /// A version or type field that this parser does not speak.
    case unsupported
    /// A length field that contradicts the format or the bytes at hand.
    case badLength
    /// The checksum is wrong.
    case badChecksum
    /// A fragment of an IP packet; this project does not reassemble.
    case fragment
    /// Well formed, but not TCP.
    case notTCP
}
