internal import LinuxSystem
internal import NetworkPrimitives
internal import Scenario

/// One kernel socket and the workload on it.
final class KernelConnection {
    enum State: Hashable {
        case connecting
        case established
        case closed
    }

    let socket: KernelMPTCPSocket
    let peer: Endpoint?
    let number: Int
    private(set) var endpoint: WorkloadEndpoint
    private(set) var state: State
    /// Taken when the connection is established and when it ends: afterwards the kernel knows
    /// nothing any more.
    private(set) var wasMPTCP = false
    private(set) var information: MPTCPInformation?
    private var isReadFinished = false
    /// The kernel took less than it was given.
    private var isBlocked = false
    private var announcedWorkload = false

    /// Octets that are read or written at one go, so that no connection starves the others.
    private static let quantum = 1 << 20

    /// A connection attempt.
    init(connecting socket: KernelMPTCPSocket, to peer: Endpoint, number: Int, workload: Workload) {
        self.socket = socket
        self.peer = peer
        self.number = number
        endpoint = WorkloadEndpoint(client: workload)
        state = .connecting
    }

    /// A connection that was accepted.
    init(accepted socket: KernelMPTCPSocket, from peer: Endpoint?, number: Int, now: Instant) {
        self.socket = socket
        self.peer = peer
        self.number = number
        endpoint = .server()
        state = .established
        wasMPTCP = socket.isMPTCP
        endpoint.started(now: now)
    }

    /// What to wait for.
    var interest: (readable: Bool, writable: Bool) {
        switch state {
        case .connecting: (false, true)
        case .established: (!isReadFinished, isBlocked && endpoint.wantsToWrite)
        case .closed: (false, false)
        }
    }

    var nextDeadline: Instant? { state == .established ? endpoint.nextDeadline : nil }

    /// The socket is ready for something, or `nextDeadline` has come.
    func service(buffer: UnsafeMutableRawBufferPointer, now: Instant) {
        if state == .connecting { finishConnecting(now: now) }
        guard state == .established else { return }
        do throws(SystemError) {
            try read(buffer, now: now)
            endpoint.handleDeadline(now: now)
            try write(buffer)
        } catch {
            lose(error.description)
        }
        if endpoint.mustAbort { lose("the workload failed") }
        if endpoint.isComplete { close() }
    }

    func stop(buffer: UnsafeMutableRawBufferPointer, now: Instant) {
        if state == .connecting { return lose("stopped before it was connected") }
        endpoint.stop(now: now)
        service(buffer: buffer, now: now)
    }

    /// Ends it without waiting for anything.
    func lose(_ reason: String) {
        if state == .closed { return }
        endpoint.connectionLost(reason)
        socket.abortOnClose()
        close()
    }

    /// The fields of `workload-started`, once.
    func takesWorkloadNews() -> [JSONValue.Member]? {
        guard !announcedWorkload, let fields = endpoint.startedFields else { return nil }
        announcedWorkload = true
        return fields
    }

    private func finishConnecting(now: Instant) {
        if let error = socket.pendingError { return lose(error.description) }
        state = .established
        wasMPTCP = socket.isMPTCP
        endpoint.started(now: now)
    }

    private func close() {
        if state == .established {
            information = socket.information
            // A fallback in the middle counts: it is no longer MPTCP.
            if endpoint.failure == nil { wasMPTCP = wasMPTCP && socket.isMPTCP }
        }
        state = .closed
    }

    private func read(
        _ buffer: UnsafeMutableRawBufferPointer, now: Instant
    ) throws(SystemError) {
        var taken = 0
        while !isReadFinished, taken < Self.quantum {
            switch try socket.read(into: buffer) {
            case .bytes(let count):
                taken += count
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                endpoint.received(bytes, now: now)
            case .nothingNow: return
            case .end:
                isReadFinished = true
                endpoint.peerFinished(now: now)
            }
        }
    }

    private func write(_ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) {
        isBlocked = false
        var given = 0
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Self.writeSize))
        while endpoint.wantsToWrite {
            if given >= Self.quantum {
                // More would go: come back at once.
                isBlocked = true
                return
            }
            let count = endpoint.nextWrite(into: room)
            let written = try socket.write(UnsafeRawBufferPointer(rebasing: room[..<count]))
            endpoint.didWrite(written)
            given += written
            if written < count {
                isBlocked = true
                return
            }
        }
        if endpoint.wantsToFinishWriting {
            try socket.finishWriting()
            endpoint.didFinishWriting()
        }
    }

    private static let writeSize = 65_536
}
