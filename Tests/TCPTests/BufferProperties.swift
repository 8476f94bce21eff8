import NetworkPrimitives
import Testing
import WireFormat

@testable import TCP

/// The buffers and the scoreboard against naive models, with random operations.
@Suite struct BufferProperties {
    /// What the octets of every stream are; they repeat after 64 KiB.
    private static let pattern = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

    private func bytes(_ range: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        while result.count < range.count {
            let start = (range.lowerBound + result.count) % Self.pattern.count
            let end = min(start + range.count - result.count, Self.pattern.count)
            result += Self.pattern[start..<end]
        }
        return result
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func ringAgainstArray(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var ring = ByteRing()
        var model: [UInt8] = []
        var start = 0
        for _ in 0..<400 {
            if Bool.random(using: &generator) {
                let length = Int.random(in: 0...3_000, using: &generator)
                let new = bytes(ring.end..<(ring.end + length))
                new.withUnsafeBytes { ring.append($0) }
                model += new
            } else {
                let offset = Int.random(in: 0...(ring.end + 10), using: &generator)
                ring.discard(upTo: offset)
                let target = min(max(offset, start), start + model.count)
                model.removeFirst(target - start)
                start = target
            }
            #expect(ring.start == start && ring.count == model.count, "seed \(seed)")
            guard ring.count > 0 else { continue }
            let low = Int.random(in: ring.start..<ring.end, using: &generator)
            let high = Int.random(in: low...ring.end, using: &generator)
            var copy = [UInt8](repeating: 0, count: high - low)
            copy.withUnsafeMutableBytes { ring.copy(low..<high, to: $0) }
            #expect(copy == Array(model[(low - start)..<(high - start)]), "seed \(seed)")
        }
    }

    /// What is lent is the same as what would be copied, and stays so when the buffer has forgotten it
    /// and uses its memory again.
    @Test func lentBytesStay() throws {
        var buffer = SendBuffer()
        // The first chunk is small, all others hold 64 KiB.
        bytes(0..<2_000).withUnsafeBytes { buffer.append($0) }
        bytes(2_000..<200_000).withUnsafeBytes { buffer.append($0) }
        func octets(_ lent: LentBytes) -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: lent.count) { room, count in
                lent.copy(to: UnsafeMutableRawBufferPointer(room))
                count = lent.count
            }
        }
        let ranges = [0..<1, 100..<1_900, 1_990..<30_000, 60_000..<125_320, 199_999..<200_000]
        let lent = try ranges.map { try #require(buffer.lend($0)) }
        #expect(lent.map(octets) == ranges.map(bytes))
        #expect(lent[1].second == nil && lent[2].second != nil)
        #expect(buffer.lend(1_000..<100_000) == nil)
        #expect(buffer.lend(5..<5) == nil && buffer.lend(150_000..<200_001) == nil)
        buffer.discard(upTo: 200_000)
        for _ in 0..<8 {
            [UInt8](repeating: 0xee, count: 100_000).withUnsafeBytes { buffer.append($0) }
            buffer.discard(upTo: buffer.end)
        }
        #expect(buffer.lend(0..<1) == nil)
        #expect(lent.map(octets) == ranges.map(bytes))
    }

