internal import HostStack
internal import LinuxSystem
package import MPTCP
package import NetworkPrimitives
package import Scenario
internal import TCP
internal import WireFormat

/// What became of one connection.
package struct StackWorkloadOutcome: Sendable {
    package var role: WorkloadEndpoint.Role
    package var summary: WorkloadSummary
    package var workload: Workload?
    /// Whether the connection was MPTCP from its beginning to its end.
    package var isMPTCP: Bool
    /// The stack's view when it ended.
    package var information: ConnectionInformation?
}

/// Serves and opens workload connections on our own stack: one thread, one loop, the same endpoints
/// as on kernel sockets; the twin of `KernelWorkloadRunner`.
///
/// Commands: `listen`, `connect`, `connectInSeries`, then `run`, which returns when everything has
/// ended.
package final class StackWorkloadRunner {
    package let driver: StackDriver
    private let emit: ((EventRecord) -> Void)?
    private let wallOffset: Int64
    private var isServer = false
    private var connections = ConnectionTable()
    private var connectingCount = 0
    private var closingCount = 0
    private var series: ConnectionSeries?
    private var outcomes: [StackWorkloadOutcome] = []
    private var connectionCount = 0
    private var isStopping = false
    /// Connections that have something to do at once.
    private var busy: [StackConnection] = []
    /// Events that are printed once the packets are out.
    private var records: [EventRecord] = []

    private static let stopToken: UInt64 = 1

    /// When the last connection ended; what comes behind it is the wait for the peer's questions.
    package private(set) var lastEnd: Instant?

    /// How long connections may take to end after a stop before they are aborted.
    package var patience = Duration.seconds(10)
    /// How often `connection-statistics` is reported; `nil` for never.
    package var statisticsInterval: Duration?
    private var nextStatistics: Instant?

    /// A runner on this driver, whose stack nobody else commands; `emit` takes each event, which a
    /// command prints as a line. Without it none is made.
    package init(_ driver: StackDriver, emit: ((EventRecord) -> Void)? = nil) {
        self.driver = driver
        self.emit = emit
        wallOffset = WallClock.offsetFromMonotonic()
    }
}

// MARK: - Commands

extension StackWorkloadRunner {
    /// Accepts connections on the driver's listening ports and does what each client asks.
    package func listen() {
        isServer = true
        for port in driver.listeningPorts {
            report(
                "server", "listening", MonotonicClock.now(),
                [.init("local", .string("*:\(port)")), .init("port", .integer(Int64(port)))])
        }
        emitRecords()
    }

    /// Opens a connection and runs a workload on it.
    package func connect(
        from local: IPAddress?, to remote: Endpoint, workload: Workload
    ) throws(StackDriverError) {
        let now = MonotonicClock.now()
        let handle = try driver.connect(to: remote, from: local, now: now)
        connectionCount += 1
        connectingCount += 1
        let connection = StackConnection(
            connecting: handle, to: remote, number: connectionCount, workload: workload)
        connections.insert(connection)
        report(
            "client", "connecting", now,
            [
                .init("connection", .integer(Int64(connectionCount))),
                .init("remote", .string(remote.description)),
            ])
        if driver.usesFastOpen { connection.writeEarly(stack, now: now) }
    }

    /// Opens connections one after the other, each as soon as the series' limit permits.
    package func connectInSeries(_ series: ConnectionSeries) throws(StackDriverError) {
        self.series = series
        _ = try continueSeries()
    }

    /// Connections that have not ended.
    package var openCount: Int { connections.count }

    /// Connections that are open and established.
    package var establishedCount: Int { connections.count - connectingCount }

    /// Runs until every connection has ended and no more can come.
    ///
    /// - Parameters:
    ///   - isDone: returns earlier, with everything as it is, once this says so.
    ///   - control: a descriptor that becomes readable when there are commands.
    ///   - commands: takes them all, after which `control` is quiet; called when it is readable.
    ///   - limit: a server ends after so many connections; `nil` only by `stop`.
    ///   - timeout: connections that are still there then are aborted.
    package func run(
        control: Int32? = nil, commands: () -> [EndpointCommand] = { [.stop] },
        connections limit: Int? = nil, timeout: Duration? = nil,
        isDone: (StackWorkloadRunner) -> Bool = { _ in false }
    ) throws(StackDriverError) -> [StackWorkloadOutcome] {
        var now = MonotonicClock.now()
        var deadline = timeout.map { now + $0 }
        if let control { try driver.watch(control, token: Self.stopToken) }
        nextStatistics = statisticsInterval.map { now + $0 }
        try advance(now: now)
        while !isOver(limit), !isDone(self) {
            var due = connections.nextDeadline()
            for other in [deadline, nextStatistics] {
                if let other { due = min(due ?? other, other) }
            }
            now = try driver.turn(until: busy.isEmpty ? due : now)
            if driver.readyTokens.contains(Self.stopToken) {
                for command in commands() {
                    perform(command, now: now)
                    guard isStopping else { continue }
                    deadline = min(deadline ?? .distantFuture, now + patience)
                }
            }
            if let due = deadline, due <= now {
                deadline = nil
                isStopping = true
                for connection in connections.all {
                    connection.lose("timed out", stack, now: now)
                }
            }
            serviceDue(now: now)
            try advance(now: now)
            reportStatistics(now)
        }
        if let control { driver.stopWatching(control) }
        try linger()
        reportCounters(MonotonicClock.now())
        emitRecords()
        defer { outcomes = [] }
        return outcomes
    }
}

