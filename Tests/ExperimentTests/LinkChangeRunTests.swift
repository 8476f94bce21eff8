import Experiment
import LinuxSystem
import NetworkPrimitives
import Reporting
import Scenario
import Testing
import Topology

/// Link changes as a run carries them out, in both worlds.
@Suite struct LinkChangeRunTests {
    /// A run, and the events that the experiment noted.
    private func run(
        _ scenario: HandoverScenario, runs: Int = 1
    ) throws -> (results: [RunResult], events: [[EventRecord]], document: JSONValue) {
        var scenario = scenario
        scenario.runs = runs
        scenario.seed = 7
        try scenario.validate()
        let text = try #require(BuiltInTestbeds.text(named: scenario.testbed))
        let directory = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        defer { try? Directory.remove(directory) }
        let runner = ExperimentRunner(
            scenario: scenario, topology: try Topology(parsing: text, file: scenario.testbed),
            version: "test", output: .directory(directory), program: Programs.mptcpctl,
            progress: { _ in })
        let result = try runner.run { result in
            .init(results: JSONRenderer.text(result), report: TextRenderer.report(result))
        }
        let events = try result.runs.map { run in
            try TextFile.read("\(directory)/runs/00\(run.index)/events.jsonl")
                .split(separator: "\n").compactMap { EventRecord(line: $0) }
        }
        let document = try JSONValue(parsing: TextFile.read("\(directory)/results.json"))
        return (result.runs, events, document)
    }

    /// Records out and back every 20 ms, and the path that begins is all there is.
    private func echo(_ changes: [LinkChange], _ backend: Backend) -> HandoverScenario {
        var scenario = HandoverScenario()
        scenario.backend = backend
        scenario.isNull = true
        scenario.workloadKind = .echo
        scenario.duration = .milliseconds(2_000)
        scenario.linkChanges = changes
        return scenario
    }

