import LinkModel
import NetworkPrimitives
import Testing

@Suite("A radio that sleeps")
struct RadioPromotionTests {
    private static let promotion = RadioPromotion(
        delay: .milliseconds(260), tail: .seconds(10))

    private static func at(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("wakes for a frame, stays awake behind it, and sleeps again")
    func states() {
        var radio = RadioState(Self.promotion)
        #expect(radio.pass(now: Self.at(0)) == Self.at(260))
        #expect(radio.pass(now: Self.at(100)) == Self.at(260))
        #expect(radio.pass(now: Self.at(260)) == Self.at(260))
        #expect(radio.pass(now: Self.at(300)) == Self.at(300))
        // The tail begins with the last frame.
        #expect(radio.pass(now: Self.at(10_299)) == Self.at(10_299))
        #expect(radio.pass(now: Self.at(20_298)) == Self.at(20_298))
        #expect(radio.pass(now: Self.at(30_298)) == Self.at(30_558))
        radio.sleep()
        #expect(radio.pass(now: Self.at(30_600)) == Self.at(30_860))
        // A frame that waits keeps it awake from when it can pass.
        #expect(radio.pass(now: Self.at(40_859)) == Self.at(40_859))
        #expect(radio.promotion == Self.promotion)
    }

    @Test("a tail shorter than the promotion still wakes")
    func shortTail() {
        var radio = RadioState(
            RadioPromotion(delay: .milliseconds(100), tail: .milliseconds(1)))
        #expect(radio.pass(now: Self.at(0)) == Self.at(100))
        #expect(radio.pass(now: Self.at(50)) == Self.at(100))
        #expect(radio.pass(now: Self.at(101)) == Self.at(201))
    }

    @Test("frames of both directions wait for it, in their order and with the line's time")
    func directions() {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 8_000_000), oneWayDelay: .milliseconds(30))
        profile.queue = .time(.milliseconds(2))
        var up = LinkDirection(profile: profile, generator: SeededGenerator(seed: 1))
        var down = LinkDirection(
            profile: LinkProfile(rate: nil, oneWayDelay: .milliseconds(5)),
            generator: SeededGenerator(seed: 1))
        var radio = RadioState(Self.promotion)
        func offer(_ link: inout LinkDirection, _ milliseconds: Int64) -> Verdict {
            let now = Self.at(milliseconds)
            return link.offer(bytes: 1_000, radioReady: radio.pass(now: now), now: now)
        }
        // 1000 octets take 1 ms.
        #expect(offer(&up, 0) == .deliver(at: Self.at(291)))
        #expect(offer(&down, 1) == .deliver(at: Self.at(265)))
        // Waiting for the radio is not waiting for the line: the limit is 2 ms of that.
        #expect(offer(&up, 2) == .deliver(at: Self.at(292)))
        #expect(offer(&up, 3) == .deliver(at: Self.at(293)))
        #expect(offer(&up, 4) == .drop(.queueFull))
        #expect(offer(&up, 300) == .deliver(at: Self.at(331)))
        #expect(offer(&down, 300) == .deliver(at: Self.at(305)))
    }
}
