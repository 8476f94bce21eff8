internal import Netlink
internal import NetworkPrimitives
internal import Scenario

/// The addresses of an interoperability network, in one family.
struct InteropAddresses {
    let family: InteropCell.Family

    /// The client's interfaces; the router's ends have the same names.
    static let paths = ["wifi0", "lte0", "sat0"]
    static let serverInterface = "eth0"
    static let routerInterface = "server0"

    var prefixLength: Int { family == .v4 ? 24 : 64 }
    var anywhere: AddressPrefix { family == .v4 ? .anyV4 : .anyV6 }

    func client(_ path: Int) -> IPAddress { address(network: path + 1, host: 2) }
    func router(_ path: Int) -> IPAddress { address(network: path + 1, host: 1) }
    var server: IPAddress { address(network: 9, host: 1) }
    /// What is announced.
    var secondServer: IPAddress { address(network: 9, host: 2) }
    /// Announced by the kernel's client; nobody joins there.
    var spareClient: IPAddress { address(network: 1, host: 3) }
    var serverRouter: IPAddress { address(network: 9, host: 254) }

    private func address(network: Int, host: Int) -> IPAddress {
        switch family {
        case .v4: .v4(0x0a00_0000 | UInt32(network) << 8 | UInt32(host))
        case .v6: .v6(0xfd00_0000_0000_0000 | UInt64(network) << 32, UInt64(host))
        }
    }
}
