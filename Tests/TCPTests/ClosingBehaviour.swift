import NetworkPrimitives
import TCP
import Testing
import WireFormat

/// Ends of a connection, and attacks on it.
@Suite struct ClosingBehaviour {
    @Test func activeClose() {
        let bench = Bench.established()
        bench.close()
        bench.expect([.fin, .ack], 1, ack: 1)
        #expect(bench.tcp.state == .finWait1)
        bench.receive(.ack, 1, ack: 2)
        #expect(bench.tcp.state == .finWait2)
        // Half-closed: the peer may go on.
        bench.receive(.ack, 1, ack: 2, 100)
        bench.expect(.ack, 2, ack: 101)
        bench.receive([.fin, .ack], 101, ack: 2)
        bench.expect(.ack, 2, ack: 102)
        #expect(bench.tcp.state == .timeWait)
        bench.advance(by: 59_000)
        // A repeated FIN is acknowledged and starts the time anew.
        bench.receive([.fin, .ack], 101, ack: 2)
        bench.expect(.ack, 2, ack: 102)
        bench.advance(by: 59_000)
        #expect(bench.tcp.state == .timeWait)
        // RFC 1337: no RST ends TIME-WAIT.
        bench.receive(.rst, 102)
        #expect(bench.tcp.state == .timeWait)
        bench.advance(by: 1_000)
        #expect(bench.tcp.state == .closed)
        #expect(bench.closeReason == .finished)
    }

    @Test func passiveClose() {
        let bench = Bench.established()
        bench.receive([.fin, .ack], 1, ack: 1)
        bench.expect(.ack, 1, ack: 2)
        #expect(bench.lastReception.receivedFIN)
        #expect(bench.tcp.state == .closeWait)
        bench.send(100)
        bench.expect(.ack, 1, ack: 2, 100)
        bench.close()
        bench.expect([.fin, .ack], 101, ack: 2)
        #expect(bench.tcp.state == .lastACK)
        bench.receive(.ack, 2, ack: 102)
        #expect(bench.closeReason == .finished)
    }

    @Test func simultaneousClose() {
        let bench = Bench.established()
        bench.close()
        bench.outbox = []
        bench.receive([.fin, .ack], 1, ack: 1)
        bench.expect(.ack, 2, ack: 2)
        #expect(bench.tcp.state == .closing)
        bench.receive(.ack, 2, ack: 2)
        #expect(bench.tcp.state == .timeWait)
    }

    /// FIN waits behind unsent data, and is retransmitted like data.
    @Test func finBehindData() {
        let bench = Bench.established()
        bench.peerWindow = 1_000
        bench.receive(.ack, 1, ack: 1)
        bench.send(2_000)
        bench.close()
        bench.expect(.ack, 1, ack: 1, 1_000)
        bench.expectNothing()
        bench.receive(.ack, 1, ack: 1_001)
        bench.expect(.ack, 1_001, ack: 1, 1_000)
        bench.expect([.fin, .ack], 2_001, ack: 1)
        bench.receive(.ack, 1, ack: 2_001)
        bench.outbox = []
        bench.advance(by: 1_000)
        bench.expect([.fin, .ack], 2_001, ack: 1)
    }

    /// A FIN that comes before the data it follows waits for it.
    @Test func finOutOfOrder() {
        let bench = Bench.established()
        bench.receive([.fin, .ack], 101, ack: 1, 100)
        #expect(bench.tcp.state == .established)
        bench.receive(.ack, 1, ack: 1, 100)
        #expect(bench.tcp.state == .closeWait)
        #expect(bench.lastReception.receivedBytes == 200)
    }

    // MARK: RFC 5961

    @Test func blindReset() {
        let bench = Bench.established()
        bench.receive(.rst, 500)
        bench.expect(.ack, 1, ack: 1)
        #expect(bench.tcp.state == .established)
        #expect(bench.tcp.counters.challengeACKs == 1)
        // No more than one challenge in half a second.
        bench.receive(.rst, 600)
        bench.expectNothing()
        bench.receive(.rst, 70_000_000)
        bench.expectNothing()
        bench.receive(.rst, 1)
        #expect(bench.closeReason == .reset)
    }

