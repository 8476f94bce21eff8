internal import CNetlinkRoute
internal import Glibc
package import NetworkPrimitives

/// A network interface: a line of `ip link`.
package struct LinkInformation: Hashable, Sendable {
    package var id: InterfaceID
    package var name: String
    /// IFF_UP: somebody wants it to work.
    package var isUp: Bool
    /// IFF_RUNNING: it does work, as far as the driver knows (operational state).
    package var isRunning: Bool
    /// IFF_LOWER_UP: carrier.
    package var hasCarrier: Bool
    /// Six octets on Ethernet.
    package var hardwareAddress: [UInt8]
    package var mtu: Int
    /// For a veth: its peer, in the peer's namespace.
    package var peer: InterfaceID?
    /// `veth`, `dummy`, ...; `nil` for a physical device.
    package var kind: String?

    init?(_ message: NetlinkMessage) {
        guard let header = message.header(ifinfomsg.self) else { return nil }
        id = InterfaceID(header.ifi_index)
        isUp = header.ifi_flags & UInt32(IFF_UP) != 0
        isRunning = header.ifi_flags & UInt32(IFF_RUNNING) != 0
        hasCarrier = header.ifi_flags & 0x10000 != 0
        name = ""
        hardwareAddress = []
        mtu = 0
        for attribute in message.attributes(after: MemoryLayout<ifinfomsg>.size) {
            switch Int(attribute.type) {
            case IFLA_IFNAME: name = attribute.string
            case IFLA_ADDRESS: hardwareAddress = Array(attribute.value)
            case IFLA_MTU: mtu = Int(attribute.uint32 ?? 0)
            case IFLA_LINK:
                peer = attribute.uint32.map { InterfaceID(Int32(bitPattern: $0)) }
            case IFLA_LINKINFO:
                for part in attribute.nested where Int(part.type) == IFLA_INFO_KIND {
                    kind = part.string
                }
            default: break
            }
        }
    }
}

/// An address of an interface: a line of `ip address`.
package struct InterfaceAddress: Hashable, Sendable {
    package var interface: InterfaceID
    package var address: IPAddress
    package var prefixLength: Int
    /// IPv6: duplicate address detection has not finished; not usable as a source yet.
    package var isTentative: Bool

    init?(_ message: NetlinkMessage) {
        guard let header = message.header(ifaddrmsg.self) else { return nil }
        var local: IPAddress?
        var peer: IPAddress?
        var flags = UInt32(header.ifa_flags)
        for attribute in message.attributes(after: MemoryLayout<ifaddrmsg>.size) {
            switch Int(attribute.type) {
            case IFA_LOCAL: local = attribute.address
            case IFA_ADDRESS: peer = attribute.address
            case IFA_FLAGS: flags = attribute.uint32 ?? flags
            default: break
            }
        }
        guard let address = local ?? peer else { return nil }
        interface = InterfaceID(Int32(bitPattern: header.ifa_index))
        self.address = address
        prefixLength = Int(header.ifa_prefixlen)
        isTentative = flags & UInt32(IFA_F_TENTATIVE) != 0
    }
}

/// An address block such as 10.0.0.0/8.
package struct AddressPrefix: Hashable, Sendable {
    package var address: IPAddress
    package var length: Int

    package init(_ address: IPAddress, _ length: Int) {
        self.address = address
        self.length = length
    }

    /// `0.0.0.0/0`.
    package static let anyV4 = AddressPrefix(.v4(0), 0)
    /// `::/0`.
    package static let anyV6 = AddressPrefix(.v6(0, 0), 0)
    /// A single address.
    package static func host(_ address: IPAddress) -> AddressPrefix {
        AddressPrefix(address, address.byteCount * 8)
    }
}

extension AddressPrefix: CustomStringConvertible {
    package var description: String { "\(address)/\(length)" }
}

