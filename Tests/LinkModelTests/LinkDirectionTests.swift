import LinkModel
import NetworkPrimitives
import Testing

@Suite("Link direction: rate, queue and delay")
struct LinkDirectionTests {
    static let limits = [
        QueueLimit.packets(0), .packets(1), .packets(10), .bytes(0), .bytes(3_000), .bytes(20_000),
        .time(.zero), .time(.milliseconds(2)), .time(.milliseconds(50)),
    ]

    @Test("agrees with a naive link for any traffic", arguments: limits, [1, 2, 3] as [UInt64])
    func oracle(_ limit: QueueLimit, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let rate = Int64(100_000 + generator.next() % 50_000_000)
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: rate), oneWayDelay: .microseconds(10_123))
        profile.queue = limit
        var link = LinkDirection(profile: profile, generator: generator.split())
        var naive = NaiveLink(
            bitsPerSecond: rate, delay: profile.oneWayDelay, limit: limit)
        var now: Int64 = 0
        var dropped = 0
        var delivered = 0
        for _ in 0..<500 {
            // Bursts and pauses around the time of a frame; every tenth falls on a round number.
            let frame = 12_000 * 1_000_000_000 / rate
            now += generator.next() % 3 == 0 ? Int64(generator.next() % UInt64(3 * frame)) : 0
            if generator.next() % 10 == 0 { now = (now / 1_000_000 + 1) * 1_000_000 }
            if generator.next() % 100 == 0 {
                link.setUp(false)
                naive.cut()
                #expect(
                    link.offer(bytes: 100, now: Instant(nanoseconds: now)) == .drop(.down))
                link.setUp(true)
            }
            let bytes = 1 + Int(generator.next() % 1514)
            let verdict = link.offer(bytes: bytes, now: Instant(nanoseconds: now))
            if let expected = naive.offer(bytes: bytes, now: now) {
                #expect(verdict == .deliver(at: Instant(nanoseconds: expected)))
                delivered += bytes
            } else {
                #expect(verdict == .drop(.queueFull))
                dropped += 1
            }
        }
        #expect(link.statistics.queueDrops == dropped)
        #expect(link.statistics.deliveredBytes == delivered)
        #expect(link.statistics.offered == 500 + link.statistics.downDrops)
    }

    @Test("a new profile counts from the next frame on, and a falling delay reorders nothing")
    func change() {
        var link = LinkDirection(
            profile: LinkProfile(rate: nil, oneWayDelay: .milliseconds(100)),
            generator: SeededGenerator(seed: 1))
        func arrival(_ milliseconds: Int) -> Verdict {
            .deliver(at: .zero + .milliseconds(milliseconds))
        }
        #expect(link.offer(bytes: 100, now: .zero) == arrival(100))
        link.profile.oneWayDelay = .milliseconds(10)
        #expect(link.offer(bytes: 100, now: .zero + .milliseconds(20)) == arrival(100))
        #expect(link.offer(bytes: 100, now: .zero + .milliseconds(95)) == arrival(105))
        // 1000 octets at 8 Mbit/s.
        link.profile.rate = BitRate(bitsPerSecond: 8_000_000)
        #expect(link.offer(bytes: 1_000, now: .zero + .milliseconds(200)) == arrival(211))
        #expect(link.offer(bytes: 1_000, now: .zero + .milliseconds(200)) == arrival(212))
        link.profile.loss = .bernoulli(1)
        #expect(link.offer(bytes: 1_000, now: .zero + .milliseconds(300)) == .drop(.loss))
    }

    @Test("under load the line carries its rate, no more and no less")
    func throughput() {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 20_000_000), oneWayDelay: .milliseconds(30))
        profile.queue = .packets(100)
        var link = LinkDirection(profile: profile, generator: SeededGenerator(seed: 1))
        var last = Instant.zero
        for step in 0..<100_000 {
            // A frame of 606 microseconds every 100 microseconds.
            let now = Instant(nanoseconds: Int64(step) * 100_000)
            if case .deliver(let arrival) = link.offer(bytes: 1514, now: now) { last = arrival }
        }
        let busy = (last - .zero - profile.oneWayDelay).seconds
        let rate = Double(link.statistics.deliveredBytes) * 8 / busy
        #expect(abs(rate - 20_000_000) < 1_000)
        // The queue of 100 frames and the one on the line are what the load outlives.
        #expect(last - Instant(nanoseconds: 10_000_000_000) < .milliseconds(30 + 62))
    }

    @Test("an infinitely fast link has delay only")
    func noRate() {
        var profile = LinkProfile(rate: nil, oneWayDelay: .milliseconds(5))
        profile.queue = .packets(0)
        var link = LinkDirection(profile: profile, generator: SeededGenerator(seed: 1))
        for step in 0..<100 {
            let now = Instant(nanoseconds: Int64(step / 10))
            #expect(link.offer(bytes: 1500, now: now) == .deliver(at: now + .milliseconds(5)))
        }
    }

    @Test("a change of the profile counts for what is offered from then on")
    func profileChange() {
        let profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 8_000_000), oneWayDelay: .milliseconds(10))
        var link = LinkDirection(profile: profile, generator: SeededGenerator(seed: 1))
        #expect(
            link.offer(bytes: 1000, now: .zero) == .deliver(at: .zero + .milliseconds(11)))
        link.profile.rate = BitRate(bitsPerSecond: 800_000)
        link.profile.oneWayDelay = .milliseconds(1)
        // Behind the first frame in the queue: 1 ms, 10 ms on the line, 1 ms of way.
        #expect(
            link.offer(bytes: 1000, now: .zero) == .deliver(at: .zero + .milliseconds(12)))
        // A shorter way does not let a frame overtake those before it.
        link.profile.rate = nil
        link.profile.oneWayDelay = .zero
        #expect(
            link.offer(bytes: 1000, now: .zero) == .deliver(at: .zero + .milliseconds(12)))
    }

    @Test("a cut loses what is inside, and after it the link is as new")
    func cut() {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 1_000_000), oneWayDelay: .milliseconds(10))
        profile.queue = .packets(1_000)
        var link = LinkDirection(profile: profile, generator: SeededGenerator(seed: 1))
        // 100 frames of 10 ms each: the last arrival is a second away.
        for _ in 0..<100 { _ = link.offer(bytes: 1250, now: .zero) }
        let before = link.epoch
        let cut = Instant.zero + .milliseconds(50)
        link.setUp(false)
        #expect(!link.isUp)
        #expect(link.epoch != before)
        #expect(link.offer(bytes: 1250, now: cut) == .drop(.down))
        #expect(link.statistics.downDrops == 1)
        let epoch = link.epoch
        link.setUp(false)
        link.setUp(true)
        link.setUp(true)
        #expect(link.isUp)
        #expect(link.epoch == epoch)
        #expect(
            link.offer(bytes: 1250, now: cut) == .deliver(at: cut + .milliseconds(10 + 10)))
    }
}
