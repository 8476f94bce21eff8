import NetworkPrimitives
import Testing
import WireFormat

@testable import TCP

/// How long the retransmission timeout stays backed off (RFC 6298, 5; Karn).
@Suite struct TimeoutBackoff {
    /// One segment of 500 octets that was sent again and again for three seconds.
    private func timedOut(hasTimestamps: Bool) -> Bench {
        var options = Bench.synOptions
        if hasTimestamps { options.timestamps = Timestamps(value: 1, echo: 0) }
        let bench = Bench.established(options: options)
        bench.send(500)
        bench.advance(by: 3_000)
        #expect(bench.tcp.counters.timeouts >= 2)
        return bench
    }

    /// The ACK of what was sent more than once says nothing about the round trip.
    @Test func staysUntilSample() {
        let bench = timedOut(hasTimestamps: false)
        let backedOff = bench.tcp.rtt.timeout
        #expect(backedOff >= 1_200_000_000)
        bench.receive(.ack, 1, ack: 501)
        #expect(bench.tcp.rtt.timeout == backedOff)
        // What was sent once does: a path that came back is not slow for long.
        bench.send(500)
        #expect(bench.tcp.timers[.retransmission] == bench.now + .nanoseconds(backedOff))
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1_001)
        #expect(bench.tcp.rtt.timeout < 400_000_000)
    }

    /// The echoed timestamp tells which transmission arrived.
    @Test func timestampIsSample() {
        let bench = timedOut(hasTimestamps: true)
        let last = bench.outbox.last?.sent.time ?? 0
        bench.advance(by: last + 350 - bench.milliseconds)
        bench.peerOptions.timestamps = Timestamps(value: 2, echo: UInt32(last))
        let minimum = bench.tcp.rtt.minimum
        bench.receive(.ack, 1, ack: 501)
        #expect(bench.tcp.rtt.latest == 350_000_000)
        #expect(bench.tcp.rtt.minimum == minimum)
        #expect(bench.tcp.rtt.timeout < 1_000_000_000)
    }
}
