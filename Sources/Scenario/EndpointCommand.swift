package import NetworkPrimitives

/// What an endpoint that runs in a process of its own can be told while it runs: a line on its
/// standard input. The end of the input is `stop`.
package enum EndpointCommand: Hashable, Sendable {
    /// End the workload in order.
    case stop
    /// End the connections at once: MP_FASTCLOSE.
    case abort
    /// Use an address no longer, although its path may still work.
    case giveUpAddress(IPAddress)
    /// Have the peer spare the subflows of an address, or use them again.
    case setBackup(IPAddress, Bool)

    /// The members of the line's object.
    package var members: [JSONValue.Member] {
        switch self {
        case .stop: [.init("command", "stop")]
        case .abort: [.init("command", "abort")]
        case .giveUpAddress(let address):
            [
                .init("command", "give-up-address"),
                .init("address", .string(address.description)),
            ]
        case .setBackup(let address, let isBackup):
            [
                .init("command", "set-backup"), .init("address", .string(address.description)),
                .init("backup", .bool(isBackup)),
            ]
        }
    }

    /// Reads a line; `nil` if it is no command.
    package init?(line: some StringProtocol) {
        guard let value = try? JSONValue(parsing: String(line)) else { return nil }
        let address = value["address"]?.asString.flatMap { IPAddress($0) }
        switch (value["command"]?.asString, address) {
        case ("stop", _): self = .stop
        case ("abort", _): self = .abort
        case ("give-up-address", let address?): self = .giveUpAddress(address)
        case ("set-backup", let address?):
            guard let isBackup = value["backup"]?.asBool else { return nil }
            self = .setBackup(address, isBackup)
        default: return nil
        }
    }
}
