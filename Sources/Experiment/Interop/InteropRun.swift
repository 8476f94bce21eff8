internal import KernelEndpoint
internal import LinuxSystem
internal import NetworkPrimitives
internal import Scenario

/// One conversation: our stack in one process, the kernel's sockets in another, each in its
/// namespace.
final class InteropRun {
    private let cell: InteropCell
    private let network: InteropNetwork
    private let port: UInt16
    private let poll: EventPoll
    private var client: EndpointProcess?
    private var server: EndpointProcess?
    /// The namespace's counters stand for earlier conversations, too.
    private var before = KernelCounters(netstat: "")
    private var queueDropsBefore: UInt64 = 0

    /// How long anything that is waited for may take, retransmitted SYNs included.
    private static let limit = Duration.seconds(20)
    /// How often to look at what nobody announces.
    private static let pollInterval = Duration.milliseconds(5)

    private enum Token: UInt64 {
        case client = 1
        case server
    }

    private struct Failure: Error {
        var reason: String
    }

    init(_ cell: InteropCell, on network: InteropNetwork, port: UInt16) throws(SystemError) {
        self.cell = cell
        self.network = network
        self.port = port
        poll = try EventPoll()
    }

    /// Everything both ends reported.
    var events: [EventRecord] {
        ((client?.events ?? []) + (server?.events ?? [])).enumerated().sorted {
            ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
        }.map(\.element)
    }

    /// Plays the conversation and judges it.
    func play() -> InteropResult {
        let start = MonotonicClock.now()
        var reasons: [String] = []
        var counters: [JSONValue.Member] = []
        do {
            try network.setLoss(cell.loss)
            try prepareKernel()
            before = try kernelCounters()
            let droppedBefore = try PacketBacklog.dropped()
            queueDropsBefore = try network.droppedByQueues()
            defer { for process in [client, server] { process?.terminate() } }
            do {
                try startEndpoints()
                try endLosses()
                try awaitSubflows()
                try signal()
                try end()
                try checkExits()
                try awaitKernelSockets()
            } catch let failure as Failure {
                reasons.append(failure.reason)
            }
            for process in [client, server] { process?.terminate() }
            counters = try kernelCounters().since(before).nonZero.map {
                JSONValue.Member($0.name, .integer($0.value))
            }
            let dropped = try PacketBacklog.dropped() - droppedBefore
            if dropped > 0 { counters.append(.init(PacketBacklog.counterName, .integer(dropped))) }
            if queuesDropped {
                let drops = try network.droppedByQueues() - queueDropsBefore
                counters.append(.init(InteropJudgement.queueDrops, JSONValue(unsigned: drops)))
            }
            reasons += judge(counters)
        } catch {
            reasons.append("\(error)")
        }
        let elapsed = MonotonicClock.now() - start
        return InteropResult(
            cell, reasons.isEmpty ? .passed : .failed, reasons: reasons, counters: counters,
            milliseconds: Int(elapsed.wholeNanoseconds / 1_000_000))
    }

    private func judge(_ counters: [JSONValue.Member]) -> [String] {
        var evidence = InteropEvidence()
        evidence.client = client?.summary
        evidence.server = server?.summary
        evidence.clientEvents = client?.events ?? []
        evidence.serverEvents = server?.events ?? []
        evidence.counters = counters
        return InteropJudgement(cell, evidence).complaints
    }

    // MARK: The kernel

    private var queuesDropped: Bool {
        (try? network.droppedByQueues()).map { $0 > queueDropsBefore } ?? false
    }

    private var kernelIsClient: Bool { cell.role == .server }
    private var ours: EndpointProcess? { kernelIsClient ? server : client }

    private func kernelCounters() throws -> KernelCounters {
        try network.atKernel(cell) { try KernelCounters.current() }
    }