    /// What both worlds do the same.
    private func expectChanges(_ backend: Backend) throws {
        // 10 ms each way at first. Everything is as it was in the second run.
        let scenario = echo(
            [
                LinkChange(at: .milliseconds(300), path: "wifi", kind: .delay(.milliseconds(60))),
                LinkChange(
                    at: .milliseconds(600), over: .milliseconds(200), path: "wifi",
                    kind: .delay(.milliseconds(10))),
                LinkChange(at: .milliseconds(1_000), path: "wifi", kind: .cut),
                LinkChange(at: .milliseconds(1_300), path: "wifi", kind: .mend),
            ], backend)
        let (results, events, document) = try run(scenario, runs: 2)
        for (result, events) in zip(results, events) {
            #expect(result.outcome == .completed, "\(result.reason ?? "")")
            let start = try #require(events.first { $0.name == "workload-started" }).time
            let noted = events.filter { $0.source == "experiment" }
            #expect(
                noted.map(\.name) == [
                    "link-change", "link-change", "link-change-end", "link-change", "link-change",
                ])
            #expect(
                noted.map { $0["kind"]?.asString } == ["delay", "delay", "delay", "cut", "mend"])
            #expect(noted.allSatisfy { $0["path"]?.asString == "wifi" })
            #expect(noted[0]["delay_ms"]?.asDouble == 60 && noted[1]["over_ms"]?.asDouble == 200)
            // Measured: never before it was planned, and in real time a little later.
            for (event, planned) in zip(noted, [300, 600, 800, 1_000, 1_300]) {
                let late = (event.time - start).milliseconds - Double(planned)
                #expect(late >= 0 && late < (backend == .simulation ? 0.001 : 100), "\(late) ms")
            }
            // The longest silence is the cut, until a retransmission after it.
            let summary = try #require(
                events.last { $0.name == "workload-summary" && $0.source == "client" })
            let silence = try #require(summary["longest_silence_ms"]?.asDouble)
            let since = try #require(summary["longest_silence_start_ns"]?.asInteger)
            let begin = Double(since - start.nanoseconds) / 1e6
            #expect(silence > 295 && begin > 940 && begin < 1_050, "\(silence) ms at \(begin)")
        }
        let changes = document["configuration"]?["link_changes"]
        #expect(changes?[1]?["at_ms"]?.asDouble == 600 && changes?[2]?["kind"]?.asString == "cut")
    }

    @Test func simulated() throws { try expectChanges(.simulation) }

    @Test(.enabled(if: Programs.mayBuildNetworks, "needs root, or user namespaces"))
    func inNamespaces() throws { try expectChanges(.namespaces) }

    /// Without a break, the connection moves because of link changes alone; the second path is up
    /// only from its change on.
    private func expectMove(_ backend: Backend) throws {
        let scenario = echo(
            [
                LinkChange(at: .milliseconds(500), path: "wifi", kind: .down),
                LinkChange(at: .milliseconds(800), path: "lte", kind: .up),
                LinkChange(at: .milliseconds(1_400), path: "wifi", kind: .up),
            ], backend)
        let result = try run(scenario).results[0]
        #expect(result.outcome == .completed, "\(result.reason ?? "")")
        #expect(result.pathShare.allSatisfy { $0.value.value ?? 0 > 2_000 }, "\(result.pathShare)")
        let up = result.radioTime.compactMap(\.value.value)
        #expect(abs(up[0] - 1_100) < 150 && abs(up[1] - 1_200) < 150, "\(up)")
        #expect(result[.resume] == nil && result.reason(.resume) == "no break (--null)")
    }

    @Test func movedInSimulation() throws { try expectMove(.simulation) }

    @Test(.enabled(if: Programs.mayBuildNetworks, "needs root, or user namespaces"))
    func movedInNamespaces() throws { try expectMove(.namespaces) }

    /// The delay of records is that of the link: 10 ms, and 200 ms from a change on. How much a busy
    /// host adds to that is nobody's promise.
    private func expectDelays(_ backend: Backend) throws {
        let isExact = backend == .simulation
        for (kind, direction) in [
            (WorkloadKind.stream, Direction.upload), (.voice, .download), (.voice, .upload),
        ] {
            var scenario = echo(
                [
                    LinkChange(
                        at: .milliseconds(990), path: "wifi", kind: .delay(.milliseconds(200)))
                ], backend)
            scenario.workloadKind = kind
            scenario.direction = direction
            let result = try run(scenario).results[0]
            #expect(result.outcome == .completed, "\(result.reason ?? "")")
            let late = try #require(result[.late])
            #expect(late > 0.47 && late < (isExact ? 0.53 : 1), "\(late)")
            let longest = try #require(result[.maximumDelay])
            #expect(longest >= 200 && (!isExact || longest < 200.1), "\(longest) ms")
            let p95 = try #require(result[.p95Delay])
            #expect(p95 >= 200 && p95 <= longest)
            // Something is due, at 1000 ms, and comes 200 ms later.
            let stall = try #require(result[.stall])
            #expect(stall > 199 && (!isExact || stall < 201), "\(stall) ms")
            #expect(result.reason(.handoverDuration) == "no data on the new path")
        }
    }

    @Test func delaysInSimulation() throws { try expectDelays(.simulation) }

    @Test(.enabled(if: Programs.mayBuildNetworks, "needs root, or user namespaces"))
    func delaysInNamespaces() throws { try expectDelays(.namespaces) }

    /// The kernel's packets are on the same links: 10 ms, and 200 ms from a change on; then some are
    /// lost, and the rate falls.
    @Test(
        .enabled(
            if: Programs.mayBuildNetworks
                && (try? SysctlFile("net.mptcp.enabled").read()) == "1",
            "needs root, or user namespaces, and kernel MPTCP"), arguments: [true, false])
    func changesUnderAKernelClientInNamespaces(isServerKernel: Bool) throws {
        var scenario = echo(
            [
                LinkChange(at: .milliseconds(990), path: "wifi", kind: .delay(.milliseconds(200))),
                LinkChange(at: .milliseconds(1_400), path: "wifi", kind: .loss(0.1)),
                LinkChange(
                    at: .milliseconds(1_500), over: .milliseconds(200), path: "wifi",
                    kind: .rate(bitsPerSecond: 1_000_000)),
            ], .namespaces)
        scenario.client = .kernel
        scenario.server = isServerKernel ? .kernel : .swift
        scenario.workloadKind = .stream
        let (results, events, _) = try run(scenario, runs: 2)
        for (result, events) in zip(results, events) {
            #expect(result.outcome == .completed, "\(result.reason ?? "")")
            let late = try #require(result[.late])
            #expect(late > 0.47 && late < 1, "\(late)")
            #expect(try #require(result[.maximumDelay]) >= 200)
            #expect(try #require(result[.stall]) > 199)
            let noted = events.filter { $0.source == "experiment" }
            #expect(noted.map { $0["kind"]?.asString } == ["delay", "loss", "rate", "rate"])
        }
    }

    /// Bursts on an idle path take their way and no more; what the seed of the run drew is known to
    /// whoever measures.
    @Test(arguments: Direction.allCases)
    func interactiveDelays(direction: Direction) throws {
        var scenario = echo([], .simulation)
        scenario.workloadKind = .interactive
        scenario.background = 12_000
        scenario.direction = direction
        scenario.duration = .seconds(9)
        let result = try run(scenario).results[0]
        #expect(result.outcome == .completed, "\(result.reason ?? "")")
        let median = try #require(result[.medianDelay])
        let longest = try #require(result[.maximumDelay])
        // 2500 octets at 50 Mbit/s or 20 Mbit/s take 0.4 ms.
        #expect(median > 10 && median < 10.5 && longest < 11, "\(median), \(longest)")
        #expect(result[.late] == 0 && result[.stall] == 0)
    }

    @Test func whatHasNoRecordsHasNoDelay() throws {
        var scenario = echo([], .simulation)
        scenario.workloadKind = .bulk
        let bulk = try run(scenario).results[0]
        #expect(bulk.reason(.medianDelay) == "a bulk transfer has no records")
        #expect(bulk[.stall] == 0)
        scenario.workloadKind = .requestResponse
        let requests = try run(scenario).results[0]
        #expect(requests.reason(.late)?.hasPrefix("no capture tells") == true)
        #expect(requests[.stall] == nil)
    }

    /// A slower line takes longer for a full frame: 12.1 ms at 1 Mbit/s. All is lost at a loss of 1.
    @Test func rateAndLoss() throws {
        var scenario = echo(
            [LinkChange(at: .zero, path: "wifi", kind: .rate(bitsPerSecond: 1_000_000))],
            .simulation)
        scenario.workloadKind = .bulk
        scenario.size = 100_000
        let (_, events, _) = try run(scenario)
        let summary = try #require(
            events[0].last { $0.name == "workload-summary" && $0.source == "server" })
        let first = try #require(summary["first_arrival_ns"]?.asInteger)
        let last = try #require(summary["last_arrival_ns"]?.asInteger)
        // 100 kB without the initial window, which is under way when the line slows down.
        #expect(Double(last - first) / 1e6 > 700)

        let lost = try run(
            echo(
                [
                    LinkChange(at: .milliseconds(200), path: "wifi", kind: .loss(1)),
                    LinkChange(at: .milliseconds(900), path: "wifi", kind: .loss(0)),
                ], .simulation))
        #expect(lost.results[0].outcome == .completed)
        let silence = try #require(
            lost.events[0].last { $0.name == "workload-summary" && $0.source == "client" })
        #expect(silence["longest_silence_ms"]?.asDouble ?? 0 > 680)
    }
}

/// The program under test, which lies beside the test bundle.
private enum Programs {
    static let mayBuildNetworks =
        Capabilities.effective().canBuildNetworks && (try? Executable.find("nft")) != nil

    static let mptcpctl: String? = {
        let own = (try? Executable.own()) ?? ""
        let places = [own] + CommandLine.arguments.filter { $0.contains(".xctest") }
        return places.map { place in
            place.split(separator: "/", omittingEmptySubsequences: false).dropLast()
                .joined(separator: "/") + "/mptcpctl"
        }.first { Directory.exists($0) }
    }()
}