/// A route: a line of `ip route`.
package struct Route: Hashable, Sendable {
    /// What becomes of a packet.
    package enum Kind: Hashable, Sendable {
        case unicast
        case unreachable
        case local
        case other(UInt8)
    }

    package var destination: AddressPrefix
    package var kind: Kind
    /// The next router; `nil` on the link itself.
    package var gateway: IPAddress?
    package var interface: InterfaceID?
    /// 254 is `main`, 255 `local`.
    package var table: UInt32
    package var preferredSource: IPAddress?
    package var metric: UInt32?

    /// A route to be added.
    package init(
        to destination: AddressPrefix, kind: Kind = .unicast, via gateway: IPAddress? = nil,
        interface: InterfaceID? = nil, table: UInt32 = 254, preferredSource: IPAddress? = nil,
        metric: UInt32? = nil
    ) {
        self.destination = destination
        self.kind = kind
        self.gateway = gateway
        self.interface = interface
        self.table = table
        self.preferredSource = preferredSource
        self.metric = metric
    }

    init?(_ message: NetlinkMessage) {
        guard let header = message.header(rtmsg.self) else { return nil }
        let isV6 = header.rtm_family == AF_INET6
        guard isV6 || header.rtm_family == AF_INET else { return nil }
        destination = AddressPrefix(isV6 ? .v6(0, 0) : .v4(0), Int(header.rtm_dst_len))
        kind =
            switch Int(header.rtm_type) {
            case RTN_UNICAST: .unicast
            case RTN_UNREACHABLE: .unreachable
            case RTN_LOCAL: .local
            default: .other(header.rtm_type)
            }
        table = UInt32(header.rtm_table)
        for attribute in message.attributes(after: MemoryLayout<rtmsg>.size) {
            switch UInt32(attribute.type) {
            case RTA_DST.rawValue:
                destination.address = attribute.address ?? destination.address
            case RTA_GATEWAY.rawValue: gateway = attribute.address
            case RTA_OIF.rawValue:
                interface = attribute.uint32.map { InterfaceID(Int32(bitPattern: $0)) }
            case RTA_TABLE.rawValue: table = attribute.uint32 ?? table
            case RTA_PREFSRC.rawValue: preferredSource = attribute.address
            case RTA_PRIORITY.rawValue: metric = attribute.uint32
            default: break
            }
        }
    }
}

/// A neighbour: a line of `ip neighbour`.
package struct Neighbour: Hashable, Sendable {
    package var interface: InterfaceID
    package var address: IPAddress
    /// Six octets on Ethernet; `nil` while it is being asked for or when nobody answered.
    package var hardwareAddress: [UInt8]?
    package var isPermanent: Bool
    /// Usable: reachable, permanent, stale (usable until proven wrong), delay, probe, noarp.
    package var isValid: Bool

    init?(_ message: NetlinkMessage) {
        guard let header = message.header(ndmsg.self),
            header.ndm_family == AF_INET || header.ndm_family == AF_INET6
        else { return nil }
        var destination: IPAddress?
        for attribute in message.attributes(after: MemoryLayout<ndmsg>.size) {
            switch Int(attribute.type) {
            case NDA_DST: destination = attribute.address
            case NDA_LLADDR: hardwareAddress = Array(attribute.value)
            default: break
            }
        }
        guard let destination else { return nil }
        address = destination
        interface = InterfaceID(header.ndm_ifindex)
        isPermanent = header.ndm_state & UInt16(NUD_PERMANENT) != 0
        isValid =
            header.ndm_state & UInt16(NUD_INCOMPLETE | NUD_FAILED) == 0
            && header.ndm_state != 0
    }
}

/// Where the kernel would send a packet: `ip route get`.
package struct NextHop: Hashable, Sendable {
    package var interface: InterfaceID
    /// The router; `nil` when the destination is on the link.
    package var gateway: IPAddress?
    /// The source address the kernel would choose or was given.
    package var source: IPAddress?

    package init(interface: InterfaceID, gateway: IPAddress?, source: IPAddress?) {
        self.interface = interface
        self.gateway = gateway
        self.source = source
    }
}
