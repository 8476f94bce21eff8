import CongestionControl
import NetworkPrimitives
import TCP
import Testing
import WireFormat

@Suite struct PacingBehaviour {
    private func paced() -> Bench {
        var configuration = TCPConfiguration()
        configuration.isPaced = true
        return Bench.established(configuration)
    }

    /// In slow start the window leaves in half a round trip, evenly.
    @Test func windowIsSpread() {
        let bench = paced()
        bench.send(20_000)
        #expect(bench.outbox.count == 1)
        bench.advance(by: 60)
        let times = bench.outbox.map(\.sent.time)
        #expect(times.count == 10)
        for (earlier, later) in zip(times, times.dropFirst()) {
            #expect((4...6).contains(later - earlier), "\(times)")
        }
        bench.expectNothing(more: 10, for: 30)
    }

    /// A probe for a lost tail does not wait its turn, and a lost segment is paced like others.
    @Test func retransmissionsArePaced() {
        let bench = paced()
        bench.send(10_000)
        bench.advance(by: 60)
        bench.outbox = []
        bench.advance(by: 60)
        bench.receive(.ack, 1, ack: 1, sack: [7_001..<10_001])
        #expect(bench.outbox.count == 1)
        bench.advance(by: 100)
        #expect(bench.outbox.count == 3)
        #expect(bench.tcp.counters.timeouts == 0)
    }
}

extension Bench {
    /// Nothing beyond what is in the outbox is sent within so many milliseconds.
    fileprivate func expectNothing(more count: Int, for milliseconds: Int) {
        advance(by: milliseconds)
        #expect(outbox.count == count)
    }
}
