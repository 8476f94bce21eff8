internal import Glibc
package import LinuxSystem
package import NetworkPrimitives
package import Scenario

/// What became of one connection.
package struct KernelWorkloadOutcome: Sendable {
    package var role: WorkloadEndpoint.Role
    package var summary: WorkloadSummary
    package var workload: Workload?
    /// Whether the connection was MPTCP from its beginning to its end.
    package var isMPTCP: Bool
    /// The kernel's view when it ended.
    package var information: MPTCPInformation?
}

/// Serves and opens workload connections on kernel sockets: one thread, one loop, the same
/// endpoints as on our own stack. Sockets belong to the namespace of the thread that makes them.
///
/// Commands: `listen`, `connect`, `connectInSeries`, then `run`, which returns when everything has
/// ended.
///
/// A listener stays open as long as the loop runs: the kernel refuses an MP_JOIN for a connection
/// whose listener is closed (kernel-baseline.md, 6.6).
package final class KernelWorkloadRunner {
    private let emit: ((EventRecord) -> Void)?
    private let poll: EventPoll
    private let buffer: UnsafeMutableRawBufferPointer
    private var listeners: [KernelMPTCPSocket] = []
    private var connections: KernelConnectionTable
    private var series: (ConnectionSeries, KernelSocketOptions)?
    private var outcomes: [KernelWorkloadOutcome] = []
    private var connectionCount = 0
    private var isStopping = false
    private let earlier: KernelCounters?

    private static let bufferSize = 1 << 18

    /// How long connections may take to end after a stop before they are aborted.
    package var patience = Duration.seconds(10)
    /// How often `connection-statistics` is reported; `nil` for never.
    package var statisticsInterval: Duration?
    private var nextStatistics: Instant?

    /// A runner; `emit` takes each event, which a command prints as a line. Without it none is made.
    package init(emit: ((EventRecord) -> Void)? = nil) throws(SystemError) {
        self.emit = emit
        poll = try EventPoll()
        connections = KernelConnectionTable(poll)
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 16)
        earlier = try? KernelCounters.current()
    }

    deinit { buffer.deallocate() }
}

// MARK: - Commands

extension KernelWorkloadRunner {
    /// Accepts connections and does what each client asks.
    package func listen(
        on local: Endpoint, options: KernelSocketOptions = KernelSocketOptions()
    ) throws(SystemError) {
        let listener = try KernelMPTCPSocket.listening(on: local, options: options)
        try poll.add(listener.rawValue, token: Token.listeners + UInt64(listeners.count))
        listeners.append(listener)
        report("server", "listening", [.init("local", .string(local.description))])
    }

    /// Opens a connection and runs a workload on it.
    package func connect(
        from local: IPAddress?, to remote: Endpoint, workload: Workload,
        options: KernelSocketOptions = KernelSocketOptions()
    ) throws(SystemError) {
        let socket = try KernelMPTCPSocket.connecting(from: local, to: remote, options: options)
        connectionCount += 1
        try connections.insert(
            KernelConnection(
                connecting: socket, to: remote, number: connectionCount, workload: workload))
        report(
            "client", "connecting",
            [
                .init("connection", .integer(Int64(connectionCount))),
                .init("remote", .string(remote.description)),
            ])
    }

    /// Opens connections one after the other, each as soon as the series' limit permits.
    package func connectInSeries(
        _ series: ConnectionSeries, options: KernelSocketOptions = KernelSocketOptions()
    ) throws(SystemError) {
        self.series = (series, options)
        try continueSeries()
    }

    /// Connections that are open and established.
    package var establishedCount: Int { connections.count - connections.connectingCount }

    /// Whether all connections that are open are MPTCP.
    package var isEveryConnectionMPTCP: Bool {
        connections.slots.allSatisfy { connections[$0]?.wasMPTCP ?? true }
    }