// MARK: - The loop

extension StackWorkloadRunner {
    private var stack: HostStack { driver.stack }

    private func isOver(_ limit: Int?) -> Bool {
        guard connections.isEmpty else { return false }
        if isStopping { return true }
        if !isServer { return series?.remaining ?? 0 == 0 }
        return limit.map { outcomes.count >= $0 } ?? false
    }

    private func perform(_ command: EndpointCommand, now: Instant) {
        switch command {
        case .stop:
            if isStopping {
                // Asked twice: not in order, but now.
                for connection in connections.all {
                    connection.lose("stopped", stack, now: now)
                }
            }
            isStopping = true
            for port in driver.listeningPorts { stack.stopListening(port: port) }
            for connection in connections.all {
                connection.stop(stack, now: now)
                service(connection, now: now)
            }
        case .abort:
            isStopping = true
            for port in driver.listeningPorts { stack.stopListening(port: port) }
            for connection in connections.all {
                connection.lose("aborted", stack, now: now)
                service(connection, now: now)
            }
        case .giveUpAddress(let address): stack.giveUpAddress(address, now: now)
        case .setBackup(let address, let isBackup):
            stack.setBackup(isBackup, address: address, now: now)
        }
    }

    private func serviceDue(now: Instant) {
        while let connection = connections.popDue(now: now) { service(connection, now: now) }
        let waiting = busy
        busy.removeAll(keepingCapacity: true)
        for connection in waiting { service(connection, now: now) }
    }

    private func service(_ connection: StackConnection, now: Instant) {
        let wasEstablished = connection.state == .established
        let goesOn = connection.service(stack, now: now)
        if wasEstablished, connection.state == .closing { closingCount += 1 }
        if goesOn,
            !busy.contains(where: { $0 === connection })
        {
            busy.append(connection)
        }
        connections.schedule(connection)
        announce(connection, now: now)
    }

    /// Takes the stack's events and sends its packets until neither yields anything.
    private func advance(now: Instant) throws(StackDriverError) {
        repeat {
            takeEvents(now: now)
            driver.transmit(now: now)
            while takeEvents(now: now) { driver.transmit(now: now) }
            // The end of a connection makes room for the next one.
        } while try continueSeries()
        emitRecords()
    }

    @discardableResult
    private func takeEvents(now: Instant) -> Bool {
        var tookAny = false
        while let event = stack.pollEvent() {
            tookAny = true
            take(event, now: now)
        }
        return tookAny
    }

    private func take(_ event: StackEvent, now: Instant) {
        switch event {
        case .accepted(let handle): accept(handle, now: now)
        case .established(let handle):
            guard let connection = connection(handle) else { return }
            connectingCount -= 1
            connection.established(stack, now: now)
            reportConnection(connection, "connected", now)
            service(connection, now: now)
        case .readable(let handle), .writable(let handle), .atEnd(let handle):
            if let connection = connection(handle) { service(connection, now: now) }
        case .closed(let handle, let reason):
            guard let connection = connection(handle) else { return }
            // What came before the end may still be unread.
            service(connection, now: now)
            if connection.state == .connecting { connectingCount -= 1 }
            if connection.state == .closing { closingCount -= 1 }
            connection.closed(reason, stack, now: now)
            finish(connection, now: now)
        case .log(let handle, let event): report(event, of: handle)
        }
    }

    private func accept(_ handle: ConnectionHandle, now: Instant) {
        connectionCount += 1
        let connection = StackConnection(
            accepted: handle, number: connectionCount, stack: stack, now: now)
        connections.insert(connection)
        reportConnection(connection, "accepted", now)
        if isStopping {
            connection.lose("stopped", stack, now: now)
        } else {
            service(connection, now: now)
        }
    }

    private func connection(_ handle: ConnectionHandle) -> StackConnection? {
        connections[handle]
    }

