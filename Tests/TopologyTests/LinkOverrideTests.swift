import LinkModel
import NetworkPrimitives
import Testing
import Topology

/// Fields of a path that an experiment sets in place of its testbed file.
@Suite struct LinkOverrideTests {
    private func topology(
        _ overrides: [(String, String)], testbed: String = "wifi-lte"
    ) throws -> Topology {
        let text = try #require(BuiltInTestbeds.text(named: testbed))
        return try Topology(
            parsing: text, file: testbed,
            overrides: overrides.map { try LinkOverride(key: $0.0, value: $0.1) })
    }

    @Test func aDelayStandsInPlaceOfTheRoundTrip() throws {
        let plain = try topology([])
        let changed = try topology([("lte.delay", "100ms"), ("wifi.rtt", "2ms")])
        #expect(changed.paths[1].up.oneWayDelay == .milliseconds(100))
        #expect(changed.paths[1].roundTripTime == .milliseconds(200))
        #expect(changed.paths[0].roundTripTime == .milliseconds(2))
        #expect(changed.paths[1].up.rate == plain.paths[1].up.rate)
        #expect(changed.server == plain.server)
    }

    @Test func oneDirectionLeavesTheOther() throws {
        let changed = try topology([("lte.up.rate", "5Mbit/s"), ("lte.down.delay", "50ms")])
        #expect(changed.paths[1].up.rate == BitRate(bitsPerSecond: 5_000_000))
        #expect(changed.paths[1].down.rate == BitRate(bitsPerSecond: 20_000_000))
        #expect(changed.paths[1].roundTripTime == .milliseconds(80))
        // What is for both takes the place of what was for one.
        let both = try topology([("lte.up.rate", "5Mbit/s"), ("lte.rate", "1Mbit/s")])
        #expect(both.paths[1].up.rate == BitRate(bitsPerSecond: 1_000_000))
    }

    /// A queue of one bandwidth-delay product follows the delay that counts.
    @Test func whatFollowsFromTheFileFollowsFromTheOverride() throws {
        let short = try topology([("lte.delay", "10ms")], testbed: "multimob")
        let long = try topology([("lte.delay", "100ms")], testbed: "multimob")
        #expect(short.paths[1].up.queue == .bytes(25_000))
        #expect(long.paths[1].up.queue == .bytes(250_000))
    }

    @Test func lossAndQueueAreWrittenAsInTheFile() throws {
        let changed = try topology([("lte.loss", "1%"), ("lte.queue", "20packets")])
        #expect(changed.paths[1].down.loss == .bernoulli(0.01))
        #expect(changed.paths[1].down.queue == .packets(20))
    }

    @Test func theRadioIsSetAsWell() throws {
        let changed = try topology([
            ("lte.promotion.delay", "260ms"), ("lte.promotion.tail", "10s"),
        ])
        #expect(
            changed.paths[1].promotion
                == RadioPromotion(delay: .milliseconds(260), tail: .seconds(10)))
        #expect(changed.paths[0].promotion == nil)
        #expect(changed.paths[1].up == (try topology([])).paths[1].up)
    }

    /// What one of them sets the other one sets, too.
    @Test(arguments: [
        ("lte.delay", "lte.rtt", true), ("lte.delay", "lte.up.delay", true),
        ("lte.up.delay", "lte.down.delay", false), ("lte.rate", "wifi.rate", false),
        ("lte.rate", "lte.rate", true), ("lte.delay", "lte.promotion.delay", false),
    ])
    func overlaps(first: String, second: String, expected: Bool) throws {
        let first = try LinkOverride(key: first, value: "1")
        let second = try LinkOverride(key: second, value: "1")
        #expect(first.isAboutTheSame(as: second) == expected)
        #expect(second.isAboutTheSame(as: first) == expected)
    }

    @Test(arguments: [
        ("lte.promotion", "260ms", "promotion.delay"),
        ("lte.promotion.dely", "260ms", "lte.promotion.delay"),
        ("lte.promotion.delay", "260ms", "promotion.tail"),
        ("lte.up.promotion", "1ms", "has no 'promotion'"),
        ("lte.dely", "1ms", "lte.delay"), ("lt.delay", "1ms", "lte"),
        ("lte.delay", "10parsecs", "unknown unit"), ("lte.delay", "10", "needs a unit"),
        ("lte.left.delay", "1ms", "up and down"), ("delay", "1ms", "PATH.FIELD"),
        ("lte.up.rtt", "1ms", "has no 'rtt'"), ("a.b.c.d", "1ms", "PATH.FIELD"),
    ])
    func whatIsWrongIsSaid(key: String, value: String, word: String) {
        let error = #expect(throws: TopologyError.self) { try topology([(key, value)]) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(word), "\(text)")
    }
}
