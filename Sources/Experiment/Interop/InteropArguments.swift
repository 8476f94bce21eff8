internal import Netlink
internal import NetworkPrimitives
internal import Scenario

/// What the programs of a conversation are told.
struct InteropArguments {
    private let cell: InteropCell
    private let addresses: InteropAddresses
    private let port: UInt16

    /// A download in whose middle there is time to do something, losses and a lost SYN included.
    private var halfCloseSize: Int {
        let many = cell.subflows.rawValue
        return cell.loss == .none ? many * 5_000_000 : max(12_000_000, many * 6_000_000)
    }
    private static let recordSize = 4_000
    private static let recordInterval = "5ms"

    init(_ cell: InteropCell, _ addresses: InteropAddresses, port: UInt16) {
        self.cell = cell
        self.addresses = addresses
        self.port = port
    }

    /// `mptcpctl serve` for one connection.
    var server: [String] {
        // The kernel takes joins only where it listens: on every address of the family.
        let local = cell.role == .server ? addresses.server : addresses.anywhere.address
        var arguments = ["serve", "--connections", "1", "--address", local.description]
        if cell.role == .server, cell.signal == .weAdd || cell.signal == .weRemove {
            arguments += ["--announce", addresses.secondServer.description]
        }
        return arguments + common(isOurs: cell.role == .server)
    }

    /// `mptcpctl connect`, with octets in both directions until it is told to stop; or with a
    /// download that goes on when it has stopped.
    var client: [String] {
        var arguments = [
            "connect", addresses.server.description, "--from", addresses.client(0).description,
        ]
        if cell.end == .halfClose {
            arguments += [
                "--workload", "bulk", "--direction", "download", "--size",
                String(halfCloseSize),
            ]
        } else {
            arguments += [
                "--workload", "echo", "--size", String(Self.recordSize), "--interval",
                Self.recordInterval, "--duration", "0s",
            ]
        }
        if cell.role == .client {
            arguments += ["--policy", "full"]
            for name in InteropAddresses.paths.prefix(cell.subflows.rawValue) {
                arguments += ["--interface", name]
            }
        }
        return arguments + common(isOurs: cell.role == .client)
    }

    private func common(isOurs: Bool) -> [String] {
        var arguments = ["--port", String(port), "--format", "json", "--control"]
        if isOurs {
            arguments += ["--stack", "swift"]
            if cell.checksum == .ours { arguments.append("--checksum") }
        } else {
            arguments += ["--stack", "kernel"]
            if cell.application == .mptcpize { arguments.append("--plain-tcp") }
        }
        return arguments
    }
}
