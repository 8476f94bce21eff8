import CongestionControl
import NetworkPrimitives
import TCP
import Testing
import WireFormat

/// Explicit congestion notification (RFC 3168, 6.1).
@Suite struct ECNBehaviour {
    private func established() -> Bench {
        var configuration = TCPConfiguration()
        configuration.ecn = .request
        configuration.offersTimestamps = false
        let bench = Bench(configuration)
        bench.expect([.syn, .ece, .cwr], 0)
        bench.advance(by: 100)
        bench.peerOptions = Bench.synOptions
        bench.receive([.syn, .ack, .ece], 0, ack: 1)
        bench.peerOptions = TCPOptions()
        bench.outbox = []
        return bench
    }

    @Test func negotiation() {
        #expect(established().tcp.usesECN)
        // The peer does not know it, or reflects the bits.
        for flags: TCPFlags in [[.syn, .ack], [.syn, .ack, .ece, .cwr]] {
            var configuration = TCPConfiguration()
            configuration.ecn = .request
            let bench = Bench(configuration)
            bench.receive(flags, 0, ack: 1)
            #expect(!bench.tcp.usesECN)
        }
    }

    /// A path that drops the asking SYN gets a plain one, and then no ECN.
    @Test func repeatedSYNDoesNotAsk() {
        var configuration = TCPConfiguration()
        configuration.ecn = .request
        let bench = Bench(configuration)
        bench.expect([.syn, .ece, .cwr], 0)
        bench.advance(by: 1_000)
        bench.expect(.syn, 0)
        bench.receive([.syn, .ack, .ece], 0, ack: 1)
        #expect(!bench.tcp.usesECN)
    }

    @Test(arguments: ECNPolicy.allCases)
    func answer(_ policy: ECNPolicy) {
        var configuration = TCPConfiguration()
        configuration.ecn = policy
        configuration.offersTimestamps = false
        let bench = Bench(
            configuration, answering: Bench.synOptions, answeringSYN: [.syn, .ece, .cwr])
        bench.expect(policy == .off ? [.syn, .ack] : [.syn, .ack, .ece], 0, ack: 1)
        let plain = Bench(configuration, answering: Bench.synOptions, answeringSYN: .syn)
        plain.expect([.syn, .ack], 0, ack: 1)
        #expect(!plain.tcp.usesECN)
    }

    /// New data is ECT(0); what is sent again, and ACKs, are not.
    @Test func marks() {
        let bench = established()
        bench.send(1_000)
        #expect(bench.expect(.ack, 1, ack: 1, 1_000)?.ecn == .ect0)
        bench.advance(by: 300)
        #expect(bench.expect(.ack, 1, ack: 1, 1_000)?.ecn == .notECT)
        bench.receive(.ack, 1, ack: 1_001, 1_000)
        #expect(bench.expect(.ack, 1_001, ack: 1_001)?.ecn == .notECT)
        // Nobody asked: nothing is marked.
        let plain = Bench.established()
        plain.send(1_000)
        #expect(plain.expect(.ack, 1, ack: 1, 1_000)?.ecn == .notECT)
    }

    /// Every ACK echoes until the peer says that it has reacted.
    @Test func echo() {
        let bench = established()
        bench.receive(.ack, 1, ack: 1, 1_000, ecn: .congestionExperienced)
        bench.expect([.ack, .ece], 1, ack: 1_001)
        bench.receive(.ack, 1_001, ack: 1, 1_000, ecn: .ect0)
        bench.expect([.ack, .ece], 1, ack: 2_001)
        bench.send(500)
        bench.expect([.ack, .ece], 1, ack: 2_001, 500)
        bench.receive([.ack, .cwr], 2_001, ack: 501, 1_000, ecn: .ect0)
        bench.expect(.ack, 501, ack: 3_001)
        #expect(bench.tcp.counters.congestionExperienced == 1)
    }

    /// One reduction per window, nothing sent again, CWR on the next new data, and no second
    /// reduction before the peer can have seen it.
    @Test func reaction() {
        let bench = established()
        bench.send(40_000)
        bench.outbox = []
        bench.advance(by: 100)
        for number in 1...10 {
            bench.receive([.ack, .ece], 1, ack: 1 + 1_000 * number)
        }
        #expect(bench.tcp.counters.congestionEchoes == 1)
        #expect(bench.tcp.congestion.slowStartThreshold == 7_000)
        #expect(bench.tcp.counters.retransmittedSegments == 0)
        #expect(bench.outbox.first?.sent.flags == [.ack, .cwr])
        #expect(bench.outbox.dropFirst().allSatisfy { $0.sent.flags == .ack })
        #expect(bench.outbox.allSatisfy { $0.segment.ecn == .ect0 })
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 12_001)
        #expect(bench.tcp.congestion.window >= 7_000)
        bench.receive([.ack, .ece], 1, ack: 13_001)
        #expect(bench.tcp.counters.congestionEchoes == 2)
    }

    /// A loss in the round trip of an echo is the same congestion.
    @Test func lossWithEchoReducesOnce() {
        let bench = established()
        bench.send(40_000)
        bench.advance(by: 100)
        bench.receive([.ack, .ece], 1, ack: 1_001)
        bench.receive([.ack, .ece], 1, ack: 1_001, sack: [2_001..<5_001])
        #expect(bench.tcp.congestion.slowStartThreshold == 7_000)
        #expect(bench.tcp.counters.fastRecoveries == 1)
    }
}
