import NetworkPrimitives
import Testing

@Suite("Sequence numbers")
struct SequenceNumberTests {
    @Test("order around the wrap")
    func wrap() {
        let last = SequenceNumber(.max)
        let first = SequenceNumber(0)
        #expect(last.precedes(first))
        #expect(!first.precedes(last))
        #expect(last + 1 == first)
        #expect(first - 1 == last)
        #expect(last.distance(to: first) == 1)
        #expect(first.distance(to: last) == -1)
        #expect(last.later(first) == first)
        #expect(first.later(last) == first)
        #expect(first.precedesOrEquals(first))
        #expect(!first.precedes(first))
    }

    @Test("half the circle apart, a number precedes neither way or one way, never both")
    func antipodes() {
        let number = SequenceNumber(5)
        let opposite = number + (1 << 31)
        #expect(!(number.precedes(opposite) && opposite.precedes(number)))
    }

    @Test(
        "steps and distances agree anywhere on the circle", arguments: 1...10 as ClosedRange<UInt64>
    )
    func steps(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1000 {
            let number = SequenceNumber(UInt32(truncatingIfNeeded: generator.next()))
            let step = Int(Int32(truncatingIfNeeded: generator.next()))
            let moved = number + step
            #expect(number.distance(to: moved) == step)
            #expect(moved - step == number)
            #expect(number.precedes(moved) == (step > 0))
            #expect(number.precedesOrEquals(moved) == (step >= 0))
            var sum = number
            sum += step
            #expect(sum == moved)
        }
    }
}

@Suite("Data sequence numbers")
struct DataSequenceNumberTests {
    @Test("order around the wrap")
    func wrap() {
        let last = DataSequenceNumber(.max)
        let first = DataSequenceNumber(0)
        #expect(last.precedes(first))
        #expect(!first.precedes(last))
        #expect(last + 1 == first)
        #expect(first - 1 == last)
        #expect(last.distance(to: first) == 1)
    }

    @Test("as ss prints it")
    func description() {
        #expect(DataSequenceNumber(0xab).description == "00000000000000ab")
        #expect(DataSequenceNumber(.max).description == "ffffffffffffffff")
    }

    @Test("the nearest number is found from its low half", arguments: 1...10 as ClosedRange<UInt64>)
    func expansion(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1000 {
            // References gather where the low half or the whole number wraps.
            let tops: [UInt64] = [0, 1, .max, generator.next()]
            let high = tops[Int(generator.next() % 4)] << 32
            let edges: [UInt64] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]
            let low = edges[Int(generator.next() % 5)]
            let reference = DataSequenceNumber(high | low)
            let step = Int(Int32(truncatingIfNeeded: generator.next()))
            let number = reference + step
            #expect(DataSequenceNumber(expanding: number.low32, near: reference) == number)
            #expect(reference.distance(to: number) == step)
            #expect(number - step == reference)
        }
    }
}

@Suite("Time and rates")
struct TimeAndRateTests {
    @Test("instants move by durations")
    func instants() {
        let start = Instant(nanoseconds: 1_000)
        #expect(start + .microseconds(2) == Instant(nanoseconds: 3_000))
        #expect(start - .microseconds(2) == Instant(nanoseconds: -1_000))
        #expect(start + .microseconds(2) - start == .microseconds(2))
        #expect(start - (start + .seconds(1)) == .seconds(-1))
        #expect(start < Instant.distantFuture)
        var moving = start
        moving += .nanoseconds(5)
        #expect(moving.nanoseconds == 1_005)
    }

    @Test("durations as numbers")
    func durations() {
        #expect(Duration.seconds(3).wholeNanoseconds == 3_000_000_000)
        #expect(Duration.milliseconds(-1).wholeNanoseconds == -1_000_000)
        #expect(
            Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999)
                .wholeNanoseconds == 1)
        #expect(Duration.microseconds(1500).milliseconds == 1.5)
        #expect(Duration.milliseconds(2500).seconds == 2.5)
    }

    @Test("time on the line is exact and rounded up")
    func serialisation() {
        #expect(BitRate(bitsPerSecond: 50_000_000).serialisationNanoseconds(bytes: 1514) == 242_240)
        #expect(BitRate(bitsPerSecond: 3).serialisationNanoseconds(bytes: 1) == 2_666_666_667)
        #expect(BitRate(bitsPerSecond: 8_000_000_000).serialisation(bytes: 9) == .nanoseconds(9))
        #expect(BitRate(bitsPerSecond: 1).serialisationNanoseconds(bytes: 0) == 0)
    }

    @Test("more octets take longer", arguments: 1...5 as ClosedRange<UInt64>)
    func monotone(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let rate = BitRate(bitsPerSecond: Int64(1 + generator.next() % 100_000_000_000))
            let bytes = Int(generator.next() % 70_000)
            let time = rate.serialisationNanoseconds(bytes: bytes)
            #expect(rate.serialisationNanoseconds(bytes: bytes + 1) >= time)
            // Rounded up by less than one nanosecond.
            let exact = Double(bytes) * 8e9 / Double(rate.bitsPerSecond)
            #expect(abs(Double(time) - exact) <= 1 + exact * 1e-12)
        }
    }
}