    /// A stream that refers to the bytes of another, which goes on growing and forgetting, keeps its
    /// own; and a copy of a buffer is a value of its own.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func sendBuffersShareBytes(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var source = SendBuffer()
        var reader = SendBuffer()
        var model: [UInt8] = []
        for _ in 0..<300 {
            switch Int.random(in: 0..<5, using: &generator) {
            case 0, 1:
                let length = Int.random(in: 0...90_000, using: &generator)
                let new = bytes(source.end..<(source.end + length))
                new.withUnsafeBytes { source.append($0) }
                var other = source
                [UInt8](repeating: 0xee, count: 500).withUnsafeBytes { other.append($0) }
                #expect(other.end == source.end + 500)
            case 2:
                let low = Int.random(in: source.start...source.end, using: &generator)
                // Longer than a chunk; a longer one shows nothing else and takes its time.
                let high = Int.random(
                    in: low...min(source.end, low + 70_000), using: &generator)
                reader.append(low..<high, of: source)
                model += bytes(low..<high)
            case 3: source.discard(upTo: Int.random(in: 0...source.end, using: &generator))
            default: reader.discard(upTo: Int.random(in: 0...reader.end, using: &generator))
            }
            source.releaseIfEmpty()
            guard reader.count > 0 else { continue }
            let low = Int.random(in: reader.start..<reader.end, using: &generator)
            let high = Int.random(in: low...min(reader.end, low + 5_000), using: &generator)
            var copy = [UInt8](repeating: 0, count: high - low)
            copy.withUnsafeMutableBytes { reader.copy(low..<high, to: $0) }
            #expect(copy == Array(model[low..<high]), "seed \(seed)")
        }
    }

    /// The first copy of an octet wins; what is in order can be read, once.
    @Test(arguments: 0..<30 as Range<UInt64>)
    func reassemblyAgainstMap(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var buffer = ReassemblyBuffer()
        var held: [Int: UInt8] = [:]
        var end = 0
        var read = 0
        for step in 0..<300 {
            let offset = max(read - 50, 0) + Int.random(in: 0...4_000, using: &generator)
            let length = Int.random(in: 0...1_500, using: &generator)
            let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: length)
            let insertion = piece.withUnsafeBytes { buffer.insert($0, at: offset) }
            var new = 0
            for position in offset..<(offset + length) where position >= end {
                if held[position] == nil {
                    held[position] = piece[position - offset]
                    new += 1
                }
            }
            let before = end
            while held[end] != nil { end += 1 }
            #expect(insertion.newBytes == new, "seed \(seed)")
            #expect(insertion.advanced == end - before, "seed \(seed)")
            #expect(buffer.end == end, "seed \(seed)")
            #expect(buffer.outOfOrderCount == held.keys.count { $0 >= end }, "seed \(seed)")
            if Int.random(in: 0..<3, using: &generator) == 0 {
                var out = [UInt8](repeating: 0, count: Int.random(in: 0...3_000, using: &generator))
                let count = out.withUnsafeMutableBytes { buffer.read(into: $0) }
                #expect(
                    out[..<count].elementsEqual((read..<(read + count)).compactMap { held[$0] }))
                read += count
            }
        }
    }

    private func segments(_ queue: RetransmissionQueue) -> [SentSegment] {
        (0..<queue.count).map { queue[$0] }
    }

    /// What was sent, sacked, lost and acknowledged, segment by segment.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func scoreboardAgainstList(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var queue = RetransmissionQueue()
        let start = SequenceNumber(UInt32.max - 3_000)
        var una = start
        var next = start
        var sacked: Set<Int> = []
        var time: Int64 = 0
        for _ in 0..<300 {
            time += 1_000_000
            var outcome = RetransmissionQueue.Outcome()
            let flight = una.distance(to: next)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0...2:
                let length = Int.random(in: 1...1_000, using: &generator)
                queue.append(
                    SentSegment(
                        sequence: next, length: length, mapping: nil, sent: time))
                next += length
            case 3 where flight > 0:
                una += Int.random(in: 1...flight, using: &generator)
                queue.acknowledge(upTo: una, now: time, outcome: &outcome)
                sacked = sacked.filter { $0 >= start.distance(to: una) }
            case 4, 5:
                guard flight > 0 else { continue }
                let left = una + Int.random(in: 0..<flight, using: &generator)
                let right = left + Int.random(in: 1...2_000, using: &generator)
                for segment in segments(queue)
                where left.precedesOrEquals(segment.sequence)
                    && segment.end.precedesOrEquals(right)
                {
                    let from = start.distance(to: segment.sequence)
                    sacked.formUnion(from..<(from + segment.length))
                }
                queue.sack(left, right, now: time, outcome: &outcome)
            case 6:
                if let index = queue.firstLostIndex() {
                    queue.noteRetransmission(index, now: time)
                } else {
                    _ = queue.detectLoss(
                        now: time, reorderingWindow: Int64.random(in: 0...1, using: &generator))
                    if Int.random(in: 0..<8, using: &generator) == 0 {
                        // A sacked head means that the receiver reneged.
                        if segments(queue).first?.isSacked == true { sacked = [] }
                        queue.markLost(sentBefore: time - 3_000_000)
                    } else if Int.random(in: 0..<8, using: &generator) == 0 {
                        queue.forgetLosses()
                    }
                    let lost = segments(queue).firstIndex(where: \.isLost)
                    #expect(queue.firstLostIndex() == lost, "seed \(seed)")
                }
            default:
                guard queue.count > 0 else { continue }
                queue.split(
                    Int.random(in: 0..<queue.count, using: &generator),
                    at: Int.random(in: 1...500, using: &generator))
            }
            let problems = queue.invariantViolations(from: una, to: next, state: .established)
            #expect(problems.isEmpty, "seed \(seed): \(problems)")
            let counted = segments(queue).filter(\.isSacked).reduce(0) { $0 + $1.length }
            #expect(counted == sacked.count, "seed \(seed)")
        }
    }

    /// RFC 6298, 2 by hand, in floating point.
    @Test func roundTripEstimator() {
        var generator = SeededGenerator(seed: 4)
        var estimator = RTTEstimator(configuration: TCPConfiguration())
        #expect(estimator.timeout == 1_000_000_000)
        var smoothed = 0.0
        var variation = 0.0
        for number in 0..<200 {
            let sample = Int64.random(in: 1_000_000...900_000_000, using: &generator)
            estimator.addSample(sample, now: .zero)
            if number == 0 {
                (smoothed, variation) = (Double(sample), Double(sample) / 2)
            } else {
                variation = 0.75 * variation + 0.25 * abs(smoothed - Double(sample))
                smoothed = 0.875 * smoothed + 0.125 * Double(sample)
            }
            let expected = max(smoothed + max(1e6, 4 * variation), 200e6)
            #expect(abs(Double(estimator.timeout) - expected) < 1_000)
        }
        estimator.backOff()
        estimator.backOff()
        let doubled = estimator.timeout
        for _ in 0..<100 { estimator.backOff() }
        #expect(estimator.timeout == 120_000_000_000)
        estimator.resetBackoff()
        #expect(estimator.timeout * 4 == doubled)
    }

    @Test func timersAgainstDictionary() {
        var generator = SeededGenerator(seed: 9)
        var table = TimerTable()
        var model: [TCPTimer: Int64] = [:]
        for now in 0..<3_000 as Range<Int64> {
            let timer = TCPTimer.allCases.randomElement(using: &generator) ?? .persist
            if Bool.random(using: &generator) {
                let at = now + Int64.random(in: 0...50, using: &generator)
                table.arm(timer, at: Instant(nanoseconds: at))
                model[timer] = at
            } else {
                table.disarm(timer)
                model[timer] = nil
            }
            #expect(table.next == model.values.min() ?? .max)
            while let due = table.takeDue(now: Instant(nanoseconds: now)) {
                #expect((model[due] ?? .max) <= now)
                model[due] = nil
            }
            #expect(!model.values.contains { $0 <= now })
        }
    }
}