    private func prepareKernel() throws {
        let addresses = network.addresses
        try network.atKernel(cell) {
            try KernelSetting.usesChecksum.set(cell.checksum == .kernels ? "1" : "0")
            // An announced address is of use only where the first one is forbidden.
            let isAnnounced = cell.signal == .kernelAdds || cell.signal == .kernelRemoves
            try KernelSetting.allowsJoinToInitialAddress.set(
                isAnnounced && !kernelIsClient ? "0" : "1")
            let manager = try KernelPathManager()
            try manager.prepare()
            if kernelIsClient {
                for path in 1..<3 where path < cell.subflows.rawValue {
                    try manager.add(KernelPathEndpoint(addresses.client(path), [.subflow]))
                }
            }
            switch (cell.signal, kernelIsClient) {
            case (.kernelAdds, true):
                try manager.add(KernelPathEndpoint(addresses.spareClient, [.signal]))
            case (.kernelAdds, false), (.kernelRemoves, false):
                try manager.add(KernelPathEndpoint(addresses.secondServer, [.signal]))
            case (.kernelPriority, _):
                // Connections begin with it: the endpoint only gives it flags that can change.
                try manager.add(
                    KernelPathEndpoint(
                        kernelAddress, kernelIsClient ? [.subflow] : [.signal]))
            default: break
            }
        }
    }

    private var kernelAddress: IPAddress {
        kernelIsClient ? network.addresses.client(0) : network.addresses.server
    }

    /// The kernel goes on closing when its process has ended.
    private func awaitKernelSockets() throws {
        let limit = MonotonicClock.now() + Self.limit
        while true {
            let left = try network.atKernel(cell) {
                (
                    try KernelSockets.unfinished(port: port),
                    try KernelCounters.current()[.established]
                )
            }
            if left == (0, 0) { return }
            guard MonotonicClock.now() < limit else {
                throw Failure(
                    reason: "\(left.0) kernel sockets and \(left.1) connections did not end within "
                        + "\(Self.limit)")
            }
            try pause()
        }
    }

    /// The kernel announces the end of a socket and its counters to nobody: look again.
    private func pause() throws {
        let next = MonotonicClock.now() + Self.pollInterval
        while MonotonicClock.now() < next { try turn(until: next) }
    }

    // MARK: Endpoints

    private func startEndpoints() throws {
        let arguments = InteropArguments(cell, network.addresses, port: port)
        let server = try start("server", arguments.server, in: network.server, .server)
        self.server = server
        try wait("the server to listen") { server.event("listening") != nil }
        let client = try start("client", arguments.client, in: network.client, .client)
        self.client = client
        try wait("the client to connect") {
            client.event(WorkloadEndpoint.startedEventName) != nil
        }
        try wait("the server to accept") { server.event("accepted") != nil }
    }

    /// A SYN that was lost is repeated after a second, when nothing is lost any more: the transfer
    /// would be over before a third one.
    private func awaitSubflows() throws {
        try wait("\(cell.subflows.rawValue) subflows") {
            ours.map { count("subflow_established", of: $0) >= cell.subflows.rawValue } ?? false
        }
    }

    private func start(
        _ name: String, _ arguments: [String], in namespace: NetworkNamespace, _ token: Token
    ) throws -> EndpointProcess {
        let isKernel = (name == "client") == kernelIsClient
        let wrapper =
            isKernel && cell.application == .mptcpize ? ["mptcpize", "run"] : []
        let process = try EndpointProcess(
            name, arguments: arguments, wrapper: wrapper, in: namespace)
        try poll.add(process.descriptor, token: token.rawValue)
        return process
    }

    private func count(_ name: String, of process: EndpointProcess) -> Int {
        process.events.count { $0.name == name }
    }

    /// What is said once and not repeated (REMOVE_ADDR, MP_PRIO, a reset) is said on paths that lose
    /// nothing, so that it can be judged; until here the handshakes and data had to do with losses.
    private func endLosses() throws {
        if cell.loss == .none { return }
        let limit = MonotonicClock.now() + Self.lossyPeriod
        while MonotonicClock.now() < limit { try turn(until: limit) }
        try network.setLoss(.none)
    }

    private static let lossyPeriod = Duration.milliseconds(300)

    // MARK: What is said on the way

