import LinuxSystem
import Netlink
import NetworkPrimitives

/// Two namespaces joined by a veth pair: `left` in one, `right` in the other. Gone when it is
/// released, whatever happened.
final class NetlinkTestbed {
    let a: NetworkNamespace
    let b: NetworkNamespace
    let left: RouteController
    let right: RouteController

    static let isPossible = Capabilities.effective().canBuildNetworks

    init(addresses: Bool = true) throws {
        let suffix = RandomBytes.suffix()
        a = try NetworkNamespace.create(named: ProcessIdentity.ownedName("nl-a-\(suffix)"))
        do {
            b = try NetworkNamespace.create(named: ProcessIdentity.ownedName("nl-b-\(suffix)"))
        } catch {
            try? NetworkNamespace.delete(named: a.name)
            throw error
        }
        left = try RouteController(in: a)
        right = try RouteController(in: b)
        try left.createVeth("left", peer: "right", peerNamespace: b)
        if addresses {
            try left.addAddress(.v4(0x0a09_0001), prefixLength: 24, to: "left")
            try left.addAddress(.v6(0xfd00 << 48, 1), prefixLength: 64, to: "left")
            try right.addAddress(.v4(0x0a09_0002), prefixLength: 24, to: "right")
            try right.addAddress(.v6(0xfd00 << 48, 2), prefixLength: 64, to: "right")
            try left.setUp("left")
            try right.setUp("right")
        }
    }

    deinit {
        try? NetworkNamespace.delete(named: a.name)
        try? NetworkNamespace.delete(named: b.name)
    }

    /// The output of a command in the first namespace, as the second witness.
    func run(_ program: String, _ arguments: String) throws -> String {
        let outcome = try ChildProcess.run(
            program, arguments.split(separator: " ").map(String.init), in: a)
        return outcome.output + outcome.error
    }
}
