import LinkModel
import NetworkPrimitives
import Testing

@Suite("Link direction: chance")
struct LinkChanceTests {
    private static let count = 100_000

    /// The verdicts on evenly spaced frames of 1000 octets.
    private func verdicts(
        _ profile: LinkProfile, seed: UInt64, count: Int = Self.count
    ) -> [Verdict] {
        var link = LinkDirection(profile: profile, generator: SeededGenerator(seed: seed))
        return (0..<count).map { step in
            link.offer(bytes: 1000, now: Instant(nanoseconds: Int64(step) * 10_000))
        }
    }

    private func lossy(_ model: LossModel) -> LinkProfile {
        var profile = LinkProfile(rate: nil, oneWayDelay: .milliseconds(10))
        profile.loss = model
        return profile
    }

    private func isLoss(_ verdict: Verdict) -> Bool { verdict == .drop(.loss) }

    @Test("the same seed, the same fate", arguments: [1, 2] as [UInt64])
    func determinism(seed: UInt64) {
        var profile = lossy(.bernoulli(0.1))
        profile.jitter = .milliseconds(2)
        profile.duplication = 0.1
        profile.corruption = 0.1
        let first = verdicts(profile, seed: seed, count: 1_000)
        #expect(first == verdicts(profile, seed: seed, count: 1_000))
        #expect(first != verdicts(profile, seed: seed + 1, count: 1_000))
    }

    @Test("independent losses come at their rate", arguments: [0.0, 0.001, 0.05, 0.5, 1.0])
    func bernoulli(_ probability: Double) {
        let losses = verdicts(lossy(.bernoulli(probability)), seed: 1).count(where: isLoss)
        let expected = probability * Double(Self.count)
        // Five standard deviations.
        let slack = 5 * (expected * (1 - probability)).squareRoot()
        #expect(abs(Double(losses) - expected) <= slack)
    }

    @Test("Gilbert-Elliott: the rate and the length of bursts")
    func gilbertElliott() {
        let (toBad, toGood) = (0.01, 0.2)
        let lost = verdicts(
            lossy(
                .gilbertElliott(
                    goodToBad: toBad, badToGood: toGood, lossInGood: 0, lossInBad: 1)),
            seed: 3
        ).map(isLoss)
        let losses = lost.count(where: { $0 })
        let bursts = zip(lost, [false] + lost).count { $0.0 && !$0.1 }
        // The stationary share of the bad state, and a geometric stay of 1 / badToGood in it.
        let share = toBad / (toBad + toGood)
        #expect(abs(Double(losses) / Double(Self.count) - share) < 0.1 * share)
        #expect(abs(Double(losses) / Double(bursts) - 1 / toGood) < 0.1 / toGood)
    }

    @Test("Gilbert-Elliott: each state loses at its own rate")
    func gilbertElliottStates() {
        let always = lossy(
            .gilbertElliott(goodToBad: 0, badToGood: 0, lossInGood: 0.25, lossInBad: 1))
        let losses = verdicts(always, seed: 4).count(where: isLoss)
        #expect(abs(losses - Self.count / 4) < 700)
        let alternating = lossy(
            .gilbertElliott(goodToBad: 1, badToGood: 1, lossInGood: 0, lossInBad: 1))
        let fates = verdicts(alternating, seed: 4, count: 10).map(isLoss)
        #expect(fates == (0..<10).map { $0 % 2 == 0 })
    }

    @Test("what is lost has used the line")
    func lossUsesTheLine() {
        var profile = lossy(.bernoulli(1))
        profile.rate = BitRate(bitsPerSecond: 8_000_000)
        var link = LinkDirection(profile: profile, generator: SeededGenerator(seed: 1))
        #expect(link.offer(bytes: 1000, now: .zero) == .drop(.loss))
        link.profile.loss = .none
        #expect(
            link.offer(bytes: 1000, now: .zero) == .deliver(at: .zero + .milliseconds(2 + 10)))
        #expect(link.statistics.losses == 1)
        #expect(link.statistics.deliveredBytes == 1000)
    }

    @Test("jitter stays in its bounds and, by default, in order")
    func jitter() {
        var profile = LinkProfile(rate: nil, oneWayDelay: .milliseconds(10))
        profile.jitter = .milliseconds(3)
        var last = Instant.zero
        for (step, verdict) in verdicts(profile, seed: 5).enumerated() {
            guard case .deliver(let arrival) = verdict else {
                Issue.record("frame \(step): \(verdict)")
                return
            }
            #expect(arrival >= last)
            last = arrival
            let delay = arrival - Instant(nanoseconds: Int64(step) * 10_000)
            #expect(delay >= .milliseconds(7) && delay <= .milliseconds(13))
        }
    }

    @Test("reordering jitter is even and does reorder")
    func reordering() {
        var profile = LinkProfile(rate: nil, oneWayDelay: .milliseconds(10))
        profile.jitter = .milliseconds(3)
        profile.reorders = true
        let delays = verdicts(profile, seed: 6).enumerated().map { step, verdict in
            guard case .deliver(let arrival) = verdict else { return 0.0 }
            return (arrival - Instant(nanoseconds: Int64(step) * 10_000)).milliseconds
        }
        #expect(delays.allSatisfy { (7...13).contains($0) })
        let mean = delays.reduce(0, +) / Double(delays.count)
        // The standard deviation of the mean of 100 000 is 5.5 microseconds.
        #expect(abs(mean - 10) < 0.03)
        #expect(delays.count { $0 < 8 } > Self.count / 7)
        #expect(delays.count { $0 > 12 } > Self.count / 7)
        #expect(zip(delays, delays.dropFirst()).contains { $0 > $1 + 0.01 })
    }

    @Test("jitter larger than the delay never delivers before departure")
    func largeJitter() {
        var profile = LinkProfile(rate: nil, oneWayDelay: .milliseconds(1))
        profile.jitter = .milliseconds(50)
        profile.reorders = true
        for (step, verdict) in verdicts(profile, seed: 7, count: 1_000).enumerated() {
            guard case .deliver(let arrival) = verdict else {
                Issue.record("frame \(step): \(verdict)")
                return
            }
            #expect(arrival >= Instant(nanoseconds: Int64(step) * 10_000))
        }
    }

    @Test("duplicates and flipped bits come at their rates")
    func duplicationAndCorruption() {
        var profile = LinkProfile(rate: nil, oneWayDelay: .milliseconds(10))
        profile.duplication = 0.02
        profile.corruption = 0.03
        var duplicates = 0
        var corrupted = 0
        var positions = Set<Int>()
        for verdict in verdicts(profile, seed: 8) {
            switch verdict {
            case .deliverTwice(let first, let second):
                duplicates += 1
                #expect(first <= second)
            case .corrupt(_, let bit):
                corrupted += 1
                positions.insert(bit)
                #expect((0..<8000).contains(bit))
            case .deliver: continue
            case .drop(let reason): Issue.record("dropped: \(reason)")
            }
        }
        #expect(abs(duplicates - 2_000) < 225)
        #expect(abs(corrupted - 2_940) < 270)
        #expect(positions.count > 2_000)
    }
}