    /// Whether it opened any.
    private func continueSeries() throws(StackDriverError) -> Bool {
        var opened = false
        // As on kernel sockets: the application is done with a connection that closes.
        while !isStopping,
            let next = series?.next(open: connections.count - closingCount, connectingCount),
            let workload = series?.workload
        {
            try connect(from: series?.local, to: next, workload: workload)
            opened = true
        }
        return opened
    }

    private func finish(_ connection: StackConnection, now: Instant) {
        connections.remove(connection)
        busy.removeAll { $0 === connection }
        let endpoint = connection.endpoint
        lastEnd = now
        outcomes.append(
            StackWorkloadOutcome(
                role: endpoint.role, summary: endpoint.summary, workload: endpoint.workload,
                isMPTCP: connection.isMPTCP, information: connection.information))
        reportSummary(connection, now)
    }

    /// Answers what the peer may still ask on subflows in TIME-WAIT if a path has lost packets: then
    /// the last ACK may be lost too. Without loss nothing more comes.
    private func linger() throws(StackDriverError) {
        let hasLost = outcomes.contains { outcome in
            outcome.information?.subflows.contains { $0.counters.retransmittedSegments > 0 }
                ?? false
        }
        guard hasLost else { return }
        let end = MonotonicClock.now() + Self.lingering
        var now = MonotonicClock.now()
        while now < end {
            now = try driver.turn(until: end)
            try advance(now: now)
        }
    }

    private static let lingering = Duration.milliseconds(600)
}

// MARK: - Events

extension StackConnection {
    fileprivate var source: String { endpoint.role == .client ? "client" : "server" }
}

extension StackWorkloadRunner {
    private func report(
        _ source: String, _ name: String, _ time: Instant, _ fields: [JSONValue.Member]
    ) {
        guard emit != nil else { return }
        records.append(
            EventRecord(
                time: time, wallNanoseconds: time.nanoseconds + wallOffset, source: source,
                name: name, fields: fields))
    }

    /// Printing takes time: it comes after the packets.
    private func emitRecords() {
        guard let emit, !records.isEmpty else { return }
        for record in records { emit(record) }
        records.removeAll(keepingCapacity: true)
    }

    private func report(_ event: LogEvent, of handle: ConnectionHandle?) {
        guard emit != nil else { return }
        var fields: [JSONValue.Member] = []
        if let handle, let connection = connection(handle) {
            fields.append(.init("connection", .integer(Int64(connection.number))))
        }
        for field in event.fields {
            let value: JSONValue =
                switch field.value {
                case .number(let number): .integer(Int64(number))
                case let value: .string(value.description)
                }
            fields.append(.init(field.name, value))
        }
        report(isServer ? "server" : "client", event.name, event.time, fields)
    }

    private func reportConnection(_ connection: StackConnection, _ name: String, _ now: Instant) {
        guard emit != nil else { return }
        let token = connection.information?.localToken.rawValue
        report(
            connection.source, name, now,
            [
                .init("connection", .integer(Int64(connection.number))),
                .init("local", connection.local.map { .string($0.description) } ?? .null),
                .init("remote", connection.peer.map { .string($0.description) } ?? .null),
                .init("is_mptcp", .bool(connection.isMPTCP)),
                .init("token", token.map { .integer(Int64($0)) } ?? .null),
                .init("congestion_control", .string(driver.congestionControl)),
            ])
    }

    private func announce(_ connection: StackConnection, now: Instant) {
        guard emit != nil, let fields = connection.takesWorkloadNews() else { return }
        report(
            connection.source, WorkloadEndpoint.startedEventName, now,
            [.init("connection", .integer(Int64(connection.number)))] + fields)
    }

    private func reportSummary(_ connection: StackConnection, _ now: Instant) {
        guard emit != nil else { return }
        report(
            connection.source, WorkloadSummary.eventName, now,
            [
                .init("connection", .integer(Int64(connection.number))),
                .init("is_mptcp", .bool(connection.isMPTCP)),
            ] + connection.endpoint.summary.fields)
        guard let information = connection.information else { return }
        report(
            connection.source, "connection-information", now,
            [.init("connection", .integer(Int64(connection.number)))] + information.fields)
    }

    private func reportStatistics(_ now: Instant) {
        guard let statisticsInterval, let due = nextStatistics, due <= now else { return }
        nextStatistics = max(due + statisticsInterval, now)
        for connection in connections.all {
            connection.learn(stack)
            guard let information = connection.information else { continue }
            report(
                connection.source, "connection-statistics", now,
                [.init("connection", .integer(Int64(connection.number)))] + information.fields)
        }
        emitRecords()
    }

    private func reportCounters(_ now: Instant) {
        report(
            isServer ? "server" : "client", "stack-counters", now,
            stack.counters.fields + driver.allCounters.fields + [.init("mib", stack.mib.object)])
    }
}
