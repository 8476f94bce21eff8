import CongestionControl
import NetworkPrimitives
import Testing
import WireFormat

@testable import TCP

/// What answers tail loss probes (RFC 8985, 7), and what reductions of the window say to the peer.
@Suite struct ProbeAnswers {
    private func established(ecn: Bool = false) -> Bench {
        guard ecn else { return Bench.established() }
        var configuration = TCPConfiguration()
        configuration.ecn = .request
        configuration.offersTimestamps = false
        let bench = Bench(configuration)
        bench.advance(by: 100)
        bench.peerOptions = Bench.synOptions
        bench.receive([.syn, .ack, .ece], 0, ack: 1)
        bench.peerOptions = TCPOptions()
        bench.outbox = []
        return bench
    }

    /// Three segments out at 100 ms; the probe leaves at 302 ms, and is answered at 402 ms.
    private func probed(ecn: Bool = false) -> Bench {
        let bench = established(ecn: ecn)
        bench.send(3_000)
        bench.outbox = []
        bench.advance(by: 202)
        bench.expect(.ack, 2_001, ack: 1, 1_000, at: 302)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 3_001)
        return bench
    }

    /// RFC 8985, 7.2: what the peer sends does not put the probe off.
    @Test func dataDoesNotPostponeProbe() {
        let bench = established()
        bench.send(3_000)
        bench.advance(by: 150)
        bench.receive(.ack, 1, ack: 1, 500)
        bench.outbox = []
        bench.advance(by: 60)
        bench.expect(.ack, 2_001, ack: 501, 1_000, at: 302)
    }

    enum Word: CaseIterable { case text, window, oldACK, bare }

    /// RFC 8985, 7.4.2: only a bare repetition of the ACK is the answer to a second copy.
    @Test(arguments: Word.allCases)
    func repetition(_ word: Word) {
        let bench = probed()
        switch word {
        case .text: bench.receive(.ack, 1, ack: 3_001, 100)
        case .window:
            bench.peerWindow -= 1_000
            bench.receive(.ack, 1, ack: 3_001)
        case .oldACK: bench.receive(.ack, 1, ack: 2_001)
        case .bare: bench.receive(.ack, 1, ack: 3_001)
        }
        bench.send(1_000)
        bench.advance(by: 100)
        bench.receive(.ack, word == .text ? 101 : 1, ack: 4_001)
        #expect(bench.tcp.congestion.isInSlowStart == (word == .bare))
    }

    /// RFC 3168, 6.1.2: CWR tells of a reduction for whatever reason.
    @Test func probeAnnouncesReduction() {
        let bench = probed(ecn: true)
        bench.send(1_000)
        bench.advance(by: 100)
        bench.outbox = []
        bench.receive(.ack, 1, ack: 4_001)
        #expect(!bench.tcp.congestion.isInSlowStart)
        bench.send(1_000)
        bench.expect([.ack, .cwr], 4_001, ack: 1, 1_000)
    }

    /// A loss that proves to be none brings back what it took, not what congestion took later.
    @Test(arguments: [true, false])
    func congestionIsNotUndone(byEcho: Bool) {
        let bench = established(ecn: true)
        bench.send(10_000)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<4_001])
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 10_001)
        #expect(bench.tcp.counters.fastRecoveries == 1)
        bench.send(4_000)
        if byEcho {
            bench.receive([.ack, .ece], 1, ack: 10_001)
            #expect(bench.tcp.counters.congestionEchoes == 1)
        } else {
            while bench.tcp.counters.lossProbes == 0 { bench.advance(by: 1) }
            bench.receive(.ack, 1, ack: 14_001)
            bench.send(1_000)
            bench.receive(.ack, 1, ack: 15_001)
        }
        let threshold = bench.tcp.congestion.slowStartThreshold
        #expect(threshold < 7_000)
        bench.receive(.ack, 1, ack: byEcho ? 10_001 : 15_001, sack: [1..<1_001])
        #expect(bench.tcp.counters.undoneReductions == 0)
        #expect(bench.tcp.congestion.slowStartThreshold == threshold)
    }

    /// RFC 3168, 6.1.6: a window probe is not marked and carries no CWR.
    @Test func windowProbe() {
        let bench = established(ecn: true)
        bench.peerWindow = 0
        bench.receive(.ack, 1, ack: 1)
        bench.outbox = []
        bench.tcp.ecn.isReductionAnnounced = true
        bench.send(500)
        bench.expectNothing()
        while bench.outbox.isEmpty { bench.advance(by: 10) }
        #expect(bench.expect(.ack, 1, ack: 1, 500)?.ecn == .notECT)
        #expect(bench.tcp.ecn.isReductionAnnounced)
    }
}
