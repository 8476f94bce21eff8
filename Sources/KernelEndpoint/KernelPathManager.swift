package import LinuxSystem
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
        static let address: UInt16 = 1
        static let acceptedAddresses: UInt16 = 2
        static let subflows: UInt16 = 3
    }

    private enum AddressAttribute {
        static let family: UInt16 = 1
        static let identifier: UInt16 = 2
        static let ipv4: UInt16 = 3
        static let ipv6: UInt16 = 4
        static let flags: UInt16 = 6
        static let interface: UInt16 = 7
    }

    /// The most that the kernel lets one set.
    package static let largestLimit = 8

    package init() throws(SystemError) {
        netlink = try GenericNetlink(family: "mptcp_pm", version: 1)
    }

    /// `ip mptcp endpoint add ADDRESS [dev IF] FLAGS`
    package func add(_ endpoint: KernelPathEndpoint) throws(SystemError) {
        _ = try netlink.send(
            Command.addAddress, [Self.attribute(endpoint)],
            "ip mptcp endpoint add \(endpoint.address)")
    }

    /// `ip mptcp endpoint delete id N [ADDRESS]`; the address is needed for id 0, the one that the
    /// connection began with.
    package func delete(identifier: UInt8, address: IPAddress? = nil) throws(SystemError) {
        var inner: [NetlinkAttribute] = [.init(AddressAttribute.identifier, number: identifier)]
        if let address { inner += Self.attributes(of: address) }
        _ = try netlink.send(
            Command.deleteAddress, [NetlinkAttribute(Attribute.address, nested: inner)],
            "ip mptcp endpoint delete id \(identifier)")
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
        let inner: [NetlinkAttribute] = [
            .init(AddressAttribute.identifier, number: identifier),
            .init(
                AddressAttribute.flags,
                number: isBackup ? KernelPathEndpoint.Flags.backup.rawValue : 0),
        ]
        _ = try netlink.send(
            Command.setFlags, [NetlinkAttribute(Attribute.address, nested: inner)],
            "ip mptcp endpoint change id \(identifier)")
    }

    /// `ip mptcp endpoint flush`
    package func flush() throws(SystemError) {
        _ = try netlink.send(Command.flushAddresses, [], "ip mptcp endpoint flush")
    }

    /// `ip mptcp endpoint show`
    package func endpoints() throws(SystemError) -> [KernelPathEndpoint] {
        try netlink.send(Command.getAddresses, [], isDump: true, "ip mptcp endpoint show")
            .compactMap { reply in
                reply.first { $0.type == Attribute.address }.flatMap { Self.endpoint($0) }
            }
    }

    /// `ip mptcp limits set subflows N add_addr_accepted M`
    package func setLimits(subflows: Int, acceptedAddresses: Int) throws(SystemError) {
        _ = try netlink.send(
            Command.setLimits,
            [
                .init(Attribute.acceptedAddresses, number: UInt32(clamping: acceptedAddresses)),
                .init(Attribute.subflows, number: UInt32(clamping: subflows)),
            ], "ip mptcp limits set subflows \(subflows) add_addr_accepted \(acceptedAddresses)")
    }

    private static func attributes(of address: IPAddress) -> [NetlinkAttribute] {
        // Linux: AF_INET is 2, AF_INET6 is 10.
        [
            .init(AddressAttribute.family, number: address.isV6 ? 10 : 2 as UInt16),
            .init(
                address.isV6 ? AddressAttribute.ipv6 : AddressAttribute.ipv4, address.bytes),
        ]
    }

    private static func attribute(_ endpoint: KernelPathEndpoint) -> NetlinkAttribute {
        var inner = attributes(of: endpoint.address)
        inner.append(.init(AddressAttribute.flags, number: endpoint.flags.rawValue))
        if endpoint.identifier != 0 {
            inner.append(.init(AddressAttribute.identifier, number: endpoint.identifier))
        }
        if let interface = endpoint.interface {
            inner.append(.init(AddressAttribute.interface, number: interface.rawValue))
        }
        return NetlinkAttribute(Attribute.address, nested: inner)
    }

    private static func endpoint(_ attribute: NetlinkAttribute) -> KernelPathEndpoint? {
        let inner = NetlinkAttribute.parse(attribute.bytes)
        func find(_ type: UInt16) -> NetlinkAttribute? { inner.first { $0.type == type } }
        guard let octets = find(AddressAttribute.ipv4) ?? find(AddressAttribute.ipv6),
            let address = IPAddress(bytes: octets.bytes)
        else { return nil }
        var endpoint = KernelPathEndpoint(
            address, .init(rawValue: find(AddressAttribute.flags)?.number(UInt32.self) ?? 0))
        endpoint.identifier = find(AddressAttribute.identifier)?.number(UInt8.self) ?? 0
        if let number = find(AddressAttribute.interface)?.number(Int32.self), number != 0 {
            endpoint.interface = InterfaceID(number)
        }
        return endpoint
    }
}
