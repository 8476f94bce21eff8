import LinkModel
import NetworkPrimitives
import Testing
import Topology

/// How a link's profile becomes netem's.
@Suite("Profiles in netem's words")
struct NetemParametersTests {
    private func stages(_ change: (inout LinkProfile) -> Void) -> [String] {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 10_000_000), oneWayDelay: .milliseconds(15))
        change(&profile)
        return NetemParameters.stages(for: profile, mtu: 1500).map(\.arguments)
    }

    @Test("the way is one stage, the queue and the line are the next")
    func twoStages() {
        #expect(
            stages {
                $0.queue = .packets(64)
                $0.loss = .bernoulli(0.005)
                $0.corruption = 0.001
            } == [
                "limit 1000000 delay 15000us loss 0.5% corrupt 0.1%",
                "limit 65 rate 10000000bit",
            ])
    }

    @Test("limits in octets and time count full frames behind the one on the line")
    func limits() {
        // 1514 octets, 1.2112 ms.
        #expect(stages { $0.queue = .bytes(15_140) }[1] == "limit 11 rate 10000000bit")
        #expect(stages { $0.queue = .bytes(15_139) }[1] == "limit 10 rate 10000000bit")
        #expect(stages { $0.queue = .bytes(100) }[1] == "limit 1 rate 10000000bit")
        #expect(stages { $0.queue = .time(.milliseconds(100)) }[1] == "limit 83 rate 10000000bit")
        #expect(stages { $0.queue = .time(.zero) }[1] == "limit 1 rate 10000000bit")
    }

    @Test("without a rate there is no queue, without a delay there is no way")
    func oneStage() {
        #expect(stages { $0.rate = nil } == ["limit 1000000 delay 15000us"])
        #expect(
            stages {
                $0.oneWayDelay = .zero
                $0.queue = .packets(9)
            } == ["limit 10 rate 10000000bit"])
    }

    @Test("a link that changes keeps its way, and the order when its delay falls")
    func changing() {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 10_000_000), oneWayDelay: .zero)
        profile.queue = .packets(9)
        #expect(
            NetemParameters.stages(for: profile, mtu: 1500, isChanging: true).map(\.arguments)
                == ["limit 1000000 rate 1000000000000bit", "limit 10 rate 10000000bit"])
        profile.oneWayDelay = .milliseconds(15)
        profile.reorders = true
        #expect(
            NetemParameters.stages(for: profile, mtu: 1500, isChanging: true).map(\.arguments)
                == ["limit 1000000 delay 15000us", "limit 10 rate 10000000bit"])
    }

    @Test("jitter keeps the order unless it may reorder")
    func jitter() {
        #expect(
            stages { $0.jitter = .milliseconds(2) }[0]
                == "limit 1000000 delay 15000us 2000us rate 1000000000000bit")
        #expect(
            stages {
                $0.jitter = .milliseconds(2)
                $0.reorders = true
            }[0] == "limit 1000000 delay 15000us 2000us")
        #expect(
            stages {
                $0.rate = nil
                $0.jitter = .milliseconds(2)
            } == ["limit 1000000 delay 15000us 2000us rate 1000000000000bit"])
    }

    @Test("with duplication all is one stage with room for what travels")
    func duplication() {
        // 13 full frames in 15 ms.
        #expect(
            stages {
                $0.queue = .packets(64)
                $0.duplication = 0.01
            } == ["limit 78 delay 15000us duplicate 1.0% rate 10000000bit"])
    }

    @Test("what netem cannot do is refused with the reason")
    func obstacles() {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 10_000_000), oneWayDelay: .milliseconds(15))
        profile.jitter = .milliseconds(3)
        profile.reorders = true
        #expect(NetemParameters.obstacle(to: profile) == nil)
        profile.duplication = 0.1
        #expect(
            NetemParameters.obstacle(to: profile)
                == "netem cannot duplicate and reorder on a link with a rate")
        profile.jitter = .seconds(3)
        #expect(
            NetemParameters.obstacle(to: profile) == "netem takes no jitter above 2000.0 ms")
        profile.jitter = .zero
        profile.rate = BitRate(bitsPerSecond: 7)
        #expect(NetemParameters.obstacle(to: profile) == "netem takes no rate below 8 bit/s")
    }
}
