package import LinuxSystem
package import Netlink
package import NetworkPrimitives
package import PacketDevice

/// Why a stack cannot run on this host.
package enum StackDriverError: Error, Hashable, Sendable {
    /// Packet sockets and nft tables need CAP_NET_RAW and CAP_NET_ADMIN.
    case notPermitted
    /// No interface of this name.
    case noInterface(String)
    /// Nothing that carries Ethernet frames.
    case noInterfaces
    /// Somebody uses the port already.
    case portInUse(UInt16)
    /// Every block of ephemeral ports is in use.
    case noFreePorts
    /// The stack has no port left for another connection of its own.
    case tooManyConnections(limit: Int)
    /// The kernel knows no way to this destination.
    case noRoute(IPAddress)
    /// No interface that is up has this address.
    case noAddress(IPAddress)
    case silencer(KernelSilencer.Failure)
    case netlink(NetlinkError)
    case device(name: String, DeviceError)
    case system(SystemError)
}

extension StackDriverError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notPermitted:
            "packet sockets need CAP_NET_RAW and CAP_NET_ADMIN: run as root, or in a user namespace"
        case .noInterface(let name): "there is no interface \(name)"
        case .noInterfaces: "there is no Ethernet interface in this network namespace"
        case .portInUse(let port): "port \(port) is in use"
        case .noFreePorts: "no block of ephemeral ports is free"
        case .tooManyConnections(let limit):
            "no port is left for another connection: at most \(limit) can be open at once"
        case .noRoute(let address): "no route to \(address)"
        case .noAddress(let address): "no interface that is up has the address \(address)"
        case .silencer(let failure): failure.description
        case .netlink(let error): error.description
        case .device(let name, let error): "\(name): \(error)"
        case .system(let error): error.description
        }
    }
}
