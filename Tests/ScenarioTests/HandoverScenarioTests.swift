import NetworkPrimitives
import Scenario
import Testing

@Suite("Handover scenarios")
struct HandoverScenarioTests {
    @Test func defaultsAreThoseOfTheCommandLine() {
        let scenario = HandoverScenario()
        #expect(scenario.problems == [])
        #expect(scenario.policy == .singlePath)
        #expect(scenario.snapLength == 200)
        #expect(scenario.runs == 5)
        #expect(scenario.breakAt == .milliseconds(1_500))
        #expect(scenario.makeAfter == .milliseconds(200))
        #expect(scenario.duration == .seconds(4))
        var other = scenario
        other.mode = .makeBeforeBreak
        other.workloadKind = .stream
        #expect(other.policy == .backup)
        #expect(other.snapLength == 0)
        let workload = other.workload(seed: 9)
        #expect(workload.size == 200 && workload.interval == .milliseconds(20))
        #expect(workload.duration == .seconds(4) && workload.seed == 9)
    }

    @Test func breakBeforeMakeMakesAfterTheBreak() {
        #expect(
            HandoverScenario().events == [
                ScheduledEvent(.beforeStart, .newPathDown),
                ScheduledEvent(.afterStart(.milliseconds(1_500)), .breakOldPath),
                ScheduledEvent(.afterBreak(.milliseconds(200)), .newPathUp),
                ScheduledEvent(.afterStart(.seconds(4)), .stopWorkload),
            ])
    }

    @Test func makeBeforeBreakMakesBeforeTheStart() {
        var scenario = HandoverScenario()
        scenario.mode = .makeBeforeBreak
        #expect(
            scenario.events == [
                ScheduledEvent(.beforeStart, .newPathUp),
                ScheduledEvent(.afterStart(.milliseconds(1_500)), .breakOldPath),
                ScheduledEvent(.afterStart(.seconds(4)), .stopWorkload),
            ])
        scenario.isNull = true
        #expect(scenario.events.map(\.action) == [.newPathUp, .stopWorkload])
    }

    @Test func breakIsLockedToItsPlaceBetweenTwoRecords() {
        let scenario = HandoverScenario()
        let start = Instant(nanoseconds: 7_000_000)
        let phase = RecordPhase(reference: start, interval: .milliseconds(20))
        func breakTime(_ phase: RecordPhase?) -> Instant {
            scenario.breakTime(start: start, phase: phase, delay: .milliseconds(10))
        }
        #expect(breakTime(nil) == start + .milliseconds(1_500))
        #expect(breakTime(phase) == start + .milliseconds(1_505))
    }

    private typealias Change = @Sendable (inout HandoverScenario) -> Void

    private static let impossible: [(option: String, change: Change)] = [
        ("--runs", { $0.runs = 0 }), ("--runs", { $0.runs = 1_000_001 }),
        ("--runs", { $0.runs = .max }),
        ("--seed", { $0.seed = 1 << 53 }),
        ("--duration", { $0.duration = .milliseconds(1_600) }),
        ("--duration", { $0.duration = .zero }),
        ("--break-at", { $0.breakAt = .zero }),
        ("--make-after", { $0.makeAfter = .milliseconds(-1) }),
        ("--size", { $0.size = 0 }),
        ("--size", { ($0.workloadKind, $0.size) = (.stream, 100_000_000) }),
        ("--interval", { ($0.workloadKind, $0.interval) = (.stream, .zero) }),
        ("--interval", { ($0.workloadKind, $0.interval) = (.stream, .seconds(2)) }),
        ("--interval", { $0.interval = .seconds(1) }),
        ("--client", { ($0.backend, $0.client) = (.simulation, .kernel) }),
        ("--server", { ($0.backend, $0.server) = (.simulation, .kernel) }),
        ("--link-emulation", { ($0.backend, $0.linkEmulation) = (.simulation, .relay) }),
        ("--join", { ($0.join, $0.client) = (.earlyData, .kernel) }),
        ("--fast-join-profile", { ($0.join, $0.fastJoinProfile) = (.earlyData, .multimob) }),
        (
            "--provisional",
            {
                ($0.join, $0.fastJoinProfile, $0.provisional) = (.synData, .multimob, .strict)
            }
        ),
        ("--kernel-pm", { $0.kernelPathManagement = .endpointDelete }),
        ("--congestion-control", { $0.congestionControl = .bbr }),
        ("--snaplen", { $0.requestedSnapLength = 64 }),
    ]

    @Test(arguments: impossible.indices)
    func whatCannotBeIsRefused(_ index: Int) {
        let (option, change) = Self.impossible[index]
        var scenario = HandoverScenario()
        change(&scenario)
        #expect(scenario.problems.map(\.option) == [option])
        let error = #expect(throws: ScenarioProblem.self) { try scenario.validate() }
        #expect(error?.description.hasPrefix(option + ": ") == true)
    }

    @Test func nullRunNeedsNoTimeForABreak() {
        var scenario = HandoverScenario()
        scenario.duration = .milliseconds(500)
        scenario.isNull = true
        #expect(scenario.problems == [])
    }

    @Test func runSeedsDifferAndRepeat() {
        var scenario = HandoverScenario()
        let seeds = (1...50).map(scenario.runSeed)
        #expect(Set(seeds).count == 50)
        #expect(seeds == (1...50).map(scenario.runSeed))
        #expect(seeds.allSatisfy { $0 < 1 << 48 })
        scenario.seed = 2
        #expect(scenario.runSeed(1) != seeds[0])
    }
}

