import NetworkPrimitives
import TCP
import Testing
import WireFormat

/// New data that leaves in one piece, to be cut by whoever sends it.
@Suite struct SuperSegments {
    private func established() -> Bench {
        let bench = Bench.established()
        bench.superSegment = 60_000
        return bench
    }

    @Test func fillTheCongestionWindow() {
        let bench = established()
        let before = bench.tcp.counters.segmentsSent
        bench.send(12_500)
        bench.expect(.ack, 1, ack: 1, 10_000)
        bench.expectNothing()
        #expect(bench.tcp.counters.segmentsSent - before == 10)
    }

    @Test func endWithAShortPiece() {
        let bench = established()
        bench.send(4_300)
        bench.expect(.ack, 1, ack: 1, 4_300)
        bench.expectNothing()
    }

    @Test func keepToThePeersWindow() {
        let bench = established()
        bench.peerWindow = 3_400
        bench.receive(.ack, 1, ack: 1)
        bench.outbox = []
        bench.send(5_000)
        bench.expect(.ack, 1, ack: 1, 3_000)
        bench.expectNothing()
    }

    /// Each piece is a segment of its own from then on.
    @Test func onlyTheLostPieceIsSentAgain() {
        let bench = established()
        bench.send(10_000)
        bench.expect(.ack, 1, ack: 1, 10_000)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1_001, sack: [2_001..<10_001])
        bench.expect(.ack, 1_001, ack: 1, 1_000)
        bench.expectNothing()
        bench.receive(.ack, 1, ack: 10_001)
        bench.expectNothing(for: 10_000)
        #expect(bench.tcp.counters.retransmittedSegments == 1)
    }

    @Test func aTailLossProbeIsOneSegment() {
        let bench = established()
        bench.send(4_000)
        bench.expect(.ack, 1, ack: 1, 4_000)
        bench.advance(by: 250)
        bench.expect(.ack, 3_001, ack: 1, 1_000)
        bench.expectNothing()
    }
}
