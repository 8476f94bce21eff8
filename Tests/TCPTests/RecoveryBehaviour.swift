import CongestionControl
import NetworkPrimitives
import Testing
import WireFormat

@testable import TCP

/// RACK-TLP (RFC 8985), proportional rate reduction (RFC 9937) and what undoes a spurious recovery.
@Suite struct RecoveryBehaviour {
    /// Segments of 1000 octets, the first `count` of them out at 100 ms, round trip 100 ms.
    private func sending(_ count: Int) -> Bench {
        let bench = Bench.established()
        bench.send(1_000 * count)
        bench.outbox = []
        bench.advance(by: 100)
        return bench
    }

    /// Segments with timestamps, 988 octets each.
    private func sendingWithTimestamps(_ count: Int) -> Bench {
        var options = Bench.synOptions
        options.timestamps = Timestamps(value: 1, echo: 0)
        let bench = Bench.established(options: options)
        bench.send(988 * count)
        bench.outbox = []
        bench.advance(by: 100)
        bench.peerOptions.timestamps = Timestamps(value: 2, echo: 100)
        return bench
    }

    // MARK: RACK

    /// The answer to what recovery sends first takes a round trip from then on, and the timeout waits
    /// for it, however exact the samples were.
    @Test func firstRetransmissionRestartsTheTimeout() {
        let bench = Bench.established(roundTrip: 400)
        for round in 0..<20 {
            bench.send(1_000)
            bench.advance(by: 400)
            bench.receive(.ack, 1, ack: 1 + 1_000 * (round + 1))
        }
        bench.send(4_000)
        bench.advance(by: 400)
        bench.outbox = []
        bench.receive(.ack, 1, ack: 20_001, sack: [21_001..<24_001])
        bench.expect(.ack, 20_001, ack: 1, 1_000)
        bench.expectNothing(for: 399)
        #expect(bench.tcp.counters.timeouts == 0)
    }

    /// Without SACK the third duplicate counts, however small the segments are (RFC 5681, 3.2).
    @Test func thirdDuplicateOfSmallSegments() {
        var options = Bench.synOptions
        options.isSACKPermitted = false
        let bench = Bench.established(options: options)
        for _ in 0..<4 { bench.send(100) }
        bench.advance(by: 100)
        bench.outbox = []
        for _ in 0..<3 { bench.receive(.ack, 1, ack: 1) }
        bench.expect(.ack, 1, ack: 1, 100, at: 200)
    }

