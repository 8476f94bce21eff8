internal import HostStack
internal import NetworkPrimitives
internal import Scenario

/// One end of a workload on a connection of our stack: moves octets between the two, in whichever
/// world the stack runs.
struct StackApplication {
    private(set) var endpoint: WorkloadEndpoint
    private(set) var handle: ConnectionHandle?
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(_ endpoint: WorkloadEndpoint) { self.endpoint = endpoint }

    /// The connection is there.
    mutating func start(on handle: ConnectionHandle, now: Instant) {
        self.handle = handle
        endpoint.started(now: now)
    }

    /// No new data are made.
    mutating func stop(now: Instant) { endpoint.stop(now: now) }

    /// The connection is over.
    mutating func end(_ reason: String) { endpoint.connectionLost(reason) }

    /// Reads and writes as much as the connection allows. After any event and when
    /// `endpoint.nextDeadline` is due.
    mutating func service(_ stack: HostStack, now: Instant) {
        guard let handle else { return }
        endpoint.handleDeadline(now: now)
        while true {
            let count = buffer.withUnsafeMutableBytes {
                stack.read(from: handle, into: $0, now: now)
            }
            if count == 0 { break }
            buffer.withUnsafeBytes {
                endpoint.received(UnsafeRawBufferPointer(rebasing: $0[..<count]), now: now)
            }
        }
        if stack.isAtEnd(handle) { endpoint.peerFinished(now: now) }
        while endpoint.wantsToWrite {
            let wanted = buffer.withUnsafeMutableBytes { endpoint.nextWrite(into: $0) }
            let taken = buffer.withUnsafeBytes {
                stack.write(
                    UnsafeRawBufferPointer(rebasing: $0[..<wanted]), to: handle, now: now)
            }
            endpoint.didWrite(taken)
            if taken < wanted || wanted == 0 { break }
        }
        if endpoint.wantsToFinishWriting {
            stack.finishWriting(handle, now: now)
            endpoint.didFinishWriting()
        }
        if endpoint.mustAbort { stack.abort(handle, now: now) }
    }
}