    @Test func blindSYN() {
        let bench = Bench.established()
        bench.receive(.syn, 300)
        bench.expect(.ack, 1, ack: 1)
        #expect(bench.tcp.state == .established)
    }

    @Test func blindData() {
        let bench = Bench.established()
        // An ACK of what was never sent, and one from long ago.
        bench.receive(.ack, 1, ack: 5_000, 100)
        #expect(!bench.lastReception.isAcceptable)
        bench.expect(.ack, 1, ack: 1)
        bench.advance(by: 600)
        bench.receive(.ack, 1, ack: -100_000, 100)
        #expect(!bench.lastReception.isAcceptable)
        bench.expect(.ack, 1, ack: 1)
        #expect(bench.tcp.receiveNext == Bench.peer + 1)
    }

    /// Out of the window: an ACK; without text at most one per least timeout, or two ends that
    /// disagree would answer each other for ever.
    @Test func outOfWindow() {
        let bench = Bench.established()
        bench.receive(.ack, 1_000_000, ack: 1, 10)
        bench.expect(.ack, 1, ack: 1)
        bench.receive(.ack, 1_000_000, ack: 1)
        bench.expect(.ack, 1, ack: 1)
        bench.receive(.ack, 1_000_000, ack: 1)
        bench.expectNothing(for: 200)
        bench.receive(.ack, 1_000_000, ack: 1)
        bench.expect(.ack, 1, ack: 1)
    }

    // MARK: RFC 7323

    private func withTimestamps() -> Bench {
        var options = Bench.synOptions
        options.timestamps = Timestamps(value: 1_000, echo: 0)
        let bench = Bench.established(options: options)
        bench.peerOptions.timestamps = Timestamps(value: 1_010, echo: 0)
        return bench
    }

    @Test func timestampsAreEchoed() {
        let bench = withTimestamps()
        bench.receive(.ack, 1, ack: 1, 100)
        let answer = bench.expect(.ack, 1, ack: 101)
        #expect(answer?.header.options.timestamps == Timestamps(value: 100, echo: 1_010))
        // A segment ahead of a gap does not change what is echoed (4.3).
        bench.peerOptions.timestamps?.value = 1_050
        bench.receive(.ack, 201, ack: 1, 100)
        #expect(bench.expect(.ack, 1, ack: 101)?.header.options.timestamps?.echo == 1_010)
    }

    @Test func wrappedSequenceNumbers() {
        let bench = withTimestamps()
        bench.receive(.ack, 1, ack: 1, 100)
        bench.outbox = []
        bench.peerOptions.timestamps?.value = 1_009
        bench.receive(.ack, 101, ack: 1, 100)
        #expect(bench.tcp.counters.pawsDrops == 1)
        bench.expect(.ack, 1, ack: 101)
        #expect(!bench.lastReception.isAcceptable)
        // After 24 days the remembered value means nothing.
        bench.advance(by: 25 * 86_400_000)
        bench.receive(.ack, 101, ack: 1, 100)
        #expect(bench.lastReception.isAcceptable)
    }

    /// A missing timestamp is tolerated, as in Linux.
    @Test func missingTimestamp() {
        let bench = withTimestamps()
        bench.peerOptions.timestamps = nil
        bench.receive(.ack, 1, ack: 1, 100)
        #expect(bench.lastReception.receivedBytes == 100)
    }

    /// RST in SYN-SENT acknowledges nothing that was not taken (RFC 9293, 3.10.7.3).
    @Test func refusedHandshake() {
        let bench = Bench()
        bench.outbox = []
        bench.tcp.abortHandshake()
        bench.poll()
        bench.expect(.rst, 1)
        #expect(bench.tcp.state == .closed)
    }
}
