import Foundation
import KernelEndpoint
import LinuxSystem
import NetworkPrimitives
import Scenario

/// A client with wifi0 and lte0 and a server behind both, in two namespaces.
final class TwoPaths {
    static let wifi = IPAddress.v4(0x0a00_0102)
    static let lte = IPAddress.v4(0x0a00_0202)
    static let server = Endpoint(IPAddress.v4(0x0a00_0901), 5_000)

    let client: KernelNamespace
    let host: KernelNamespace

    init() throws {
        client = try KernelNamespace()
        host = try KernelNamespace()
        try host.ip("address add 10.0.9.1/32 dev lo")
        for (index, name) in [(1, "wifi0"), (2, "lte0")] {
            try client.ip(
                "link add \(name) type veth peer name far\(index) netns \(host.namespace.name)")
            try client.ip("address add 10.0.\(index).2/24 dev \(name)")
            try client.ip("rule add from 10.0.\(index).2 table 10\(index)")
            try host.ip("address add 10.0.\(index).1/24 dev far\(index)")
            try host.ip("link set far\(index) up")
        }
    }

    /// Brings a path up: 1 is wifi, 2 is lte. Routes vanish when a link goes down.
    func up(_ index: Int) throws {
        let name = index == 1 ? "wifi0" : "lte0"
        try client.ip("link set \(name) up")
        try client.ip("route add default via 10.0.\(index).1 dev \(name) table 10\(index)")
        try client.ip("route add default via 10.0.\(index).1 dev \(name) metric 10\(index)")
    }

    func down(_ index: Int) throws {
        try client.ip("link set \(index == 1 ? "wifi0" : "lte0") down")
    }
}

/// Something that runs on a thread of its own in a namespace. Not a task: the other tests block the
/// threads that tasks run on.
final class Background<Value>: @unchecked Sendable {
    private let namespace: NetworkNamespace
    private let body: () throws -> Value
    private let done = DispatchSemaphore(value: 0)
    private var result: Result<Value, any Error>?

    init(in namespace: KernelNamespace, _ body: @escaping () throws -> Value) {
        self.namespace = namespace.namespace
        self.body = body
        Thread.detachNewThread { [self] in
            result = Result { try NamespaceThread.run(in: self.namespace, self.body) }
            done.signal()
        }
    }

    func value() throws -> Value {
        done.wait()
        guard let result else { throw SystemError("background", code: 110) }
        return try result.get()
    }
}

/// Sleeps without a busy loop.
func pause(_ duration: Duration) throws {
    _ = try EventPoll().wait(until: MonotonicClock.now() + duration)
}
