import Experiment
import LinuxSystem
import Reporting
import Scenario
import Testing
import Topology

/// Experiments in virtual time, in this process: what `mptcpctl handover --backend simulation` does.
@Suite struct SimulatedExperimentTests {
    /// - Parameter change: what the testbed's text is made into.
    private func run(
        _ scenario: HandoverScenario, testbed: String = "wifi-lte",
        change: (String) -> String = { $0 }
    ) throws -> ExperimentResult {
        var scenario = scenario
        scenario.testbed = testbed
        scenario.backend = .simulation
        scenario.captures = .failed
        try scenario.validate()
        let text = change(try #require(BuiltInTestbeds.text(named: testbed)))
        let directory = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        defer { try? Directory.remove(directory) }
        let runner = ExperimentRunner(
            scenario: scenario, topology: try Topology(parsing: text, file: testbed),
            version: "test", output: .directory(directory), progress: { _ in })
        return try runner.run { result in
            .init(results: JSONRenderer.text(result), report: TextRenderer.report(result))
        }
    }

    /// A told break of a stream resumes within 5 ms of what a standard join allows.
    /// On `wifi-lte` a record is under way at the break, on `multimob` all have arrived.
    @Test(arguments: HandoverMode.allCases, Direction.allCases)
    func streamsMeetTheirLimit(mode: HandoverMode, direction: Direction) throws {
        for testbed in ["wifi-lte", "multimob", "wifi-lte-v6", "wifi-v6-lte-v4"] {
            try expectLimit(mode, direction, testbed)
        }
    }

    private func expectLimit(
        _ mode: HandoverMode, _ direction: Direction, _ testbed: String
    ) throws {
        var scenario = HandoverScenario()
        scenario.mode = mode
        scenario.direction = direction
        scenario.workloadKind = .stream
        scenario.runs = 2
        scenario.duration = .milliseconds(2_500)
        let summary = try run(scenario, testbed: testbed).summary
        #expect(summary.completed == 2)
        let resume = try #require(summary[.resume]?.median)
        let limit = try #require(summary[.limit]?.median)
        #expect(
            resume >= limit && resume < limit + 5,
            "\(testbed): resume \(resume) ms, limit \(limit) ms")
    }

    /// However long the new path's round trip is: by then the server's retransmission timer has run
    /// out on the old path, and more has queued than it may send before the client is proven.
    @Test(
        arguments: JoinVariant.allCases.map { ($0, FastJoinProfileName.compat) }
            + [(.synData, .multimob)], Direction.allCases)
    func streamsMeetTheirLimitOnSlowPaths(
        join: (variant: JoinVariant, profile: FastJoinProfileName), direction: Direction
    ) throws {
        for roundTrip in [200, 300, 400] {
            var scenario = HandoverScenario()
            scenario.join = join.variant
            scenario.fastJoinProfile = join.profile
            scenario.direction = direction
            scenario.workloadKind = .stream
            scenario.runs = 1
            let result = try run(scenario) {
                $0.replacing("rtt: 60 ms", with: "rtt: \(roundTrip) ms")
            }
            let resume = try #require(result.summary[.resume]?.median)
            let limit = try #require(result.summary[.limit]?.median)
            let factor = Double(roundTrip) / 2
            #expect(limit >= factor)
            #expect(resume >= limit && resume < limit + 5, "\(resume) ms, limit \(limit) ms")
        }
    }

    /// Where the break falls into a round of request and reply decides what the join has to bring: the
    /// reply alone is a way there and back, with the request in the SYN; beside it the server may repeat
    /// an older reply whose DATA_ACK was lost, and then a provisional subflow has no room for the new
    /// one before its third ACK.
    @Test(arguments: [
        (1_512, JoinVariant.standard, 2.0), (1_512, .synData, 1), (1_518, .standard, 3),
        (1_518, .synData, 2),
    ])
    func repliesComeAsSoonAsTheJoinAllows(
        breakAt: Int, join: JoinVariant, roundTrips: Double
    ) throws {
        var scenario = HandoverScenario()
        scenario.join = join
        scenario.direction = .download
        scenario.workloadKind = .requestResponse
        scenario.breakAt = .milliseconds(breakAt)
        scenario.runs = 1
        let resume = try #require(try run(scenario).summary[.resume]?.median)
        #expect(abs(resume - roundTrips * 60) < 3, "\(resume) ms")
    }

