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
    private let pair: EndpointPair
    /// The namespace's counters stand for earlier conversations, too.
    private var before = KernelCounters(netstat: "")
    private var queueDropsBefore: UInt64 = 0

    /// How long anything that is waited for may take, retransmitted SYNs included.
    private static let limit = Duration.seconds(20)
    /// How often to look at what nobody announces.
    private static let pollInterval = Duration.milliseconds(5)

    init(_ cell: InteropCell, on network: InteropNetwork, port: UInt16) throws(SystemError) {
        self.cell = cell
        self.network = network
        self.port = port
        pair = try EndpointPair()
    }

    /// Everything both ends reported.
    var events: [EventRecord] { pair.events }

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
            defer { pair.terminate() }
            do {
                try startEndpoints()
                try endLosses()
                try awaitSubflows()
                try signal()
                try end()
                try awaitKernelSockets()
            } catch let failure as EndpointPair.Failure {
                reasons.append(failure.description)
            }
            pair.terminate()
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
        evidence.client = pair.client?.summary
        evidence.server = pair.server?.summary
        evidence.clientEvents = pair.client?.events ?? []
        evidence.serverEvents = pair.server?.events ?? []
        evidence.counters = counters
        return InteropJudgement(cell, evidence).complaints
    }

    // MARK: The kernel

    private var queuesDropped: Bool {
        (try? network.droppedByQueues()).map { $0 > queueDropsBefore } ?? false
    }

    private var kernelIsClient: Bool { cell.role == .server }
    private var ours: EndpointProcess? { kernelIsClient ? pair.server : pair.client }

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
        var left = (sockets: 0, connections: 0 as Int64)
        let isClosed = try look {
            left = try network.atKernel(cell) {
                (
                    try KernelSockets.unfinished(port: port),
                    try KernelCounters.current()[.established]
                )
            }
            return left == (0, 0)
        }
        if isClosed { return }
        throw EndpointPair.Failure(
            "\(left.sockets) kernel sockets and \(left.connections) connections did not end within "
                + "\(Self.limit)")
    }

    /// The kernel announces the end of a socket and its counters to nobody.
    private func look(for condition: () throws -> Bool) throws -> Bool {
        try pair.look(
            every: Self.pollInterval, until: MonotonicClock.now() + Self.limit, for: condition)
    }

    // MARK: Endpoints

    private func startEndpoints() throws {
        let arguments = InteropArguments(cell, network.addresses, port: port)
        try pair.connect(
            server: launch(arguments.server, isKernel: !kernelIsClient, in: network.server),
            client: launch(arguments.client, isKernel: kernelIsClient, in: network.client),
            within: Self.limit)
        try pair.wait("the server to accept", within: Self.limit) {
            pair.server?.event("accepted") != nil
        }
    }

    private func launch(
        _ arguments: [String], isKernel: Bool, in namespace: NetworkNamespace
    ) -> EndpointPair.Launch {
        let isWrapped = isKernel && cell.application == .mptcpize
        return EndpointPair.Launch(
            arguments: arguments, wrapper: isWrapped ? ["mptcpize", "run"] : [],
            namespace: namespace)
    }

    /// A SYN that was lost is repeated after a second, when nothing is lost any more: the transfer
    /// would be over before a third one.
    private func awaitSubflows() throws {
        try pair.wait("\(cell.subflows.rawValue) subflows", within: Self.limit) {
            ours.map { count("subflow_established", of: $0) >= cell.subflows.rawValue } ?? false
        }
    }

    private func count(_ name: String, of process: EndpointProcess) -> Int {
        process.events.count { $0.name == name }
    }

    /// What is said once and not repeated (REMOVE_ADDR, MP_PRIO, a reset) is said on paths that lose
    /// nothing, so that it can be judged; until here the handshakes and data had to do with losses.
    private func endLosses() throws {
        if cell.loss == .none { return }
        try pair.wait(until: MonotonicClock.now() + Self.lossyPeriod)
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
                guard let known else { throw EndpointPair.Failure("the kernel lost its endpoint") }
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
        if try !look(for: condition) {
            throw EndpointPair.Failure("waited in vain for \(what)")
        }
    }

    // MARK: The end

    private func end() throws {
        guard let client = pair.client, let server = pair.server, let ours else { return }
        let kernels = kernelIsClient ? client : server
        let first: EndpointProcess
        switch cell.end {
        case .close, .halfClose: first = client
        case .ourAbort: first = ours
        case .kernelAbort: first = kernels
        }
        let second = first === client ? server : client
        let isAbort = cell.end == .ourAbort || cell.end == .kernelAbort
        first.command(isAbort ? .abort : .stop)
        for process in [first, second] {
            try pair.wait("the \(process.name) to end", within: Self.limit) { process.isAtEnd }
        }
        // A connection that was aborted failed, at both ends; nothing else does.
        try pair.checkExits(isAbort ? 1 : 0)
    }
}
