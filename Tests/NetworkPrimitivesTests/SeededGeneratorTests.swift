import NetworkPrimitives
import Testing

@Suite("Seeded generator")
struct SeededGeneratorTests {
    @Test(
        "the published algorithm's numbers",
        arguments: [
            (
                0 as UInt64,
                [
                    0x99ec_5f36_cb75_f2b4, 0xbf6e_1f78_4956_452a, 0x1a5f_849d_4933_e6e0,
                    0x6aa5_94f1_262d_2d2c,
                ]
            ),
            (
                1 as UInt64,
                [
                    0xb3f2_af6d_0fc7_10c5, 0x853b_5596_4736_4cea, 0x92f8_9756_082a_4514,
                    0x642e_1c7b_c266_a3a7,
                ]
            ),
            (
                UInt64.max,
                [
                    0x8f55_20d5_2a7e_ad08, 0xc476_a018_caa1_802d, 0x81de_31c0_d260_469e,
                    0xbf65_8d7e_065f_3c2f,
                ]
            ),
        ])
    func knownNumbers(_ seed: UInt64, _ expected: [UInt64]) {
        var generator = SeededGenerator(seed: seed)
        #expect(expected.map { _ in generator.next() } == expected)
    }

    @Test("the same seed, the same numbers; another seed, others")
    func determinism() {
        var first = SeededGenerator(seed: 7)
        var second = SeededGenerator(seed: 7)
        var third = SeededGenerator(seed: 8)
        let numbers = (0..<100).map { _ in first.next() }
        #expect(numbers == (0..<100).map { _ in second.next() })
        #expect(numbers != (0..<100).map { _ in third.next() })
    }

    @Test("what a part draws does not move the others")
    func split() {
        var first = SeededGenerator(seed: 7)
        var second = SeededGenerator(seed: 7)
        var part = first.split()
        let silent = second.split()
        var copy = silent
        let drawn = (0..<10).map { _ in part.next() }
        #expect(first.next() == second.next())
        #expect(drawn == (0..<10).map { _ in copy.next() })
    }

    @Test("unit interval: within [0, 1), evenly spread")
    func unitInterval() {
        var generator = SeededGenerator(seed: 1)
        var buckets = [Int](repeating: 0, count: 10)
        for _ in 0..<100_000 {
            let value = generator.unitInterval()
            #expect(value >= 0 && value < 1)
            buckets[Int(value * 10)] += 1
        }
        // 10 000 each with a standard deviation of 95.
        for bucket in buckets { #expect((9_500...10_500).contains(bucket)) }
    }
}
