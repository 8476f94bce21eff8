import LinkModel
import NetworkPrimitives
import Scenario
import Testing
import Topology

/// Link changes: what is refused, and what becomes of them in the order of time.
@Suite struct LinkChangeTests {
    private static func path(
        _ name: String, _ number: UInt32, rate: Int64?, delay: Duration
    ) -> Path {
        let profile = LinkProfile(rate: rate.map { BitRate(bitsPerSecond: $0) }, oneWayDelay: delay)
        return Path(
            name: name, interface: "\(name)0", clientAddress: .v4(0x0a00_0002 + number << 8),
            routerAddress: .v4(0x0a00_0001 + number << 8), prefixLength: 24, up: profile,
            down: profile)
    }

    private static var topology: Topology {
        Topology(
            name: "test",
            paths: [
                path("wifi", 1, rate: 50_000_000, delay: .milliseconds(10)),
                path("lte", 2, rate: nil, delay: .milliseconds(30)),
            ],
            server: ServerLink(
                address: .v4(0x0a00_0901), routerAddress: .v4(0x0a00_0902), prefixLength: 24))
    }

    private static func scenario(_ changes: [LinkChange]) -> HandoverScenario {
        var scenario = HandoverScenario()
        scenario.isNull = true
        scenario.linkChanges = changes
        return scenario
    }

    private static func steps(_ changes: [LinkChange], _ topology: Topology) -> [LinkStep] {
        LinkTimetable(scenario(changes), topology).steps
    }

    private static func delays(_ steps: [LinkStep]) -> [Double] {
        steps.compactMap { step in
            guard case .setProfile(let up, let down) = step.action, up == down else { return nil }
            return up.oneWayDelay.milliseconds
        }
    }

