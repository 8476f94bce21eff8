internal import NetworkPrimitives

/// The cookie of TCP Fast Open (RFC 7413, 4.1.1).
extension TCPOptions {
    private static var fastOpenKind: UInt8 { 34 }

    /// The cookie on a SYN or SYN/ACK; an empty one asks for one. `nil` when there is none, or one of
    /// a length that does not exist.
    public var fastOpenCookie: [UInt8]? {
        get {
            let bytes = unknown.last { $0.kind == Self.fastOpenKind }?.bytes
            guard let bytes, bytes.isEmpty || 4...16 ~= bytes.count && bytes.count % 2 == 0 else {
                return nil
            }
            return bytes
        }
        set {
            unknown.removeAll { $0.kind == Self.fastOpenKind }
            if let newValue {
                unknown.append(UnknownTCPOption(kind: Self.fastOpenKind, bytes: newValue))
            }
        }
    }
}
