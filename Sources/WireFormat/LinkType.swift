/// What the bytes of a captured frame start with: the LINKTYPE_ and DLT_ numbers of libpcap.
public struct LinkType: Hashable, Sendable {
    /// The number, as capture files and libpcap have it.
    public var rawValue: Int32

    /// The link type with this number.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// BSD loopback: the address family in the byte order of the capturing machine.
    public static let null = LinkType(rawValue: 0)
    /// Ethernet.
    public static let ethernet = LinkType(rawValue: 1)
    /// IP without anything before it, as DLT_RAW has it in memory.
    public static let rawIPInMemory = LinkType(rawValue: 12)
    /// IP without anything before it.
    public static let rawIP = LinkType(rawValue: 101)
    /// OpenBSD loopback: the address family in network order.
    public static let loop = LinkType(rawValue: 108)
    /// Linux cooked v1: what `tcpdump -i any` wrote.
    public static let linuxCooked = LinkType(rawValue: 113)
    /// IPv4 without anything before it.
    public static let ipv4 = LinkType(rawValue: 228)
    /// IPv6 without anything before it.
    public static let ipv6 = LinkType(rawValue: 229)
    /// Linux cooked v2: what `tcpdump -i any` writes; it also holds the interface.
    public static let linuxCookedV2 = LinkType(rawValue: 276)
}

extension LinkType: CustomStringConvertible {
    /// `Ethernet`; `link type 127` for one that is not known here.
    public var description: String {
        switch self {
        case .null, .loop: "BSD loopback"
        case .ethernet: "Ethernet"
        case .rawIP, .rawIPInMemory, .ipv4, .ipv6: "raw IP"
        case .linuxCooked: "Linux cooked v1"
        case .linuxCookedV2: "Linux cooked v2"
        default: "link type \(rawValue)"
        }
    }
}

extension LinkType {
    private static let cookedLength = 16
    private static let cookedV2Length = 20

    /// Whether packets can be found in such frames at all.
    public var isSupported: Bool {
        switch self {
        case .null, .ethernet, .rawIP, .rawIPInMemory, .loop, .linuxCooked, .ipv4, .ipv6,
            .linuxCookedV2:
            true
        default: false
        }
    }

    /// Where the IP packet stands in a frame; `nil` when the frame carries none. The range goes to
    /// the end of the frame: padding may follow the packet, and a capture may have cut it.
    public func ipPacket(in frame: UnsafeRawBufferPointer) -> Range<Int>? {
        switch self {
        case .ethernet: Self.tagged(frame, type: 12, payload: 14)
        case .linuxCooked: Self.tagged(frame, type: 14, payload: Self.cookedLength)
        case .linuxCookedV2: Self.tagged(frame, type: 0, payload: Self.cookedV2Length)
        case .null, .loop: Self.loopback(frame, isNetworkOrder: self == .loop)
        case .rawIP, .rawIPInMemory: Self.raw(frame, versions: 4, 6)
        case .ipv4: Self.raw(frame, versions: 4)
        case .ipv6: Self.raw(frame, versions: 6)
        default: nil
        }
    }

    /// The index of the interface that a frame was captured on, where the frame says so: files of
    /// `tcpdump -i any` hold what several interfaces saw.
    public func interfaceIndex(in frame: UnsafeRawBufferPointer) -> Int? {
        guard self == .linuxCookedV2, frame.count >= Self.cookedV2Length else { return nil }
        return Int(Self.number(frame, at: 4)) << 16 | Int(Self.number(frame, at: 6))
    }

    /// An ethertype at `type`, and any number of VLAN tags in front of what it announces.
    private static func tagged(
        _ frame: UnsafeRawBufferPointer, type: Int, payload: Int
    ) -> Range<Int>? {
        guard frame.count >= payload else { return nil }
        var protocolNumber = EtherType(rawValue: number(frame, at: type))
        var start = payload
        while protocolNumber == .vlan || protocolNumber == .serviceVLAN {
            guard frame.count >= start + 4 else { return nil }
            protocolNumber = EtherType(rawValue: number(frame, at: start + 2))
            start += 4
        }
        return protocolNumber == .ipv4 || protocolNumber == .ipv6 ? start..<frame.count : nil
    }

    private static func loopback(
        _ frame: UnsafeRawBufferPointer, isNetworkOrder: Bool
    ) -> Range<Int>? {
        guard frame.count >= 4 else { return nil }
        let high = number(frame, at: 0)
        let low = number(frame, at: 2)
        // Families fit into an octet: which half is zero tells the byte order.
        let family: UInt16 =
            if high == 0 { low } else if low == 0, !isNetworkOrder { high.byteSwapped } else { 0 }
        // AF_INET, and the AF_INET6 of Linux, NetBSD, FreeBSD and Darwin.
        return [2, 10, 24, 28, 30].contains(family) ? 4..<frame.count : nil
    }

    private static func raw(_ frame: UnsafeRawBufferPointer, versions: UInt8...) -> Range<Int>? {
        guard let first = frame.first, versions.contains(first >> 4) else { return nil }
        return 0..<frame.count
    }

    private static func number(_ frame: UnsafeRawBufferPointer, at offset: Int) -> UInt16 {
        UInt16(frame[offset]) << 8 | UInt16(frame[offset + 1])
    }
}