    @Test func stepsComeInTheOrderOfTime() {
        let steps = Self.steps(
            [
                LinkChange(at: .seconds(1), path: "wifi", kind: .cut),
                LinkChange(at: .seconds(1), path: "lte", kind: .up),
                LinkChange(at: .seconds(2), path: "wifi", kind: .mend),
                LinkChange(at: .seconds(3), path: "lte", kind: .down),
            ], Self.topology)
        #expect(steps.map(\.at) == [.seconds(1), .seconds(1), .seconds(2), .seconds(3)])
        #expect(steps.map(\.path) == [0, 1, 0, 1])
        #expect(
            steps.map(\.action) == [
                .setLink(isUp: false), .setInterface(isUp: true), .setLink(isUp: true),
                .setInterface(isUp: false),
            ])
        #expect(steps.allSatisfy { $0.isFirst && $0.isLast })
    }

    @Test func aRampGoesInStepsToItsValue() {
        let ramp = LinkChange(
            at: .milliseconds(100), over: .milliseconds(50), path: "wifi",
            kind: .delay(.milliseconds(60)))
        let steps = Self.steps([ramp], Self.topology)
        #expect(steps.map(\.at.milliseconds) == [100, 120, 140, 150])
        #expect(Self.delays(steps) == [10, 30, 50, 60])
        #expect(steps.map(\.isFirst) == [true, false, false, false])
        #expect(steps.map(\.isLast) == [false, false, false, true])
    }

    @Test func aLaterChangeOfTheSameValueEndsARamp() {
        let steps = Self.steps(
            [
                LinkChange(
                    at: .zero, over: .milliseconds(100), path: "wifi",
                    kind: .delay(.milliseconds(110))),
                LinkChange(at: .milliseconds(20), path: "wifi", kind: .loss(0.5)),
                LinkChange(
                    at: .milliseconds(40), over: .milliseconds(40), path: "wifi",
                    kind: .delay(.milliseconds(10))),
                LinkChange(at: .milliseconds(200), path: "wifi", kind: .rate(bitsPerSecond: 8)),
            ], Self.topology)
        // The ramp down begins where the ramp up has come to.
        #expect(Self.delays(steps) == [10, 30, 30, 50, 50, 30, 10, 10])
        guard case .setProfile(let up, _)? = steps.last?.action else {
            Issue.record("the last step is the rate's")
            return
        }
        #expect(up.loss == .bernoulli(0.5) && up.rate == BitRate(bitsPerSecond: 8))
    }

    @Test func aRampOfLossBeginsWithTheMeanOfBursts() {
        var topology = Self.topology
        let bursts = LossModel.gilbertElliott(
            goodToBad: 0.1, badToGood: 0.3, lossInGood: 0, lossInBad: 0.4)
        topology.paths[0].up.loss = bursts
        let steps = Self.steps(
            [
                LinkChange(
                    at: .zero, over: .milliseconds(40), path: "wifi", kind: .loss(0.3))
            ], topology)
        let losses = steps.map { step -> [LossModel] in
            guard case .setProfile(let up, let down) = step.action else { return [] }
            return [up.loss, down.loss]
        }
        #expect(losses[0] == [bursts, .none])
        guard case .bernoulli(let half) = losses[1][0] else {
            Issue.record("\(losses)")
            return
        }
        #expect(abs(half - 0.2) < 1e-9)
        #expect(losses[1][1] == .bernoulli(0.15))
        #expect(losses[2] == [.bernoulli(0.3), .bernoulli(0.3)])
    }

    @Test(arguments: [
        (LinkChange(at: .seconds(-1), path: "wifi", kind: .cut), "before the start"),
        (LinkChange(at: .seconds(4), path: "wifi", kind: .cut), "the workload is over"),
        (LinkChange(at: .seconds(1), over: .seconds(1), path: "wifi", kind: .down), "no ramp"),
        (LinkChange(at: .seconds(1), over: .seconds(-1), path: "wifi", kind: .loss(0)), "negative"),
        (LinkChange(at: .seconds(1), over: .seconds(4), path: "wifi", kind: .loss(0)), "it ends"),
        (LinkChange(at: .seconds(1), path: "wifi", kind: .loss(1.1)), "between 0 and 1"),
        (LinkChange(at: .seconds(1), path: "wifi", kind: .loss(.nan)), "between 0 and 1"),
        (LinkChange(at: .seconds(1), path: "wifi", kind: .delay(.seconds(-1))), "a delay lies"),
        (LinkChange(at: .seconds(1), path: "wifi", kind: .rate(bitsPerSecond: 7)), "at least 8"),
    ])
    func whatCannotBeIsRefused(change: LinkChange, words: String) {
        let problems = Self.scenario([change]).problems
        #expect(problems.count == 1 && problems[0].reason.contains(words), "\(problems)")
        #expect(problems[0].option.hasPrefix("link change 1 (wifi "))
    }

    @Test func theOrderIsThatOfTime() {
        let changes = [
            LinkChange(at: .seconds(2), path: "wifi", kind: .cut),
            LinkChange(at: .seconds(1), path: "wifi", kind: .mend),
        ]
        #expect(Self.scenario(changes).problems.map(\.option) == ["link change 2 (wifi mend)"])
        #expect(Self.scenario(changes.reversed()).problems == [])
    }

    /// What a handover of 1.5 s and 200 ms would measure, and would not be one.
    @Test(
        arguments: [
            ([("wifi", 1_000, .down)], "link change 1 (wifi down)", "nothing is left to break"),
            ([("wifi", 1_000, .cut)], "link change 1 (wifi cut)", "let 'wifi' come back"),
            (
                [("wifi", 500, .down), ("wifi", 900, .mend)], "link change 1 (wifi down)",
                "at 1500ms (break-at)"
            ),
            (
                [("wifi", 500, .cut), ("wifi", 900, .down)], "link change 1 (wifi cut)",
                "'null: true'"
            ),
            ([("wifi", 1_500, .up)], "link change 1 (wifi up)", "same moment"),
            ([("lte", 1_000, .up)], "link change 1 (lte up)", "'mode: make-before-break'"),
            (
                [("lte", 1_000, .down), ("lte", 1_699, .up)], "link change 2 (lte up)",
                "before the make, at 1700ms"
            ),
            ([("wifi", 500, .cut), ("wifi", 900, .mend)], nil, ""),
            ([("wifi", 500, .down), ("wifi", 900, .up)], nil, ""),
            ([("wifi", 500, .loss(0.5)), ("wifi", 1_500, .delay(.zero))], nil, ""),
            ([("wifi", 1_600, .up), ("lte", 1_700, .up), ("lte", 2_000, .down)], nil, ""),
        ] as [([(String, Int, LinkChange.Kind)], String?, String)])
    func theBreakIsNotSpoilt(
        changes: [(String, Int, LinkChange.Kind)], option: String?, words: String
    ) {
        var scenario = Self.scenario(
            changes.map { LinkChange(at: .milliseconds($0.1), path: $0.0, kind: $0.2) })
        #expect(scenario.problem(on: Self.topology) == nil)
        scenario.isNull = false
        #expect(scenario.problems == [])
        let problem = scenario.problem(on: Self.topology)
        #expect(problem?.option == option)
        #expect(problem?.reason.contains(words) ?? true, "\(problem?.reason ?? "")")
        scenario.mode = .makeBeforeBreak
        let isAboutMake = option?.contains("lte") == true
        #expect(scenario.problem(on: Self.topology)?.option == (isAboutMake ? nil : option))
    }

    @Test func theTopologyHasAWord() {
        func problem(_ change: LinkChange) -> String? {
            Self.scenario([change]).problem(on: Self.topology)?.description
        }
        #expect(
            problem(LinkChange(at: .seconds(1), path: "wimax", kind: .cut))
                == "link change 1 (wimax cut): testbed 'test' has no path 'wimax'; it has 'wifi', "
                + "'lte'")
        let rate = LinkChange.Kind.rate(bitsPerSecond: 1_000)
        #expect(
            problem(LinkChange(at: .seconds(1), path: "lte", kind: rate))?
                .contains("infinitely fast") == true)
        #expect(problem(LinkChange(at: .seconds(1), path: "wifi", kind: rate)) == nil)
    }
}
