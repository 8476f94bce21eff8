package import LinuxSystem
internal import Netlink
package import NetworkPrimitives

/// An endpoint of the kernel's path manager.
package struct KernelPathEndpoint: Hashable, Sendable {
    /// What the path manager does with it.
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Announced with ADD_ADDR.
        package static let signal = Flags(rawValue: 1)
        /// Joined from.
        package static let subflow = Flags(rawValue: 2)
        /// Joins carry the backup bit.
        package static let backup = Flags(rawValue: 4)
        /// Joined from to every address of the peer.
        package static let fullMesh = Flags(rawValue: 8)
        /// Made by the kernel for an address that it saw.
        package static let implicit = Flags(rawValue: 16)
        /// Used for joins to announced addresses (Linux 6.18).
        package static let laminar = Flags(rawValue: 32)
    }

    package var address: IPAddress
    /// The address ID; 0 lets the kernel choose.
    package var identifier: UInt8 = 0
    package var flags: Flags
    package var interface: InterfaceID?

    package init(_ address: IPAddress, _ flags: Flags, interface: InterfaceID? = nil) {
        self.address = address
        self.flags = flags
        self.interface = interface
    }
}

/// The kernel's path manager of the calling thread's namespace: generic netlink family `mptcp_pm`
/// (kernel-peer.md, 18.2). Each verb names the equivalent command of iproute2.
package final class KernelPathManager {
    private let netlink: GenericNetlink

    private enum Command {
        static let addAddress: UInt8 = 1
        static let deleteAddress: UInt8 = 2
        static let getAddresses: UInt8 = 3
        static let flushAddresses: UInt8 = 4
        static let setLimits: UInt8 = 5
        static let setFlags: UInt8 = 7
    }

    private enum Attribute {
        static let address = 1
        static let acceptedAddresses = 2
        static let subflows = 3
    }

    private enum AddressAttribute {
        static let family = 1
        static let identifier = 2
        static let ipv4 = 3
        static let ipv6 = 4
        static let flags = 6
        static let interface = 7
    }

    /// The most that the kernel lets one set.
    package static let largestLimit = 8

    package init() throws(SystemError) {
        netlink = try GenericNetlink(family: "mptcp_pm", version: 1)
    }

    /// `ip mptcp endpoint add ADDRESS [dev IF] FLAGS`
    package func add(_ endpoint: KernelPathEndpoint) throws(SystemError) {
        try netlink.send(Command.addAddress, "ip mptcp endpoint add \(endpoint.address)") {
            request in
            request.nest(Attribute.address) {
                Self.put(endpoint.address, in: request)
                request.put(AddressAttribute.flags, endpoint.flags.rawValue)
                if endpoint.identifier != 0 {
                    request.put(AddressAttribute.identifier, endpoint.identifier)
                }
                if let interface = endpoint.interface {
                    request.put(AddressAttribute.interface, interface.rawValue)
                }
            }
        }
    }

    /// `ip mptcp endpoint delete id N [ADDRESS]`; the address is needed for id 0, the one that the
    /// connection began with.
    package func delete(identifier: UInt8, address: IPAddress? = nil) throws(SystemError) {
        try netlink.send(Command.deleteAddress, "ip mptcp endpoint delete id \(identifier)") {
            request in
            request.nest(Attribute.address) {
                request.put(AddressAttribute.identifier, identifier)
                if let address { Self.put(address, in: request) }
            }
        }
    }

    /// Gives an address up: its endpoint goes, or id 0 if it has none because connections began
    /// with it (both do the same, kernel-baseline.md, 3). REMOVE_ADDR goes out and its subflows end.
    package func giveUp(_ address: IPAddress) throws(SystemError) {
        let known = try endpoints().first { $0.address == address }
        // An implicit endpoint lends its number only; the connection knows it by that number too.
        try delete(identifier: known?.identifier ?? 0, address: address)
    }

    /// `ip mptcp endpoint change id N backup|nobackup`: MP_PRIO on its subflows.
    package func setBackup(_ isBackup: Bool, identifier: UInt8) throws(SystemError) {
        let flags: KernelPathEndpoint.Flags = isBackup ? .backup : []
        try netlink.send(Command.setFlags, "ip mptcp endpoint change id \(identifier)") { request in
            request.nest(Attribute.address) {
                request.put(AddressAttribute.identifier, identifier)
                request.put(AddressAttribute.flags, flags.rawValue)
            }
        }
    }

    /// `ip mptcp endpoint flush`
    package func flush() throws(SystemError) {
        try netlink.send(Command.flushAddresses, "ip mptcp endpoint flush")
    }

    /// `ip mptcp endpoint show`
    package func endpoints() throws(SystemError) -> [KernelPathEndpoint] {
        var endpoints: [KernelPathEndpoint] = []
        try netlink.send(
            Command.getAddresses, isDump: true, "ip mptcp endpoint show",
            onReply: { attributes in
                for attribute in attributes where Int(attribute.type) == Attribute.address {
                    if let endpoint = Self.endpoint(attribute.nested) { endpoints.append(endpoint) }
                }
            })
        return endpoints
    }

    /// `ip mptcp limits set subflows N add_addr_accepted M`
    package func setLimits(subflows: Int, acceptedAddresses: Int) throws(SystemError) {
        try netlink.send(
            Command.setLimits,
            "ip mptcp limits set subflows \(subflows) add_addr_accepted \(acceptedAddresses)"
        ) { request in
            request.put(Attribute.acceptedAddresses, UInt32(clamping: acceptedAddresses))
            request.put(Attribute.subflows, UInt32(clamping: subflows))
        }
    }

    private static func put(_ address: IPAddress, in request: NetlinkRequest) {
        // Linux: AF_INET is 2, AF_INET6 is 10.
        request.put(AddressAttribute.family, address.isV6 ? 10 : 2 as UInt16)
        request.put(address.isV6 ? AddressAttribute.ipv6 : AddressAttribute.ipv4, address.bytes)
    }

    private static func endpoint(_ attributes: AttributeReader) -> KernelPathEndpoint? {
        var address: IPAddress?
        var endpoint = KernelPathEndpoint(.v4(0), [])
        for attribute in attributes {
            switch Int(attribute.type) {
            case AddressAttribute.ipv4, AddressAttribute.ipv6: address = attribute.address
            case AddressAttribute.flags: endpoint.flags = .init(rawValue: attribute.number() ?? 0)
            case AddressAttribute.identifier: endpoint.identifier = attribute.number() ?? 0
            case AddressAttribute.interface:
                let number: Int32 = attribute.number() ?? 0
                endpoint.interface = number == 0 ? nil : InterfaceID(number)
            default: break
            }
        }
        guard let address else { return nil }
        endpoint.address = address
        return endpoint
    }
}
