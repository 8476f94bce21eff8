import NetworkPrimitives
import Testing
import WireFormat

@testable import TCP

/// The scoreboard of a long queue: what an ACK costs, and what it finds.
@Suite struct ScoreboardScale {
    private static let start = SequenceNumber(UInt32.max - 3_000)

    private func queue(_ count: Int, _ length: Int = 100) -> RetransmissionQueue {
        var queue = RetransmissionQueue()
        for index in 0..<count {
            queue.append(
                SentSegment(
                    sequence: Self.start + index * length, length: length, mapping: nil,
                    sent: Int64(index)))
        }
        return queue
    }

    /// The first segment is lost and each of the others is sacked by an ACK of its own: the block grows,
    /// and nobody walks it again from its start.
    @Test func growingBlock() {
        let count = 10_000
        var queue = queue(count)
        let began = ContinuousClock.now
        for index in 1..<count {
            var outcome = RetransmissionQueue.Outcome()
            queue.sack(
                Self.start + 100, Self.start + (index + 1) * 100, now: 1_000_000,
                outcome: &outcome)
            #expect(outcome.delivered == 100)
            _ = queue.detectLoss(now: 1_000_000, reorderingWindow: 0)
        }
        #expect(queue.sackedCount == count - 1 && queue.lostCount == 1)
        #expect(ContinuousClock.now - began < .seconds(8))
    }

    /// Every other segment is sacked, then all of them in one block: the runs become one.
    @Test func manyRuns() {
        let count = 10_000
        var queue = queue(count)
        let began = ContinuousClock.now
        var outcome = RetransmissionQueue.Outcome()
        for index in stride(from: 1, to: count, by: 2) {
            let left = Self.start + index * 100
            queue.sack(left, left + 100, now: 1_000_000, outcome: &outcome)
        }
        for _ in 0..<count {
            queue.sack(
                Self.start + 100, Self.start + count * 100, now: 1_000_000, outcome: &outcome)
        }
        #expect(queue.sackedCount == count - 1)
        #expect(ContinuousClock.now - began < .seconds(8))
    }

    /// What RACK finds is what a look at every segment finds.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func losses(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var queue = RetransmissionQueue()
        var una = Self.start
        var next = Self.start
        var time: Int64 = 0
        for _ in 0..<200 {
            time += Int64.random(in: 0...3, using: &generator)
            var outcome = RetransmissionQueue.Outcome()
            let flight = una.distance(to: next)
            switch Int.random(in: 0..<9, using: &generator) {
            case 0...2:
                let length = Int.random(in: 1...1_000, using: &generator)
                queue.append(SentSegment(sequence: next, length: length, mapping: nil, sent: time))
                next += length
            case 3 where flight > 0:
                una += Int.random(in: 1...flight, using: &generator) / 3
                queue.acknowledge(upTo: una, now: time, outcome: &outcome)
            case 4 where flight > 0:
                let left = una + Int.random(in: 0..<flight, using: &generator)
                queue.sack(
                    left, left + Int.random(in: 1...3_000, using: &generator), now: time,
                    outcome: &outcome)
            case 5:
                if let index = queue.firstLostIndex() {
                    queue.noteRetransmission(index, now: time)
                } else if let index = queue.lastUnsackedIndex {
                    queue.noteRetransmission(index, now: time)
                }
            case 6:
                if Bool.random(using: &generator) {
                    queue.markLost(sentBefore: time - 20)
                } else {
                    queue.forgetLosses()
                }
            case 7 where queue.count > 0:
                queue.split(
                    Int.random(in: 0..<queue.count, using: &generator),
                    at: Int.random(in: 1...500, using: &generator))
            default:
                let window = Int64.random(in: 0...6, using: &generator)
                var expected = (0..<queue.count).map { queue[$0].isLost }
                var timeout: Int64?
                for index in expected.indices where queue.rack.hasEvidence {
                    let segment = queue[index]
                    guard segment.isInFlight, queue.rack.wasOvertaken(segment) else { continue }
                    let left = segment.lastSent + queue.rack.roundTrip + window - time
                    if left <= 0 {
                        expected[index] = true
                    } else {
                        timeout = max(timeout ?? 0, left)
                    }
                }
                #expect(
                    queue.detectLoss(now: time, reorderingWindow: window) == timeout,
                    "seed \(seed)")
                #expect((0..<queue.count).map { queue[$0].isLost } == expected, "seed \(seed)")
            }
            let problems = queue.invariantViolations(from: una, to: next, state: .established)
            #expect(problems.isEmpty, "seed \(seed): \(problems)")
        }
    }

    /// Blocks stand newest first in the option; what they bring is taken in the order of the numbers,
    /// or one lost ACK would look like reordering.
    @Test func blocksAreNoReordering() {
        let bench = Bench.established()
        bench.send(10_000)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1, sack: [6_001..<7_001, 3_001..<4_001])
        #expect(bench.tcp.queue.sackedCount == 2)
        #expect(!bench.tcp.queue.rack.sawReordering)
        bench.receive(.ack, 1, ack: 1, sack: [4_001..<5_001, 6_001..<7_001, 3_001..<4_001])
        #expect(bench.tcp.queue.rack.sawReordering)
    }
}
