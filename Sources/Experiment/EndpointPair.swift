internal import LinuxSystem
internal import NetworkPrimitives
internal import Scenario

/// The two endpoint processes of a conversation. It starts them, and takes in what both report
/// whenever something is waited for.
final class EndpointPair {
    /// Why a conversation cannot go on.
    struct Failure: Error, CustomStringConvertible {
        var description: String

        init(_ description: String) { self.description = description }
    }

    enum Side: String {
        case client
        case server
    }

    /// What a process is started with: see `EndpointProcess`.
    struct Launch {
        var arguments: [String]
        var wrapper: [String] = []
        var namespace: NetworkNamespace
        var program: String?
    }

    private(set) var client: EndpointProcess?
    private(set) var server: EndpointProcess?
    private let poll: EventPoll
    private let interruption: Interruption?
    private var timer: (interval: Duration, next: Instant, body: (Instant) throws -> Void)?

    private static let signalToken = UInt64.max - 1

    /// With an interruption every wait ends when that comes.
    init(_ interruption: Interruption? = nil) throws(SystemError) {
        poll = try EventPoll()
        self.interruption = interruption
        if let interruption { try poll.add(interruption.descriptor, token: Self.signalToken) }
    }

    /// Those that have been started.
    var processes: [EndpointProcess] { [client, server].compactMap { $0 } }

    /// Everything both ends reported, in the order of time.
    var events: [EventRecord] { processes.flatMap(\.events).stablySorted(by: \.time) }

    // MARK: Beginning and end

    @discardableResult
    func start(_ side: Side, _ launch: Launch) throws -> EndpointProcess {
        let process = try EndpointProcess(
            side.rawValue, arguments: launch.arguments, wrapper: launch.wrapper,
            in: launch.namespace, program: launch.program)
        switch side {
        case .client: client = process
        case .server: server = process
        }
        try poll.add(process.descriptor, token: UInt64(process.descriptor))
        return process
    }

    /// Starts the server and, when it listens, the client; returns when that is connected. Either may
    /// take as long as `limit` says.
    func connect(server: Launch, client: Launch, within limit: Duration) throws {
        let server = try start(.server, server)
        try wait("the server to listen", within: limit) { server.event("listening") != nil }
        let client = try start(.client, client)
        try wait("the client to connect", within: limit) {
            client.event(WorkloadEndpoint.startedEventName) != nil
        }
    }

    /// Waits for the end of both and throws if one failed.
    func awaitSuccess(until limit: Instant) throws {
        for process in processes {
            try wait("the \(process.name) to end", until: limit) { process.isAtEnd }
        }
        try checkExits()
    }

    /// Throws if one that is at its end did not end with this code.
    func checkExits(_ code: Int32 = 0) throws {
        for process in processes where process.wait() != .code(code) {
            throw Failure(process.story)
        }
    }

    /// Throws if one has ended without a summary.
    func checkEnds() throws {
        for process in processes where process.isAtEnd && process.summary == nil {
            _ = process.wait()
            throw Failure(process.story)
        }
    }

    /// Kills those that still run.
    func terminate() { for process in processes { process.terminate() } }

    // MARK: Waiting

    /// Has `body` called again and again while something is waited for, first at `start`.
    func every(
        _ interval: Duration, from start: Instant, _ body: @escaping (Instant) throws -> Void
    ) {
        timer = (interval, start, body)
    }

    /// Waits for a time, whatever the processes do meanwhile.
    func wait(until instant: Instant) throws { _ = try wait(until: instant) { false } }

    /// Waits for something that both work on: an early end of one is a failure, like `limit`.
    func wait(_ what: String, until limit: Instant, for condition: () -> Bool) throws {
        let isMet = try wait(until: limit) {
            if condition() { return true }
            try checkEnds()
            return false
        }
        if !isMet { throw Failure("waited in vain for \(what)") }
    }

    func wait(_ what: String, within limit: Duration, for condition: () -> Bool) throws {
        try wait(what, until: MonotonicClock.now() + limit, for: condition)
    }

    /// Waits until what the processes report meets `condition`; `false` if it does not by `limit`.
    func wait(until limit: Instant, for condition: () throws -> Bool) throws -> Bool {
        while try !condition() {
            if MonotonicClock.now() >= limit { return false }
            try turn(until: limit)
        }
        return true
    }

    /// Looks again and again whether something has come that nobody announces; `false` if it has not
    /// by `limit`.
    func look(
        every interval: Duration, until limit: Instant, for condition: () throws -> Bool
    ) throws -> Bool {
        while try !condition() {
            let now = MonotonicClock.now()
            if now >= limit { return false }
            try wait(until: now + interval)
        }
        return true
    }

    /// Sleeps until something happens, and takes it in.
    private func turn(until deadline: Instant) throws {
        for ready in try poll.wait(until: min(timer?.next ?? deadline, deadline)) {
            if ready.token == Self.signalToken { try interruption?.check() }
            for process in processes where UInt64(process.descriptor) == ready.token {
                _ = try process.readEvents()
                if process.isAtEnd { poll.remove(process.descriptor) }
            }
        }
        let now = MonotonicClock.now()
        guard let due = timer, due.next <= now else { return }
        timer?.next = due.next + due.interval
        try due.body(now)
    }
}
