import Foundation
import HostStack
import KernelEndpoint
import LinuxSystem
import MPTCP
import NetworkPrimitives
import Scenario
import StackRuntime
import Synchronization

/// The value of an optional that is there.
func required<Value>(_ value: Value?, _ what: String = "a value") throws -> Value {
    guard let value else { throw SystemError("\(what) is missing", code: 61) }
    return value
}

/// What an endpoint reports, as it comes.
final class EventLog: @unchecked Sendable {
    private let condition = NSCondition()
    private var events: [EventRecord] = []
    private var isOver = false

    var all: [EventRecord] { condition.withLock { events } }

    func named(_ name: String) -> [EventRecord] { all.filter { $0.name == name } }

    func append(_ event: EventRecord) {
        condition.withLock {
            events.append(event)
            condition.broadcast()
        }
    }

    /// No more events come.
    func end() {
        condition.withLock {
            isOver = true
            condition.broadcast()
        }
    }

    /// Waits for the event; the bound only ends what hangs.
    @discardableResult
    func wait(for name: String, count: Int = 1) throws -> EventRecord {
        let limit = Date(timeIntervalSinceNow: 30)
        return try condition.withLock {
            while true {
                let found = events.filter { $0.name == name }
                if found.count >= count { return found[count - 1] }
                if isOver || !condition.wait(until: limit) {
                    let seen = events.map(\.line).joined(separator: "\n")
                    throw SystemError("no event \(name) among\n\(seen)\n", code: 110)
                }
            }
        }
    }
}

/// Whose MPTCP an endpoint of a test uses.
enum TestStack: CaseIterable {
    case swift
    case kernel
}

/// How one end of a connection ended, on either stack.
struct EndOutcome {
    var summary: WorkloadSummary
    var isMPTCP: Bool
    /// Our own stack only.
    var information: ConnectionInformation?
}

/// An endpoint on a thread of its own in a namespace.
final class TestEndpoint: @unchecked Sendable {
    let log = EventLog()
    private let commands = Mutex<[EndpointCommand]>([])
    private let wake: WakeDescriptor
    private let done = DispatchSemaphore(value: 0)
    private var result: Result<[EndOutcome], any Error>?

    typealias Change = (inout StackDriver.Configuration) -> Void

    /// Accepts one connection.
    static func server(
        _ stack: TestStack, in namespace: NetworkNamespace, address: IPAddress = .v4(0),
        port: UInt16 = TestNetwork.server.port, connections: Int = 1, timeout: Duration? = nil,
        options: KernelSocketOptions = KernelSocketOptions(),
        _ change: @escaping Change = { _ in }
    ) throws -> TestEndpoint {
        let endpoint = try TestEndpoint(in: namespace) { endpoint in
            switch stack {
            case .swift:
                try endpoint.runStack(connections: connections, timeout: timeout) {
                    $0.listeningPorts = [port]
                    $0.stack.connection.policy = .acceptOnly
                    change(&$0)
                } start: {
                    $0.listen()
                }
            case .kernel:
                try endpoint.runKernel(connections: connections, timeout: timeout) {
                    try $0.listen(on: Endpoint(address, port), options: options)
                }
            }
        }
        try endpoint.log.wait(for: "listening")
        return endpoint
    }

    /// Opens connections one after the other.
    static func client(
        _ stack: TestStack, in namespace: NetworkNamespace, _ workload: Workload,
        from local: IPAddress? = TestNetwork.wifi, to remote: Endpoint = TestNetwork.server,
        connections: Int = 1,
        timeout: Duration = .seconds(60), options: KernelSocketOptions = KernelSocketOptions(),
        _ change: @escaping Change = { _ in }
    ) throws -> TestEndpoint {
        let series = ConnectionSeries(
            connections, from: local, to: [remote], workload: workload, limit: .open(1))
        return try TestEndpoint(in: namespace) { endpoint in
            switch stack {
            case .swift:
                try endpoint.runStack(timeout: timeout) {
                    $0.opensConnections = true
                    $0.stack.connection.policy = .full
                    change(&$0)
                } start: {
                    try $0.connectInSeries(series)
                }
            case .kernel:
                try endpoint.runKernel(timeout: timeout) {
                    try $0.connectInSeries(series, options: options)
                }
            }
        }
    }

    private init(
        in namespace: NetworkNamespace, _ body: @escaping (TestEndpoint) throws -> [EndOutcome]
    ) throws {
        wake = try WakeDescriptor()
        // Only the new thread uses it from here on.
        nonisolated(unsafe) let body = body
        // Not a task: the other tests block the threads that tasks run on.
        Thread.detachNewThread { [self] in
            result = Result { try NamespaceThread.run(in: namespace) { try body(self) } }
            log.end()
            done.signal()
        }
    }

    /// Tells it something.
    func command(_ command: EndpointCommand) {
        commands.withLock { $0.append(command) }
        wake.wake()
    }

    /// Waits for its end.
    func outcome() throws -> EndOutcome { try required(outcomes().first, "an outcome") }

    func outcomes() throws -> [EndOutcome] {
        done.wait()
        defer { done.signal() }
        return try required(result).get()
    }

    private func takeCommands() -> [EndpointCommand] {
        wake.takeWake()
        return commands.withLock { list in
            defer { list = [] }
            return list
        }
    }

    private func runStack(
        connections: Int? = nil, timeout: Duration?, _ change: Change,
        start: (StackWorkloadRunner) throws -> Void
    ) throws -> [EndOutcome] {
        var configuration = StackDriver.Configuration(seed: RandomBytes.next())
        change(&configuration)
        let driver = try StackDriver(configuration)
        defer { driver.close() }
        let runner = StackWorkloadRunner(driver) { self.log.append($0) }
        try start(runner)
        return try runner.run(
            control: wake.rawValue, commands: takeCommands, connections: connections,
            timeout: timeout ?? .seconds(60)
        ).map {
            EndOutcome(summary: $0.summary, isMPTCP: $0.isMPTCP, information: $0.information)
        }
    }

    private func runKernel(
        connections: Int? = nil, timeout: Duration?,
        _ start: (KernelWorkloadRunner) throws -> Void
    ) throws -> [EndOutcome] {
        let runner = try KernelWorkloadRunner { self.log.append($0) }
        try start(runner)
        return try runner.run(
            until: wake.rawValue, commands: takeCommands,
            connections: connections, timeout: timeout ?? .seconds(60)
        ).map { EndOutcome(summary: $0.summary, isMPTCP: $0.isMPTCP, information: nil) }
    }
}