    /// Runs until every connection has ended and no more can come.
    ///
    /// - Parameters:
    ///   - isDone: returns earlier, with everything as it is, once this says so.
    ///   - stop: a descriptor that becomes readable when there are commands.
    ///   - commands: takes them all, after which `stop` is quiet; called when it is readable. Only
    ///     `stop` and `abort` are for the workloads. Without it `stop` means a stop.
    ///   - limit: a server ends after so many connections; `nil` only by `stop`.
    ///   - timeout: connections that are still there then are aborted.
    package func run(
        until stop: Int32? = nil, commands: (() -> [EndpointCommand])? = nil,
        connections limit: Int? = nil, timeout: Duration? = nil,
        isDone: (KernelWorkloadRunner) -> Bool = { _ in false }
    ) throws(SystemError) -> [KernelWorkloadOutcome] {
        if let stop { try poll.add(stop, token: Token.stop) }
        defer { if let stop { poll.remove(stop) } }
        var deadline = timeout.map { MonotonicClock.now() + $0 }
        nextStatistics = statisticsInterval.map { MonotonicClock.now() + $0 }
        while !isOver(limit), !isDone(self) {
            let due = [deadline, nextStatistics, connections.nextDeadline].compactMap { $0 }.min()
            let ready = try poll.wait(until: due)
            let now = MonotonicClock.now()
            if ready.contains(where: { $0.token == Token.stop }) {
                // Nobody makes a bare descriptor quiet again.
                if commands == nil, let stop { poll.remove(stop) }
                for command in commands?() ?? [.stop] { try perform(command, now: now) }
                if isStopping { deadline = min(deadline ?? .distantFuture, now + patience) }
            }
            if let deadline, deadline <= now { try endAll { $0.lose("timed out") } }
            for entry in ready where entry.token != Token.stop {
                if entry.token < Token.listeners {
                    try service(Int(entry.token), now: now)
                } else {
                    try acceptAll(listeners[Int(entry.token - Token.listeners)], now: now)
                }
            }
            for slot in connections.takeDue(now) { try service(slot, now: now) }
            try continueSeries()
            reportStatistics(now)
        }
        defer { outcomes = [] }
        reportCounters()
        return outcomes
    }
}

// MARK: - The loop

extension KernelWorkloadRunner {
    /// Below `listeners` stand the slots of the connections.
    private enum Token {
        static let listeners: UInt64 = 1 << 32
        static let stop = UInt64.max - 1
    }

    private func isOver(_ limit: Int?) -> Bool {
        guard connections.count == 0 else { return false }
        if isStopping { return true }
        if listeners.isEmpty { return series?.0.remaining ?? 0 == 0 }
        return limit.map { outcomes.count >= $0 } ?? false
    }

    private func continueSeries() throws(SystemError) {
        while !isStopping,
            let next = series?.0.next(open: connections.count, connections.connectingCount),
            let (series, options) = series
        {
            try connect(
                from: series.local, to: next, workload: series.workload, options: options)
        }
    }

    private func perform(_ command: EndpointCommand, now: Instant) throws(SystemError) {
        switch command {
        case .stop: try endAll { $0.stop(buffer: buffer, now: now) }
        case .abort: try endAll { $0.lose("aborted") }
        case .giveUpAddress, .setBackup:
            // The kernel's path manager has been told by whoever read the command.
            return
        }
    }

    /// Ends what is open, each connection as `body` does it, and accepts none any more. The listeners
    /// stay open, but what waits there is not to wake the loop.
    private func endAll(_ body: (KernelConnection) -> Void) throws(SystemError) {
        if !isStopping { for listener in listeners { poll.remove(listener.rawValue) } }
        isStopping = true
        for slot in connections.slots {
            guard let connection = connections[slot] else { continue }
            body(connection)
            try settle(slot)
        }
    }

    /// A connection is ready for something, or its time has come.
    private func service(_ slot: Int, now: Instant) throws(SystemError) {
        connections[slot]?.service(buffer: buffer, now: now)
        try settle(slot)
    }