    /// Every break, workload, mode and direction: completed, every octet as it was sent, and the
    /// captures and the endpoints' logs agree, or the run would have failed.
    @Test(arguments: BreakKind.allCases, [WorkloadKind.bulk, .stream, .requestResponse])
    func everyHandoverCompletes(kind: BreakKind, workload: WorkloadKind) throws {
        for mode in HandoverMode.allCases {
            for direction in Direction.allCases {
                var scenario = HandoverScenario()
                scenario.breakKind = kind
                scenario.workloadKind = workload
                scenario.mode = mode
                scenario.direction = direction
                scenario.runs = 1
                scenario.duration = .milliseconds(2_300)
                let result = try run(scenario, testbed: "multimob").runs[0]
                #expect(result.outcome == .completed, "\(result.reason ?? "")")
                #expect(result.bytes.isIntact == true)
                #expect(result[.resume] != nil)
            }
        }
    }

    /// Every policy, told of the break and not told, both workloads: completed, intact, and both
    /// witnesses agree. Copies of the redundant scheduler are no reinjections.
    @Test(arguments: PathPolicy.allCases, [BreakKind.linkDown, .silent])
    func everyPolicyCompletes(policy: PathPolicy, kind: BreakKind) throws {
        for (workload, direction) in [
            (WorkloadKind.bulk, Direction.upload), (.bulk, .download), (.stream, .upload),
            (.echo, .download),
        ] {
            // Nothing tells a client that joins only after a break, and announces nothing.
            if policy == .singlePath, kind == .silent, workload == .bulk, direction == .download {
                continue
            }
            var scenario = HandoverScenario()
            scenario.requestedPolicy = policy
            scenario.breakKind = kind
            scenario.mode = policy == .singlePath ? .breakBeforeMake : .makeBeforeBreak
            scenario.workloadKind = workload
            scenario.direction = direction
            scenario.runs = 1
            scenario.duration = .milliseconds(2_300)
            let result = try run(scenario, testbed: "multimob").runs[0]
            #expect(
                result.outcome == .completed,
                "\(workload) \(direction): \(result.reason ?? "")")
            #expect(result.bytes.isIntact == true)
            #expect(result[.resume] != nil, "\(workload) \(direction)")
            if policy == .redundant { #expect(result[.firstReinjectionDelay] == nil) }
        }
    }

    /// IPv6, and a handover from IPv6 to IPv4: the same, and the server's second address is known in
    /// time.
    @Test(arguments: ["wifi-lte-v6", "wifi-v6-lte-v4"], BreakKind.allCases)
    func otherFamilies(testbed: String, kind: BreakKind) throws {
        for mode in HandoverMode.allCases {
            var scenario = HandoverScenario()
            scenario.breakKind = kind
            scenario.mode = mode
            scenario.workloadKind = .stream
            scenario.runs = 1
            scenario.duration = .milliseconds(2_300)
            let result = try run(scenario, testbed: testbed).runs[0]
            #expect(result.outcome == .completed, "\(result.reason ?? "")")
            #expect(result.bytes.isIntact == true)
            #expect(result[.resume] != nil)
        }
    }

    /// Without a break nothing happens, and the largest gap is the noise.
    @Test func nullMeasuresTheNoise() throws {
        var scenario = HandoverScenario()
        scenario.isNull = true
        scenario.workloadKind = .stream
        scenario.runs = 2
        let result = try run(scenario)
        #expect(result.summary.completed == 2)
        #expect(result.summary[.resume] == nil)
        let noise = try #require(result.noiseFloor?.median)
        #expect(abs(noise - 20) < 1, "a stream of 20 ms had a gap of \(noise) ms")
    }

    /// More paths than two: the handover is still from the first to the second.
    @Test func furtherPathsStayOut() throws {
        var scenario = HandoverScenario()
        scenario.workloadKind = .stream
        scenario.size = 40
        scenario.interval = .seconds(2)
        scenario.breakAt = .seconds(20)
        scenario.makeAfter = .seconds(5)
        scenario.duration = .seconds(60)
        scenario.runs = 1
        let result = try run(scenario, testbed: "satellite").runs[0]
        #expect(result.outcome == .completed, "\(result.reason ?? "")")
        let shares = result.pathShare.compactMap(\.value.value)
        #expect(shares.count == 4)
        #expect(shares[1] > 0)
        #expect(shares[2] == 0 && shares[3] == 0)
    }
}
