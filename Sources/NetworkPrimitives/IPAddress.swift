/// An IPv4 or IPv6 address.
public enum IPAddress: Hashable, Sendable {
    /// An IPv4 address; the first octet is the most significant byte.
    case v4(UInt32)
    /// An IPv6 address as its upper and lower half.
    case v6(UInt64, UInt64)

    /// Whether this is an IPv6 address.
    @inlinable
    public var isV6: Bool {
        if case .v6 = self { true } else { false }
    }

    /// Octets on the wire: 4 or 16.
    @inlinable
    public var byteCount: Int { isV6 ? 16 : 4 }

    /// The octets in network order.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let value):
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
        case .v6(let high, let low):
            (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
                + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
        }
    }

    /// The address with these 4 or 16 octets; `nil` for any other count.
    public init?(bytes: some Collection<UInt8>) {
        func join(_ part: some Sequence<UInt8>) -> UInt64 {
            part.reduce(0) { $0 << 8 | UInt64($1) }
        }
        switch bytes.count {
        case 4: self = .v4(UInt32(truncatingIfNeeded: join(bytes)))
        case 16: self = .v6(join(bytes.prefix(8)), join(bytes.dropFirst(8)))
        default: return nil
        }
    }

    /// Whether the address lies in the block `network`/`prefixLength`.
    public func isContained(in network: IPAddress, prefixLength: Int) -> Bool {
        let mine = bytes
        let theirs = network.bytes
        guard mine.count == theirs.count else { return false }
        return (0..<max(0, prefixLength)).allSatisfy { bit in
            bit / 8 < mine.count && (mine[bit / 8] ^ theirs[bit / 8]) & (0x80 >> (bit % 8)) == 0
        }
    }
}

extension IPAddress {
    /// Reads dotted-quad IPv4 or RFC 4291 text; `nil` when it is neither.
    public init?(_ text: some StringProtocol) {
        if text.contains(":") {
            guard let value = Self.parseV6(text) else { return nil }
            self = value
        } else {
            guard let value = Self.parseV4(text) else { return nil }
            self = .v4(value)
        }
    }

    private static func parseV4(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard part.allSatisfy({ $0.isASCII && $0.isNumber }), part.count <= 3,
                // A leading zero would be octal to some readers.
                part.count == 1 || !part.hasPrefix("0"), let octet = UInt8(part)
            else { return nil }
            value = value << 8 | UInt32(octet)
        }
        return value
    }

    private static func parseV6(_ text: some StringProtocol) -> IPAddress? {
        // "::" may stand once and fills up to eight groups; the last group may be dotted IPv4.
        let halves = splitAtDoubleColon(text)
        guard let halves else { return nil }
        guard let head = groups(halves.head, mayEndInIPv4: halves.tail == nil),
            let tail = groups(halves.tail ?? "", mayEndInIPv4: true)
        else { return nil }
        let count = head.count + tail.count
        if halves.tail == nil {
            guard count == 8 else { return nil }
        } else {
            guard count <= 7 else { return nil }
        }
        let all = head + Array(repeating: 0, count: 8 - count) + tail
        func join(_ part: ArraySlice<UInt16>) -> UInt64 { part.reduce(0) { $0 << 16 | UInt64($1) } }
        return .v6(join(all[0..<4]), join(all[4..<8]))
    }

    private static func splitAtDoubleColon(
        _ text: some StringProtocol
    ) -> (head: String, tail: String?)? {
        let characters = Array(text)
        var position: Int?
        var index = 0
        while index + 1 < characters.count {
            if characters[index] == ":", characters[index + 1] == ":" {
                if position != nil { return nil }
                position = index
                index += 2
            } else {
                index += 1
            }
        }
        guard let position else { return (String(text), nil) }
        return (String(characters[..<position]), String(characters[(position + 2)...]))
    }

    private static func groups(_ text: String, mayEndInIPv4: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var result: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard mayEndInIPv4, let value = parseV4(part) else { return nil }
                result += [UInt16(value >> 16), UInt16(truncatingIfNeeded: value)]
            } else {
                guard (1...4).contains(part.count), part.allSatisfy(\.isHexDigit),
                    let value = UInt16(part, radix: 16)
                else { return nil }
                result.append(value)
            }
        }
        return result
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted quad, or RFC 5952 text.
    public var description: String {
        switch self {
        case .v4:
            return bytes.map(String.init).joined(separator: ".")
        case .v6(0, let low) where low >> 32 == 0xffff:
            // RFC 5952, 5: IPv4-mapped addresses in mixed notation.
            return "::ffff:\(IPAddress.v4(UInt32(truncatingIfNeeded: low)))"
        case .v6(let high, let low):
            let groups = (0..<8).map { index in
                UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> (48 - 16 * (index % 4)))
            }
            // RFC 5952, 4.2: the longest run of at least two zero groups becomes "::".
            var best = 0..<0
            var start = 0
            while start < 8 {
                var end = start
                while end < 8, groups[end] == 0 { end += 1 }
                if end - start > max(best.count, 1) { best = start..<end }
                start = max(end, start + 1)
            }
            let text = { (part: ArraySlice<UInt16>) in
                part.map { String($0, radix: 16) }.joined(separator: ":")
            }
            if best.isEmpty { return text(groups[...]) }
            return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
        }
    }
}

/// An address and a TCP port.
public struct Endpoint: Hashable, Sendable {
    /// The address.
    public var address: IPAddress
    /// The port.
    public var port: UInt16

    /// The endpoint `address`:`port`.
    @inlinable
    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension Endpoint: CustomStringConvertible {
    /// `10.0.1.2:5000` or `[2001:db8::1]:5000`.
    public var description: String { address.isV6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}

/// The two ends of a TCP connection as one of them sees it.
public struct FourTuple: Hashable, Sendable {
    /// This host's end.
    public var local: Endpoint
    /// The peer's end.
    public var remote: Endpoint

    /// The connection between `local` and `remote`.
    @inlinable
    public init(local: Endpoint, remote: Endpoint) {
        self.local = local
        self.remote = remote
    }

    /// The same connection as the peer sees it.
    @inlinable
    public var reversed: FourTuple { FourTuple(local: remote, remote: local) }
}

extension FourTuple: CustomStringConvertible {
    /// `local -> remote`.
    public var description: String { "\(local) -> \(remote)" }
}