    /// After whatever happened to a connection: tells of it, and waits for what it wants now.
    private func settle(_ slot: Int) throws(SystemError) {
        guard let connection = connections[slot] else { return }
        announce(connection)
        if connection.state == .closed {
            connections.remove(slot)
            conclude(connection)
        } else {
            try connections.update(slot)
        }
    }

    private func acceptAll(_ listener: KernelMPTCPSocket, now: Instant) throws(SystemError) {
        while !isStopping, let (socket, peer) = try listener.accept() {
            connectionCount += 1
            let connection = KernelConnection(
                accepted: socket, from: peer, number: connectionCount, now: now)
            let slot = try connections.insert(connection)
            reportConnection(connection, "accepted")
            try service(slot, now: now)
        }
    }

    private func conclude(_ connection: KernelConnection) {
        let endpoint = connection.endpoint
        outcomes.append(
            KernelWorkloadOutcome(
                role: endpoint.role, summary: endpoint.summary, workload: endpoint.workload,
                isMPTCP: connection.wasMPTCP, information: connection.information))
        report(
            connection.source, WorkloadSummary.eventName,
            [
                .init("connection", .integer(Int64(connection.number))),
                .init("is_mptcp", .bool(connection.wasMPTCP)),
            ] + endpoint.summary.fields)
        if let information = connection.information {
            report(
                connection.source, "connection-information",
                [.init("connection", .integer(Int64(connection.number)))] + information.fields)
        }
    }
}

// MARK: - Events

extension KernelConnection {
    fileprivate var source: String { endpoint.role == .client ? "client" : "server" }
}

extension KernelWorkloadRunner {
    private func report(
        _ source: String, _ name: String, _ fields: @autoclosure () -> [JSONValue.Member]
    ) {
        guard let emit else { return }
        emit(
            EventRecord(
                time: MonotonicClock.now(), wallNanoseconds: WallClock.nanoseconds(),
                source: source, name: name, fields: fields()))
    }

    private func reportConnection(_ connection: KernelConnection, _ name: String) {
        guard emit != nil else { return }
        let information = connection.socket.information
        report(
            connection.source, name,
            [
                .init("connection", .integer(Int64(connection.number))),
                .init(
                    "local",
                    connection.socket.localEndpoint.map { .string($0.description) } ?? .null),
                .init("remote", connection.peer.map { .string($0.description) } ?? .null),
                .init("is_mptcp", .bool(connection.wasMPTCP)),
                .init("token", information.map { .integer(Int64($0.localToken)) } ?? .null),
                .init(
                    "congestion_control",
                    connection.socket.congestionControl.map(JSONValue.string) ?? .null),
            ])
    }

    private func announce(_ connection: KernelConnection) {
        guard emit != nil, let fields = connection.takesWorkloadNews() else { return }
        if connection.endpoint.role == .client { reportConnection(connection, "connected") }
        report(
            connection.source, WorkloadEndpoint.startedEventName,
            [.init("connection", .integer(Int64(connection.number)))] + fields)
    }

    private func reportStatistics(_ now: Instant) {
        guard let statisticsInterval, let due = nextStatistics, due <= now else { return }
        nextStatistics = max(due + statisticsInterval, now)
        for slot in connections.slots {
            guard let connection = connections[slot],
                let information = connection.socket.information
            else { continue }
            report(
                connection.source, "connection-statistics",
                [.init("connection", .integer(Int64(connection.number)))] + information.fields)
        }
    }

    private func reportCounters() {
        guard emit != nil, let earlier, let now = try? KernelCounters.current() else { return }
        let fields = now.since(earlier).nonZero.map {
            JSONValue.Member($0.name, .integer($0.value))
        }
        let source = listeners.isEmpty ? "client" : "server"
        report(source, "kernel-counters", fields)
    }
}
