import NetworkPrimitives
import Scenario

/// Two workload endpoints on a byte stream with a delay and a buffer, in virtual time.
final class StreamPair {
    var client: WorkloadEndpoint
    var server = WorkloadEndpoint.server()
    var delay: Duration
    /// Octets that fit into one direction at a time.
    var capacity: Int
    var chunk: Int
    private(set) var now = Instant.zero
    /// Octet of the server's incoming stream (preamble counted) to damage.
    var damaged: Int?
    private var toServer = Pipe()
    private var toClient = Pipe()
    /// No octet moves in this time.
    var stall: Range<Int64>?

    private struct Pipe {
        var inFlight: [(arrival: Instant, bytes: [UInt8])] = []
        var isFinished = false
        var finishDelivered = false
        var total = 0
        var bytes: Int { inFlight.reduce(0) { $0 + $1.bytes.count } }
    }

    init(
        _ workload: Workload, delay: Duration = .milliseconds(10), capacity: Int = 20_000,
        chunk: Int = 1_399
    ) {
        client = WorkloadEndpoint(client: workload)
        self.delay = delay
        self.capacity = capacity
        self.chunk = chunk
    }

    /// Runs until both are complete or `limit` has come; returns whether they are.
    func run(limit: Duration = .seconds(60), stopAt: Duration? = nil) -> Bool {
        client.started(now: now)
        server.started(now: now)
        var stop = stopAt.map { Instant.zero + $0 }
        while !(client.isComplete && server.isComplete) {
            if let time = stop, time <= now {
                client.stop(now: now)
                stop = nil
            }
            pump(&client, &toServer)
            pump(&server, &toClient)
            let times =
                [client.nextDeadline, server.nextDeadline, stop].compactMap { $0 }
                + (toServer.inFlight + toClient.inFlight).map(\.arrival)
                + finishTimes
            guard let next = times.min(), next <= .zero + limit else { return false }
            now = max(now, next)
            deliver(&toServer, &server, isServer: true)
            deliver(&toClient, &client, isServer: false)
            client.handleDeadline(now: now)
            server.handleDeadline(now: now)
            if client.mustAbort || server.mustAbort { return false }
        }
        return true
    }

    private var finishTimes: [Instant] {
        [toServer, toClient].contains { $0.isFinished && !$0.finishDelivered && $0.bytes == 0 }
            ? [now] : []
    }

    private func pump(_ endpoint: inout WorkloadEndpoint, _ pipe: inout Pipe) {
        var buffer = [UInt8](repeating: 0, count: chunk)
        while true {
            let count = buffer.withUnsafeMutableBytes { endpoint.nextWrite(into: $0) }
            let room = min(count, capacity - pipe.bytes)
            if room <= 0 { break }
            var arrival = now + delay
            if let stall, stall.contains(arrival.nanoseconds) {
                arrival = Instant(nanoseconds: stall.upperBound)
            }
            pipe.inFlight.append((arrival, Array(buffer[..<room])))
            endpoint.didWrite(room)
            if room < count { break }
        }
        if endpoint.wantsToFinishWriting {
            pipe.isFinished = true
            endpoint.didFinishWriting()
        }
    }

    private func deliver(
        _ pipe: inout Pipe, _ endpoint: inout WorkloadEndpoint, isServer: Bool
    ) {
        while let first = pipe.inFlight.first, first.arrival <= now {
            var bytes = pipe.inFlight.removeFirst().bytes
            if isServer, let damaged, (pipe.total..<(pipe.total + bytes.count)).contains(damaged) {
                bytes[damaged - pipe.total] ^= 0x10
            }
            pipe.total += bytes.count
            bytes.withUnsafeBytes { endpoint.received($0, now: now) }
        }
        if pipe.isFinished, pipe.bytes == 0, !pipe.finishDelivered {
            pipe.finishDelivered = true
            endpoint.peerFinished(now: now)
        }
    }
}