@Suite("Limits and floors")
struct HandoverLimitsTests {
    /// LTE of the default testbed: 20 Mbit/s, 30 ms each way.
    private let lte = PathProfile(
        up: .init(delay: .milliseconds(30), rate: BitRate(bitsPerSecond: 20_000_000)),
        down: .init(delay: .milliseconds(30), rate: BitRate(bitsPerSecond: 20_000_000)))
    /// 294 octets at 20 Mbit/s.
    private let record = 0.1176

    @Test(arguments: [
        (HandoverMode.makeBeforeBreak, JoinVariant.standard, Direction.upload, 0.5),
        (.makeBeforeBreak, .standard, .download, 1),
        (.breakBeforeMake, .standard, .upload, 2.5), (.breakBeforeMake, .standard, .download, 2),
        (.breakBeforeMake, .earlyData, .upload, 1.5), (.breakBeforeMake, .earlyData, .download, 2),
        (.breakBeforeMake, .synData, .upload, 0.5), (.breakBeforeMake, .synData, .download, 1),
    ])
    func tableOfTheDesign(
        _ mode: HandoverMode, _ join: JoinVariant, _ direction: Direction, _ roundTrips: Double
    ) throws {
        var scenario = HandoverScenario()
        (scenario.mode, scenario.join, scenario.direction) = (mode, join, direction)
        scenario.workloadKind = .stream
        let limits = HandoverLimits(scenario, newPath: lte)
        let limit = try #require(limits.limit.value)
        #expect(abs(limit - (roundTrips * 60 + record)) < 1e-9)
        let floor = try #require(limits.floor.value)
        #expect(abs(floor - ((direction == .upload ? 30 : 60) + record)) < 1e-9)
        #expect(floor <= limit)
    }

    /// A round trip for the refusal of the published Fast Join, and the standard join behind it.
    @Test(arguments: [(Direction.upload, 3.5), (.download, 3)])
    func kernelRefusesThePublishedFastJoinFirst(direction: Direction, roundTrips: Double) throws {
        var scenario = HandoverScenario()
        scenario.workloadKind = .stream
        (scenario.server, scenario.direction) = (.kernel, direction)
        (scenario.join, scenario.fastJoinProfile) = (.synData, .multimob)
        let limit = try #require(HandoverLimits(scenario, newPath: lte).limit.value)
        #expect(abs(limit - (roundTrips * 60 + record)) < 1e-9)
    }

    /// Nothing delivers an octet that is not written yet: where all had arrived at `ready`, the next
    /// record counts.
    @Test func nothingDeliversWhatIsNotWritten() throws {
        var scenario = HandoverScenario()
        scenario.mode = .makeBeforeBreak
        scenario.workloadKind = .stream
        func nextRecord() -> Duration { scenario.nextRecordAfterReady(delay: .milliseconds(20)) }
        #expect(nextRecord() == .milliseconds(10))
        func limits() -> HandoverLimits {
            HandoverLimits(scenario, newPath: lte, nextRecord: nextRecord())
        }
        #expect(abs(try #require(limits().limit.value) - (10 + 30 + record)) < 1e-9)
        #expect(abs(try #require(limits().floor.value) - (10 + 30 + record)) < 1e-9)
        // The record is due long before the client's signal has reached the server.
        scenario.direction = .download
        #expect(abs(try #require(limits().limit.value) - (60 + record)) < 1e-9)
        // Records fell due while there was no path.
        scenario.mode = .breakBeforeMake
        #expect(nextRecord() == .zero)
        scenario.workloadKind = .bulk
        scenario.mode = .makeBeforeBreak
        #expect(nextRecord() == .zero)
    }