    private func signal() throws {
        let addresses = network.addresses
        switch cell.signal {
        case .none: return
        case .weAdd:
            try awaitCounter("EchoAddTx")
            try awaitCounter("MPJoinSynAckRx", atLeast: cell.subflows.rawValue)
        case .kernelAdds: try awaitCounter("EchoAdd")
        case .weRemove:
            if kernelIsClient {
                try awaitCounter("MPJoinSynAckRx", atLeast: cell.subflows.rawValue)
            }
            ours?.command(
                .giveUpAddress(
                    kernelIsClient
                        ? addresses.secondServer : addresses.client(cell.subflows.rawValue - 1)))
            try awaitCounter("RmAddr")
        case .kernelRemoves:
            try network.atKernel(cell) {
                try KernelPathManager().giveUp(
                    kernelIsClient
                        ? addresses.client(cell.subflows.rawValue - 1) : addresses.secondServer)
            }
            try awaitUnannounced("our address_removed_by_peer") {
                guard let ours else { return true }
                // It is said once. Where a queue dropped it, the FIN has to do.
                return count("address_removed_by_peer", of: ours) > 0
                    || queuesDropped && count("subflow_closed_by_peer", of: ours) > 0
            }
        case .ourPriority:
            ours?.command(
                .setBackup(kernelIsClient ? addresses.server : addresses.client(0), true))
            try awaitCounter("MPPrioRx")
        case .kernelPriority:
            try network.atKernel(cell) {
                let manager = try KernelPathManager()
                let known = try manager.endpoints().first { $0.address == kernelAddress }
                guard let known else { throw Failure(reason: "the kernel lost its endpoint") }
                try manager.setBackup(true, identifier: known.identifier)
            }
            try awaitOurs("priority_received")
        }
    }

    private func awaitOurs(_ event: String) throws {
        guard let ours else { return }
        try awaitUnannounced("our \(event)") { count(event, of: ours) > 0 }
    }

    private func awaitCounter(_ name: String, atLeast least: Int = 1) throws {
        try awaitUnannounced("the kernel's \(name)") {
            let now = (try? kernelCounters())?[name] ?? 0
            return now - (before[name] ?? 0) >= Int64(least)
        }
    }

    private func awaitUnannounced(_ what: String, for condition: () -> Bool) throws {
        let limit = MonotonicClock.now() + Self.limit
        while !condition() {
            if MonotonicClock.now() >= limit {
                throw Failure(reason: "waited in vain for \(what)")
            }
            try pause()
        }
    }

    // MARK: The end

    private func end() throws {
        guard let client, let server, let ours else { return }
        let kernels = kernelIsClient ? client : server
        let first: EndpointProcess
        switch cell.end {
        case .close, .halfClose: first = client
        case .ourAbort: first = ours
        case .kernelAbort: first = kernels
        }
        let second = first === client ? server : client
        first.command(isAbort ? .abort : .stop)
        try wait("the \(first.name) to end") { first.isAtEnd }
        try wait("the \(second.name) to end") { second.isAtEnd }
    }

    private var isAbort: Bool { cell.end == .ourAbort || cell.end == .kernelAbort }

    /// A connection that was aborted failed, at both ends; nothing else does.
    private func checkExits() throws {
        for process in [client, server].compactMap({ $0 })
        where process.wait() != .code(isAbort ? 1 : 0) {
            throw Failure(reason: process.story)
        }
    }

    private func wait(
        _ what: String, for condition: () -> Bool
    ) throws {
        let limit = MonotonicClock.now() + Self.limit
        while !condition() {
            for process in [client, server].compactMap({ $0 })
            where process.isAtEnd && process.summary == nil {
                _ = process.wait()
                throw Failure(reason: process.story)
            }
            guard MonotonicClock.now() < limit else {
                throw Failure(reason: "waited in vain for \(what)")
            }
            try turn(until: limit)
        }
    }

    /// Sleeps until something happens, and takes it in.
    private func turn(until deadline: Instant) throws {
        for ready in try poll.wait(until: deadline) {
            guard let process = Token(rawValue: ready.token) == .client ? client : server else {
                continue
            }
            _ = try process.readEvents()
            if process.isAtEnd { poll.remove(process.descriptor) }
        }
    }
}
