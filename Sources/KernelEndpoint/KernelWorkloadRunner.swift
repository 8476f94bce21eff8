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
    private let timer: TimerDescriptor
    private let buffer: UnsafeMutableRawBufferPointer
    private var listeners: [KernelMPTCPSocket] = []
    private var connections: [KernelConnection] = []
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
        timer = try TimerDescriptor()
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
        listeners.append(try .listening(on: local, options: options))
        report("server", "listening", [.init("local", .string(local.description))])
    }

    /// Opens a connection and runs a workload on it.
    package func connect(
        from local: IPAddress?, to remote: Endpoint, workload: Workload,
        options: KernelSocketOptions = KernelSocketOptions()
    ) throws(SystemError) {
        let socket = try KernelMPTCPSocket.connecting(from: local, to: remote, options: options)
        connectionCount += 1
        connections.append(
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
    package var establishedCount: Int { connections.count - connectingCount }

    private var connectingCount: Int { connections.count { $0.state == .connecting } }

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
        var stop = stop
        var deadline = timeout.map { MonotonicClock.now() + $0 }
        nextStatistics = statisticsInterval.map { MonotonicClock.now() + $0 }
        while !isOver(limit), !isDone(self) {
            let ready = try wait(stop: stop, deadline: deadline)
            let now = MonotonicClock.now()
            if ready.stop {
                // Nobody makes a bare descriptor quiet again.
                if commands == nil { stop = nil }
                for command in commands?() ?? [.stop] { perform(command, now: now) }
                if isStopping {
                    deadline = min(deadline ?? .distantFuture, now + patience)
                }
            }
            if let deadline, deadline <= now {
                for connection in connections { connection.lose("timed out") }
                isStopping = true
            }
            for index in ready.listeners where !isStopping {
                try acceptAll(listeners[index], now: now)
            }
            for index in ready.connections {
                connections[index].service(buffer: buffer, now: now)
            }
            reap(now: now)
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
    private struct Ready {
        var stop = false
        var listeners: [Int] = []
        var connections: [Int] = []
    }

    private func isOver(_ limit: Int?) -> Bool {
        guard connections.isEmpty else { return false }
        if isStopping { return true }
        if listeners.isEmpty { return series?.0.remaining ?? 0 == 0 }
        return limit.map { outcomes.count >= $0 } ?? false
    }

    private func continueSeries() throws(SystemError) {
        while !isStopping, let next = series?.0.next(open: connections.count, connectingCount),
            let (series, options) = series
        {
            try connect(
                from: series.local, to: next, workload: series.workload, options: options)
        }
    }

    private func perform(_ command: EndpointCommand, now: Instant) {
        switch command {
        case .stop:
            isStopping = true
            for connection in connections { connection.stop(buffer: buffer, now: now) }
        case .abort:
            isStopping = true
            for connection in connections { connection.lose("aborted") }
        case .giveUpAddress, .setBackup:
            // The kernel's path manager has been told by whoever read the command.
            return
        }
    }

    /// Sleeps until something is ready. `poll`, because interest in reading ends with the peer's
    /// direction while ours goes on.
    private func wait(stop: Int32?, deadline: Instant?) throws(SystemError) -> Ready {
        var polled = [pollfd(fd: timer.rawValue, events: Int16(POLLIN), revents: 0)]
        polled.append(pollfd(fd: stop ?? -1, events: Int16(POLLIN), revents: 0))
        for listener in listeners {
            polled.append(pollfd(fd: listener.rawValue, events: Int16(POLLIN), revents: 0))
        }
        for connection in connections {
            let interest = connection.interest
            let events = (interest.readable ? POLLIN : 0) | (interest.writable ? POLLOUT : 0)
            // Without interest the kernel would still report a hang-up, again and again.
            polled.append(
                pollfd(
                    fd: events == 0 ? -1 : connection.socket.rawValue, events: Int16(events),
                    revents: 0))
        }
        let others = [deadline, nextStatistics].compactMap { $0 }
        let due = (connections.compactMap(\.nextDeadline) + others).min()
        try timer.arm(at: due)
        let count = poll(&polled, nfds_t(polled.count), -1)
        if count < 0, errno != EINTR { throw SystemError("poll", code: errno) }
        return sort(count < 0 ? [] : polled)
    }

    private func sort(_ polled: [pollfd]) -> Ready {
        var ready = Ready()
        if polled.isEmpty { return ready }
        ready.stop = polled[1].revents != 0
        let now = MonotonicClock.now()
        for index in listeners.indices where polled[2 + index].revents != 0 {
            ready.listeners.append(index)
        }
        for (index, connection) in connections.enumerated() {
            let isReady = polled[2 + listeners.count + index].revents != 0
            let isDue = connection.nextDeadline.map { $0 <= now } ?? false
            if isReady || isDue { ready.connections.append(index) }
        }
        return ready
    }

    private func acceptAll(_ listener: KernelMPTCPSocket, now: Instant) throws(SystemError) {
        while let (socket, peer) = try listener.accept() {
            connectionCount += 1
            let connection = KernelConnection(
                accepted: socket, from: peer, number: connectionCount, now: now)
            connections.append(connection)
            reportConnection(connection, "accepted")
            connection.service(buffer: buffer, now: now)
        }
    }

    private func reap(now: Instant) {
        for connection in connections { announce(connection) }
        for connection in connections where connection.state == .closed {
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
                    [.init("connection", .integer(Int64(connection.number)))]
                        + information.fields)
            }
        }
        connections.removeAll { $0.state == .closed }
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
        for connection in connections {
            guard let information = connection.socket.information else { continue }
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
