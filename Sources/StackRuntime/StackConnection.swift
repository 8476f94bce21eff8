internal import HostStack
internal import MPTCP
internal import NetworkPrimitives
internal import Scenario

/// One connection of our stack and the workload on it; the twin of `KernelConnection`.
final class StackConnection {
    enum State: Hashable {
        case connecting
        case established
        /// The workload is over; the connection closes its subflows.
        case closing
        case closed
    }

    let handle: ConnectionHandle
    let number: Int
    private(set) var peer: Endpoint?
    private(set) var local: Endpoint?
    private(set) var endpoint: WorkloadEndpoint
    private(set) var state: State
    /// The deadline that stands in the runner's table.
    var scheduled: Instant?
    /// What the stack last said about it: afterwards it knows nothing any more.
    private(set) var information: ConnectionInformation?
    private var isReadFinished = false
    private var announcedWorkload = false
    private var hasStarted = false

    private static let quantum = 1 << 20
    private static let writeSize = 65_536

    /// A connection attempt.
    init(connecting handle: ConnectionHandle, to peer: Endpoint, number: Int, workload: Workload) {
        self.handle = handle
        self.peer = peer
        self.number = number
        endpoint = WorkloadEndpoint(client: workload)
        state = .connecting
    }

    /// A connection that was accepted.
    init(accepted handle: ConnectionHandle, number: Int, stack: HostStack, now: Instant) {
        self.handle = handle
        self.number = number
        endpoint = .server()
        state = .established
        learn(stack)
        endpoint.started(now: now)
    }

    var nextDeadline: Instant? { state == .established ? endpoint.nextDeadline : nil }

    /// Whether it is MPTCP and not plain TCP, as far as is known.
    var isMPTCP: Bool { information.map { !$0.isFallback } ?? false }

    func established(_ stack: HostStack, now: Instant) {
        guard state == .connecting else { return }
        state = .established
        learn(stack)
        if !hasStarted { endpoint.started(now: now) }
    }

    /// Gives the stack what there is to send before the connection is established: the SYN may take
    /// it (TCP Fast Open).
    func writeEarly(_ stack: HostStack, now: Instant) {
        hasStarted = true
        endpoint.started(now: now)
        _ = write(stack, now: now)
    }

    /// Notes what the stack knows.
    func learn(_ stack: HostStack) {
        guard let information = stack.information(handle) else { return }
        if let first = information.subflows.first, self.information == nil {
            local = first.tuple.local
            peer = first.tuple.remote
        }
        // Subflows that are gone take their counters with them: what was last seen of each stays.
        let gone = (self.information?.subflows ?? []).filter { earlier in
            !information.subflows.contains { $0.id == earlier.id }
        }
        self.information = information
        self.information?.subflows = (gone + information.subflows).sorted { $0.id < $1.id }
    }

    /// Something can be read or written, or `nextDeadline` has come. Returns whether more is to be
    /// done at once: other connections have their turn first.
    func service(
        _ stack: HostStack, now: Instant
    ) -> Bool {
        guard state == .established else { return false }
        var goesOn = read(stack, now: now)
        endpoint.handleDeadline(now: now)
        if write(stack, now: now) { goesOn = true }
        if endpoint.mustAbort {
            learn(stack)
            stack.abort(handle, now: now)
            state = .closing
        } else if endpoint.isComplete {
            learn(stack)
            state = .closing
        }
        return goesOn && state == .established
    }

    func stop(_ stack: HostStack, now: Instant) {
        if state == .connecting {
            lose("stopped before it was connected", stack, now: now)
        } else {
            endpoint.stop(now: now)
        }
    }

    /// Ends it without waiting for anything.
    func lose(_ reason: String, _ stack: HostStack, now: Instant) {
        guard state != .closed else { return }
        endpoint.connectionLost(reason)
        learn(stack)
        stack.abort(handle, now: now)
        state = .closing
    }

    /// The stack says that it is over.
    func closed(_ reason: CloseReason, _ stack: HostStack, now: Instant) {
        learn(stack)
        if reason != .finished {
            let text =
                state == .connecting && reason == .refused
                ? "connect: Connection refused" : reason.rawValue
            endpoint.connectionLost(text)
        } else if !endpoint.isComplete {
            endpoint.connectionLost("closed before the workload was over")
        }
        state = .closed
    }

    /// The fields of `workload-started`, once.
    func takesWorkloadNews() -> [JSONValue.Member]? {
        guard !announcedWorkload, let fields = endpoint.startedFields else { return nil }
        announcedWorkload = true
        return fields
    }

    private func read(_ stack: HostStack, now: Instant) -> Bool {
        let taken = stack.read(from: handle, upTo: Self.quantum, now: now) {
            endpoint.received($0, now: now)
        }
        if !isReadFinished, stack.isAtEnd(handle) {
            isReadFinished = true
            endpoint.peerFinished(now: now)
        }
        return taken >= Self.quantum
    }

    private func write(_ stack: HostStack, now: Instant) -> Bool {
        var given = 0
        while endpoint.wantsToWrite {
            if given >= Self.quantum { return true }
            let written = stack.write(to: handle, upTo: Self.writeSize, now: now) {
                endpoint.nextWrite(into: $0)
            }
            // The stack tells when there is room again.
            if written == 0 { return false }
            endpoint.didWrite(written)
            given += written
        }
        if endpoint.wantsToFinishWriting {
            stack.finishWriting(handle, now: now)
            endpoint.didFinishWriting()
        }
        return false
    }
}