    @Test func bulkUploadSendsFirstWhatHasNoDataACK() throws {
        var scenario = HandoverScenario()
        scenario.mode = .makeBeforeBreak
        #expect(HandoverLimits(scenario, newPath: lte).limit.value == nil)
        // Ten frames of 1514 octets and the one that is the record.
        let few = HandoverLimits(scenario, newPath: lte, unacknowledgedBytes: 14_200)
        #expect(abs(try #require(few.limit.value) - (30 + 11 * 0.6056)) < 1e-9)
        let many = HandoverLimits(scenario, newPath: lte, unacknowledgedBytes: 10_000_000)
        #expect(abs(try #require(many.limit.value) - (30 + 0.6056 + 60)) < 1e-9)
        scenario.direction = .download
        #expect(HandoverLimits(scenario, newPath: lte).limit.value != nil)
    }

    @Test func theFourthACKBringsAFreshDataACK() throws {
        var scenario = HandoverScenario()
        let limits = HandoverLimits(scenario, newPath: lte, unacknowledgedBytes: 14_200)
        #expect(abs(try #require(limits.limit.value) - (150 + 0.6056)) < 1e-9)
        scenario.join = .earlyData
        let early = HandoverLimits(scenario, newPath: lte, unacknowledgedBytes: 14_200)
        #expect(abs(try #require(early.limit.value) - (90 + 11 * 0.6056)) < 1e-9)
    }

    @Test func anOldPathThatStillDeliversCarriesTheSignal() throws {
        var scenario = HandoverScenario()
        scenario.workloadKind = .stream
        scenario.mode = .makeBeforeBreak
        scenario.direction = .download
        scenario.breakKind = .addressRemoved
        #expect(HandoverLimits(scenario, newPath: lte).limit.value == nil)
        let wifi = PathProfile(
            up: .init(delay: .milliseconds(10), rate: nil),
            down: .init(delay: .milliseconds(10), rate: nil))
        let limits = HandoverLimits(scenario, newPath: lte, oldPath: wifi)
        #expect(abs(try #require(limits.limit.value) - (40 + record)) < 1e-9)
        #expect(limits.floor == limits.limit)
        scenario.direction = .upload
        #expect(HandoverLimits(scenario, newPath: lte).limit.value != nil)
    }

    /// Two round trips of a fast old path are over before the client's signal has come over a slow
    /// new one.
    @Test(arguments: [(30, 30), (60, 30), (25, 25)])
    func theServerMayNoticeByItself(delay: Int, known: Int) throws {
        var scenario = HandoverScenario()
        scenario.workloadKind = .stream
        scenario.mode = .makeBeforeBreak
        scenario.direction = .download
        func path(_ delay: Int) -> PathProfile {
            let way = PathProfile.Way(delay: .milliseconds(delay), rate: nil)
            return PathProfile(up: way, down: way)
        }
        let limits = HandoverLimits(scenario, newPath: path(delay), oldPath: path(10))
        #expect(limits.limit.value == Double(known + delay))
        #expect(limits.floor == limits.limit)
    }

    @Test func noLimitWhereNothingTellsOfTheBreak() {
        var scenario = HandoverScenario()
        scenario.workloadKind = .stream
        scenario.breakKind = .silent
        // The new path's link up event tells.
        #expect(HandoverLimits(scenario, newPath: lte).limit.value != nil)
        scenario.mode = .makeBeforeBreak
        let limits = HandoverLimits(scenario, newPath: lte)
        #expect(limits.limit.value == nil && limits.limit.reason != nil)
        #expect(limits.floor.value != nil)
    }

    @Test func withoutBreakThereIsNeither() {
        var scenario = HandoverScenario()
        scenario.isNull = true
        let limits = HandoverLimits(scenario, newPath: lte)
        #expect(limits.limit.value == nil && limits.floor.value == nil)
    }

    @Test func asymmetricPathUsesTheDelayOfEachWay() throws {
        let path = PathProfile(
            up: .init(delay: .milliseconds(40), rate: nil),
            down: .init(delay: .milliseconds(10), rate: nil))
        var scenario = HandoverScenario()
        scenario.workloadKind = .stream
        #expect(HandoverLimits(scenario, newPath: path).limit.value == 140)
        #expect(HandoverLimits(scenario, newPath: path).floor.value == 40)
        scenario.direction = .download
        #expect(HandoverLimits(scenario, newPath: path).limit.value == 100)
    }
}
