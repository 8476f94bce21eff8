internal import MPTCP
internal import Netlink
internal import NetworkPrimitives
internal import PacketDevice
internal import WireFormat

/// An interface of the namespace as the driver knows it.
final class AttachedInterface {
    let id: InterfaceID
    let isLoopback: Bool
    /// The source of what leaves here.
    let hardwareAddress: MACAddress
    var link: LinkInformation
    var addresses: [InterfaceAddress] = []
    /// Where frames enter and leave; `nil` for an interface that only has addresses.
    var device: (any PacketDevice)?
    /// What the device does for the stack's packets.
    let offload: SendOffload
    /// The kernel takes no more now: what is queued waits until it does.
    var isBlocked = false
    /// Whether frames are queued that nobody has flushed.
    var isDirty = false

    init(_ link: LinkInformation, device: (any PacketDevice)?, offload: SendOffload) {
        self.offload = offload
        id = link.id
        isLoopback = link.name == "lo"
        hardwareAddress = MACAddress(bytes: link.hardwareAddress) ?? MACAddress(rawValue: 0)
        self.link = link
        self.device = device
    }

    func has(_ address: IPAddress) -> Bool { addresses.contains { $0.address == address } }

    /// Whether an address lies on the link itself.
    func reaches(_ address: IPAddress) -> Bool {
        addresses.contains {
            address.isContained(in: $0.address, prefixLength: $0.prefixLength)
        }
    }

    /// What the stack is told. Addresses that only mean something on one link are left out.
    var description: StackInterface {
        let usable = addresses.filter { !$0.isTentative && isUsable($0.address) }
        return StackInterface(
            id: id, name: link.name, addresses: usable.map(\.address), mtu: link.mtu,
            isUp: link.isUp, offload: offload)
    }

    private func isUsable(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let value):
            value >> 16 != 0xa9fe && (value >> 24 != 127 || device != nil)
        case .v6(let high, let low):
            high >> 54 != 0x3fa && !(high == 0 && low == 1 && device == nil)
        }
    }
}

/// The interfaces of the namespace, in the kernel's order. There are few.
struct AttachedInterfaces {
    private(set) var all: [AttachedInterface] = []

    subscript(_ id: InterfaceID) -> AttachedInterface? { all.first { $0.id == id } }

    /// The interface, if frames can leave there.
    func device(_ id: InterfaceID) -> AttachedInterface? {
        all.first { $0.id == id && $0.device != nil }
    }

    mutating func insert(_ interface: AttachedInterface) { all.append(interface) }

    mutating func remove(_ id: InterfaceID) { all.removeAll { $0.id == id } }
}
