package import MPTCP
package import NetworkPrimitives
package import Scenario

/// What one end of a benchmark is asked to do, as the command line of its process says it.
package struct BenchmarkOrder: Hashable, Sendable {
    package enum Role: String, Hashable, Sendable, CaseIterable {
        case client
        case server
    }

    package var role: Role
    package var stack: EndpointKind
    package var kind: BenchmarkKind
    /// Where the server listens: `ports` ports from `port` on.
    package var server: IPAddress
    package var port: UInt16
    package var ports = 1
    /// The client's address.
    package var local: IPAddress?
    /// How long data are made.
    package var duration = Duration.seconds(2)
    /// Connections in all; of `memory` the idle ones.
    package var count = 1
    /// Connections at once.
    package var parallel = 1
    package var policy = SwitchPolicy.singlePath

    package init(
        _ role: Role, _ stack: EndpointKind, _ kind: BenchmarkKind, server: IPAddress,
        port: UInt16
    ) {
        self.role = role
        self.stack = stack
        self.kind = kind
        self.server = server
        self.port = port
    }

    /// The same for another role.
    package func with(_ role: Role) -> BenchmarkOrder {
        var order = self
        order.role = role
        return order
    }

    /// The command line.
    package var arguments: [String] {
        var arguments = [
            "bench-endpoint", "--role", role.rawValue, "--stack", stack.rawValue,
            "--kind", kind.rawValue, "--server", server.description, "--port", "\(port)",
            "--ports", "\(ports)", "--duration", "\(duration.wholeNanoseconds)ns",
            "--count", "\(count)", "--parallel", "\(parallel)", "--policy", policy.rawValue,
        ]
        if let local { arguments += ["--from", local.description] }
        return arguments
    }

    /// Whether the connections are of MPTCP: all but those against whose loss recovery ours is measured.
    var usesMPTCP: Bool { kind != .recovery || stack == .swift }

    /// Everywhere the server listens.
    var remotes: [Endpoint] {
        (0..<ports).map { Endpoint(server, port + UInt16($0)) }
    }

    /// What the client does on each connection that is not idle.
    var workload: Workload {
        switch kind {
        case .goodput, .recovery: Workload(.bulk, duration: duration)
        case .latency, .memory:
            Workload(.requestResponse, size: Self.messageSize, duration: duration)
        case .connections:
            // So short that it ends behind the first request.
            Workload(.requestResponse, size: Self.messageSize, duration: .nanoseconds(1))
        }
    }

    /// What an idle connection does: one octet, and the next one when everything is long over.
    static let idleWorkload = Workload(.stream, size: 1, interval: .seconds(86_400))

    private static let messageSize = 64
}