    /// A segment that was overtaken has a quarter of the least round trip to arrive.
    @Test func reorderingTimer() {
        let bench = sending(5)
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<2_001])
        bench.expectNothing(for: 24)
        bench.advance(by: 1)
        bench.expect(.ack, 1, ack: 1, 1_000, at: 225)
        bench.expectNothing()
    }

    /// What comes late but in time costs nothing, and from then on three later arrivals are no
    /// proof of a loss.
    @Test func reorderedSegmentsAreNotLost() {
        let bench = sending(5)
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<2_001])
        bench.advance(by: 10)
        bench.receive(.ack, 1, ack: 2_001)
        bench.receive(.ack, 1, ack: 5_001)
        bench.expectNothing(for: 500)
        bench.send(5_000)
        bench.outbox = []
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 5_001, sack: [6_001..<9_001])
        bench.expectNothing(for: 24)
        bench.advance(by: 2)
        bench.expect(.ack, 5_001, ack: 1, 1_000)
        #expect(bench.tcp.counters.fastRecoveries == 1)
    }

    /// RFC 8985, 6.2 step 4: a DSACK widens the window by a quarter of the least round trip.
    @Test func duplicatesWidenTheWindow() {
        let bench = sending(5)
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<2_001])
        bench.advance(by: 25)
        bench.expect(.ack, 1, ack: 1, 1_000)
        // The original arrives, then the copy.
        bench.receive(.ack, 1, ack: 2_001)
        bench.receive(.ack, 1, ack: 5_001, sack: [1..<1_001])
        bench.advance(by: 500)
        bench.expectNothing()
        bench.send(3_000)
        bench.outbox = []
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 5_001, sack: [6_001..<7_001])
        bench.expectNothing(for: 49)
        bench.advance(by: 2)
        bench.expect(.ack, 5_001, ack: 1, 1_000)
    }

    /// A lost retransmission is found by what was sent behind it, without a timeout.
    @Test func lostRetransmission() {
        let bench = Bench.established()
        bench.send(40_000)
        bench.outbox = []
        bench.advance(by: 100)
        for end in 4...10 { bench.receive(.ack, 1, ack: 1, sack: [1_001..<(1 + 1_000 * end)]) }
        #expect(bench.outbox.first?.sent.sequence == 1)
        let behind = bench.outbox.last?.sent.sequence ?? 0
        #expect(behind > 10_000, "new data follows the retransmission")
        bench.outbox = []
        bench.advance(by: 100)
        bench.receive(
            .ack, 1, ack: 1, sack: [behind..<(behind + 1_000), 1_001..<10_001])
        bench.expect(.ack, 1, ack: 1, 1_000, at: 300)
        #expect(bench.tcp.counters.timeouts == 0)
        #expect(bench.tcp.counters.fastRecoveries == 1)
    }

    /// RFC 8985, 6.3: after a timeout only what should have been acknowledged counts as lost.
    @Test func timeoutSparesRecentSegments() {
        let bench = Bench.established(roundTrip: 400)
        bench.send(1_000)
        bench.advance(by: 400)
        bench.receive(.ack, 1, ack: 1_001)
        bench.send(2_000)
        bench.outbox = []
        bench.tcp.requestProbe()
        // The probe of the tail, at two round trips, then new data just before the timeout.
        while bench.tcp.counters.lossProbes == 0 { bench.advance(by: 1) }
        let timeout = bench.tcp.timers[.retransmission] ?? .zero
        bench.advance(by: Int((timeout - bench.now).seconds * 1_000) - 10)
        bench.send(1_000)
        bench.outbox = []
        bench.advance(by: 20)
        #expect(bench.tcp.counters.timeouts == 1)
        bench.expect(.ack, 1_001, ack: 1, 1_000)
        bench.expectNothing()
        #expect(bench.tcp.queue.inFlight == 2_000)
    }

    // MARK: Tail loss probe

    /// The probe was not needed: a DSACK says so, and the window stays.
    @Test func unneededProbe() {
        let bench = sending(3)
        bench.advance(by: 110)
        bench.expect(.ack, 2_001, ack: 1, 1_000, at: 302)
        bench.receive(.ack, 1, ack: 3_001)
        bench.receive(.ack, 1, ack: 3_001, sack: [2_001..<3_001])
        bench.send(1_000)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 4_001)
        #expect(bench.tcp.congestion.window >= 10_000)
        #expect(bench.tcp.congestion.isInSlowStart)
    }

    /// The probe repaired a loss of which no SACK told: the window is reduced once.
    @Test func probeRepairsLoss() {
        let bench = sending(3)
        bench.advance(by: 110)
        bench.expect(.ack, 2_001, ack: 1, 1_000, at: 302)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 3_001)
        #expect(bench.tcp.congestion.isInSlowStart)
        bench.send(1_000)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 4_001)
        #expect(bench.tcp.congestion.window == 7_000)
        #expect(!bench.tcp.congestion.isInSlowStart)
    }

    // MARK: Proportional rate reduction

    /// Ten segments out, the first lost: the window shrinks to seven while ACKs come, never more
    /// than one segment leaves per ACK, and none of the pause that halving at once would bring.
    @Test func windowShrinksInProportion() {
        let bench = Bench.established()
        bench.send(40_000)
        bench.outbox = []
        bench.advance(by: 100)
        var perACK: [Int] = []
        for end in 2...10 {
            let before = bench.outbox.count
            bench.receive(.ack, 1, ack: 1, sack: [1_001..<(1 + 1_000 * end)])
            perACK.append(bench.outbox.count - before)
        }
        // Two of limited transmit, the fast retransmit, a pause of two, then one for each.
        #expect(perACK == [1, 1, 1, 0, 0, 1, 1, 1, 1])
        #expect(bench.tcp.pipe == 7_000)
        #expect(bench.tcp.congestion.slowStartThreshold == 7_000)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 12_001)
        #expect(bench.tcp.congestion.window == 7_000)
        #expect(bench.tcp.recovery.phase == .open)
    }

    /// Most of the flight is lost: below the threshold the pipe is filled by slow start's pace.
    @Test func heavyLossIsRepairedInSlowStart() {
        let bench = Bench.established()
        bench.send(10_000)
        bench.outbox = []
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1, sack: [7_001..<10_001])
        #expect(bench.outbox.map(\.sent.sequence) == [1, 1_001, 2_001])
        bench.outbox = []
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1_001, sack: [7_001..<10_001])
        #expect(bench.outbox.map(\.sent.sequence) == [3_001, 4_001])
        bench.receive(.ack, 1, ack: 2_001, sack: [7_001..<10_001])
        #expect(bench.outbox.map(\.sent.sequence) == [3_001, 4_001, 5_001, 6_001])
        #expect(bench.tcp.counters.timeouts == 0)
    }

    // MARK: Undoing

    /// RFC 3708: every retransmission was a duplicate.
    @Test func undoByDSACK() {
        let bench = sending(5)
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<4_001])
        bench.expect(.ack, 1, ack: 1, 1_000)
        bench.receive(.ack, 1, ack: 5_001)
        #expect(bench.tcp.congestion.window == 7_000)
        bench.receive(.ack, 1, ack: 5_001, sack: [1..<1_001])
        #expect(bench.tcp.congestion.window >= 10_000)
        #expect(bench.tcp.congestion.isInSlowStart)
        #expect(bench.tcp.counters.undoneReductions == 1)
    }

    /// One of two retransmissions was needed: nothing is undone.
    @Test func noUndoWhileOneWasNeeded() {
        let bench = sending(6)
        bench.receive(.ack, 1, ack: 1, sack: [2_001..<5_001])
        #expect(bench.outbox.map(\.sent.sequence).contains(1_001))
        bench.outbox = []
        bench.receive(.ack, 1, ack: 6_001, sack: [1..<1_001])
        bench.expectNothing(for: 1)
        #expect(bench.tcp.counters.undoneReductions == 0)
        #expect(bench.tcp.congestion.window == 7_000)
    }

    /// RFC 3522: the ACK echoes a timestamp older than the retransmission.
    @Test(arguments: [true, false])
    func undoByTimestamp(isSpurious: Bool) {
        let bench = sendingWithTimestamps(5)
        bench.receive(.ack, 1, ack: 1, sack: [989..<(1 + 4 * 988)])
        bench.expect(.ack, 1, ack: 1, 988, at: 200)
        #expect(bench.tcp.congestion.slowStartThreshold == 7 * 988)
        bench.advance(by: 10)
        bench.peerOptions.timestamps = Timestamps(value: 3, echo: isSpurious ? 100 : 200)
        bench.receive(.ack, 1, ack: 1 + 5 * 988)
        #expect(bench.tcp.counters.undoneReductions == (isSpurious ? 1 : 0))
        #expect(bench.tcp.congestion.isInSlowStart == isSpurious)
        if !isSpurious { #expect(bench.tcp.congestion.window == 7 * 988) }
    }

    /// A timeout that a delay spike caused: the first ACK says so and nothing more is repeated.
    @Test(arguments: [true, false])
    func spuriousTimeout(isSpurious: Bool) {
        let bench = sendingWithTimestamps(4)
        bench.advance(by: 403)
        bench.expect(.ack, 1 + 3 * 988, ack: 1, 988, at: 302)
        bench.expect(.ack, 1, ack: 1, 988, at: 602)
        bench.expectNothing()
        #expect(bench.tcp.congestion.window == 988)
        bench.peerOptions.timestamps = Timestamps(value: 3, echo: isSpurious ? 100 : 602)
        bench.receive(.ack, 1, ack: 989)
        if isSpurious {
            bench.expectNothing()
            #expect(bench.tcp.congestion.window == 10 * 988)
            #expect(bench.tcp.recovery.phase == .open)
        } else {
            bench.expect(.ack, 989, ack: 1, 988)
            #expect(bench.tcp.congestion.window == 2 * 988)
        }
        #expect(bench.tcp.counters.undoneReductions == (isSpurious ? 1 : 0))
    }

    // MARK: Without SACK

    /// RFC 9937, 7: a duplicate ACK stands for a segment, so that new data flows in recovery.
    @Test func reductionWithoutSACK() {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_000
        let bench = Bench.established(options: options)
        bench.send(40_000)
        bench.outbox = []
        bench.advance(by: 100)
        for _ in 2...10 { bench.receive(.ack, 1, ack: 1) }
        #expect(bench.outbox.filter { $0.sent.sequence == 1 }.count == 1)
        #expect(bench.outbox.filter { $0.sent.sequence > 1 }.count == 6)
        #expect(bench.tcp.pipe == 7_000)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 12_001)
        #expect(bench.tcp.congestion.window == 7_000)
    }
}
