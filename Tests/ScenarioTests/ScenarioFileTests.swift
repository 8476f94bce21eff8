import Scenario
import Testing
import Topology

/// Scenario files: what is read, what is refused and where, and what becomes a plan.
@Suite struct ScenarioFileTests {
    private static let good = """
        name: own
        title: two ways to leave WiFi
        question: Which one is sooner?
        source: nowhere
        testbed: wifi-lte
        backends: [netns, simulation]
        options:
          workload: echo
          size: 200 B
          interval: 100ms
          break: silent
          runs: 7
          lte.delay: 15ms
        events:
          - {at: 2s, path: lte, delay: 500 ms, over: 1s}
          - {at: 1s, path: wifi, loss: 25 %}
          - {at: 1s, path: wifi, rate: 5 Mbit/s}
          - {at: 3s, path: lte, link: cut}
        legs:
          - name: multimob
            policy: multimob
          - name: as Linux
            policy: backup
            mode: make-before-break
            lte.rate: 5 Mbit/s
            events: []
          - name: kernel
            backends: [netns]
            client: kernel
        vary:
          congestion-control: [cubic, reno]
        show: [outage_ms, detection_ms]
        expect:
          - failed==0
          - "multimob: outage_ms.p95<500"
          - "as Linux, congestion-control=reno: detection_ms.median > 1"
        published: much later
        """

    private func file(_ text: String, _ name: String = "dir/own.yaml") throws -> ScenarioFile {
        try ScenarioFile(parsing: text, file: name, topology: ComparisonFixtures.topology)
    }

    @Test func everythingIsRead() throws {
        let file = try file(Self.good)
        #expect(file.story.question == "Which one is sooner?")
        #expect(file.story.published == "much later")
        #expect(file.base.workloadKind == .echo)
        #expect(file.base.size == 200)
        #expect(file.base.runs == 7)
        #expect(file.base.captures == .failed)
        #expect(file.links == [try LinkOverride(key: "lte.delay", value: "15ms")])
        #expect(
            file.base.linkChanges == [
                LinkChange(at: .seconds(1), path: "wifi", kind: .loss(0.25)),
                LinkChange(at: .seconds(1), path: "wifi", kind: .rate(bitsPerSecond: 5_000_000)),
                LinkChange(
                    at: .seconds(2), over: .seconds(1), path: "lte",
                    kind: .delay(.milliseconds(500))),
                LinkChange(at: .seconds(3), path: "lte", kind: .cut),
            ])
        #expect(file.legs.map(\.name) == ["multimob", "as Linux", "kernel"])
        #expect(file.legs[1].linkChanges == [])
        #expect(file.legs[2].backends == [.namespaces])
        #expect(file.metrics == [.outage, .detection])
        #expect(file.expectations.map(\.conditions.count) == [0, 1, 2])
    }

    @Test func planHasACellForEachLeg() throws {
        let plan = try file(Self.good).plan(topology: ComparisonFixtures.topology) {
            $0.backend = .simulation
            $0.interval = .milliseconds(50)
        }
        #expect(
            plan.cells.map(\.label) == [
                "leg=multimob, congestion-control=cubic", "leg=multimob, congestion-control=reno",
                "leg=as Linux, congestion-control=cubic", "leg=as Linux, congestion-control=reno",
            ])
        #expect(plan.story?.leftOut == ["kernel"])
        #expect(plan.cells.map(\.expectations.count) == [2, 2, 1, 2])
        #expect(plan.cells.allSatisfy { $0.scenario.interval == .milliseconds(50) })
        #expect(plan.cells.map(\.scenario.linkChanges.count) == [4, 4, 0, 0])
        #expect(
            plan.cells.map { $0.newPath.roundTripTime }
                == Array(repeating: .milliseconds(30), count: 4))
        let namespaces = try file(Self.good).plan(topology: ComparisonFixtures.topology) {
            $0.backend = .namespaces
        }
        #expect(namespaces.cells.count == 6)
        #expect(namespaces.cells[5].scenario.client == .kernel)
    }

    /// What counts for all legs must leave them apart, and what is not listed is no place to run.
    @Test func whatIsGivenBesidesMustFit() throws {
        let file = try file(Self.good)
        let twins = #expect(throws: ComparisonProblem.self) {
            try file.plan(topology: ComparisonFixtures.topology) {
                $0.congestionControl = .reno
            }
        }
        #expect(twins?.description.contains("do the same") == true)
        let simulated = try self.file(
            Self.good.replacing(
                "backends: [netns, simulation]\n", with: "backends: [simulation]\n"
            ).replacing(
                "  - name: kernel\n    backends: [netns]\n    client: kernel\n", with: ""))
        #expect(
            try simulated.plan(topology: ComparisonFixtures.topology).base.backend == .simulation)
        let elsewhere = #expect(throws: ComparisonProblem.self) {
            try simulated.plan(topology: ComparisonFixtures.topology) { $0.backend = .namespaces }
        }
        #expect(elsewhere?.description.contains("is for simulation") == true)
    }

    @Test(arguments: [
        ("name: own", "name: Own", 1, "name", "lower-case", nil),
        ("title: two ways", "titel: two ways", 2, "titel", "'title' is missing", "title"),
        ("published:", "publishd:", 37, "publishd", "unknown key", "published"),
        ("testbed: wifi-lte", "testbed: [1]", 5, "testbed", "single value", nil),
        ("[netns, simulation]", "[netns, simulator]", 6, "backends", "none of", "simulation"),
        ("[netns, simulation]", "[auto]", 6, "backends", "none of", nil),
        ("workload: echo", "workload: ecko", 8, "options.workload", "did you mean 'echo'", nil),
        ("workload: echo", "workloud: echo", 8, "options.workloud", "unknown key", "workload"),
        ("workload: echo", "backend: netns", 8, "options.backend", "at the top", nil),
        ("size: 200 B", "size: two", 9, "options.size", "octets are written", nil),
        ("runs: 7", "runs: many", 12, "options.runs", "whole number", nil),
        ("lte.delay", "lt.delay", 13, "options.lt.delay", "no path 'lt'", "lte"),
        ("lte.delay", "lte.dely", 13, "options.lte.dely", "did you mean 'lte.delay'", nil),
        ("15ms", "15 parsec", 13, "options.lte.delay", "unknown unit", nil),
        ("lte.rate: 5 Mbit/s", "lte.rate: 5", 25, "legs[1].lte.rate", "needs a unit", nil),
        (
            "congestion-control: [", "lte.rtt: [10ms, 5sec]\n  congestion-control: [", 31,
            "vary.lte.rtt", "unknown unit", nil
        ),
        (
            "congestion-control: [", "wfi.delay: [10ms]\n  congestion-control: [", 31,
            "vary.wfi.delay", "no path 'wfi'", "wifi"
        ),
        (
            "congestion-control: [", "lte.up.rate: [1 Mbit/s]\n  congestion-control: [", 31,
            "vary.lte.up.rate", "leg 'as Linux' has its own 'lte.rate'", nil
        ),
        (
            "congestion-control: [", "policy: [full]\n  congestion-control: [", 31,
            "vary.policy", "leg 'multimob' has its own 'policy'", nil
        ),
        (
            "at: 1s, path: wifi, loss: 25 %", "at: 1s, path: wifi, link: cut", 15, "events",
            "nothing is left to break", nil
        ),
        (
            "as Linux, congestion-control=reno: ", "as Linux, multimob: ", 34, "expect",
            "nothing is both 'as Linux' and 'multimob'", nil
        ),
        ("two ways to leave WiFi", "\"two \\e[31mways\"", 2, "title", "control characters", nil),
        ("Which one is sooner?", "\"Which\\x9b one\"", 3, "question", "control characters", nil),
        ("runs: 7", "runs: 1000001", 12, "options.runs", "between 1 and 1000000", nil),
        ("path: lte, delay", "path: lt, delay", 15, "events[0].path", "no path 'lt'", "lte"),
        ("delay: 500 ms", "delay: 500", 15, "events[0].delay", "needs a unit", "500 ms"),
        ("loss: 25 %", "loss: 125 %", 16, "events[1].loss", "between 0 % and 100 %", nil),
        ("loss: 25 %", "los: 25 %", 16, "events[1].los", "unknown key", "loss"),
        ("loss: 25 %", "over: 1s", 16, "events[1].path", "not none", nil),
        ("loss: 25 %", "loss: 25 %, delay: 1ms", 16, "events[1].path", "not 2", nil),
        ("link: cut", "link: cit", 18, "events[3].link", "none of", "cut"),
        ("link: cut", "link: cut, over: 1s", 18, "events[3].over", "at once", nil),
        ("at: 3s", "at: 30s", 15, "events", "the workload is over", nil),
        ("name: as Linux", "name: multimob", 22, "legs[1].name", "another leg", nil),
        ("name: as Linux", "name: 'as: Linux'", 22, "legs[1].name", "no ':'", nil),
        ("policy: backup", "policy: bakcup", 23, "legs[1].policy", "'backup'", nil),
        ("policy: backup", "duration: 1s", 23, "legs[1].duration", "too early", nil),
        ("    backends: [netns]\n", "", 28, "legs[2].client", "simulation", "backends: [netns]"),
        ("[cubic, reno]", "[cubic, rneo]", 31, "vary.congestion-control", "'reno'", nil),
        ("[outage_ms,", "[outag_ms,", 32, "show", "no result", "outage_ms"),
        ("multimob: out", "multimab: out", 34, "expect", "no leg", "multimob"),
        ("p95<500", "p95=500", 34, "expect", "no comparison", "=="),
        ("- failed==0", "- failed: 0", 34, "expect", "in quotes", nil),
    ])
    func badInputHasItsPlace(
        old: String, new: String, line: Int, field: String, message: String, suggestion: String?
    ) throws {
        let text = Self.good.replacing(old, with: new, maxReplacements: 1)
        #expect(text != Self.good)
        let error = #expect(throws: TopologyError.self) { try file(text) }
        #expect(error?.file == "dir/own.yaml")
        #expect(error?.line == line, "\(String(describing: error))")
        #expect(error?.field == field, "\(String(describing: error))")
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
        #expect(error?.suggestion == suggestion, "\(String(describing: error))")
    }

    /// Events have the units of options, and a mark before everything else is none of the text.
    @Test func minutesAndMarksAreRead() throws {
        let text = Self.good.replacing("runs: 7", with: "runs: 7\n  duration: 2min").replacing(
            "at: 3s", with: "at: 1 min")
        let file = try file("\u{FEFF}" + text)
        #expect(file.story.name == "own")
        #expect(file.base.linkChanges.last?.at == .seconds(60))
        #expect(try self.file(text.replacing("1 min", with: "1m")) == file)
    }

    /// What is written is read again, however short.
    @Test(arguments: [0, 1, 500, 1_500, 1_000_000, 1_000_001, 2_000_000_000] as [Int64])
    func durationsAreReadAsTheyAreWritten(nanoseconds: Int64) {
        let text = OptionText.text(.nanoseconds(nanoseconds))
        #expect(OptionText.duration(text) == .nanoseconds(nanoseconds), "\(text)")
    }

    /// Values of a matrix have spaces before their units where those of an option may.
    @Test func spacesBeforeUnitsAreNoDifference() throws {
        let file = try file(
            Self.good.replacing("  size: 200 B\n", with: "").replacing(
                "congestion-control: [", with: "size: [4 kB, 8 kB]\n  congestion-control: ["))
        #expect(file.axes.first?.values == ["4kB", "8kB"])
    }

    @Test(arguments: ["", "- 1", "name", "a: [", "name: x\nname: y", "{a: b}"])
    func noScenarioAtAll(text: String) {
        #expect(throws: TopologyError.self) { try file(text) }
    }

    /// What any octet of a file can be changed to is read or refused, and nothing worse.
    @Test func damagedFilesAreRefused() {
        let octets = [UInt8](Self.good.utf8)
        for place in stride(from: 0, to: octets.count, by: 3) {
            for octet in [UInt8(ascii: "0"), UInt8(ascii: "-"), UInt8(ascii: ":"), 0xff] {
                var damaged = octets
                damaged[place] = octet
                _ = try? file(String(decoding: damaged, as: UTF8.self))
            }
            _ = try? file(String(decoding: octets[..<place], as: UTF8.self))
        }
    }

    @Test func testbedsOfFilesLieBesideThem() {
        #expect(ScenarioFile.testbed("wifi-lte", besides: "a/b.yaml") == "wifi-lte")
        #expect(ScenarioFile.testbed("own.yaml", besides: "a/b.yaml") == "a/own.yaml")
        #expect(ScenarioFile.testbed("/c/own.yaml", besides: "a/b.yaml") == "/c/own.yaml")
        #expect(ScenarioFile.testbed("own.yaml", besides: "b.yaml") == "own.yaml")
    }

    // MARK: What is built in

    @Test func builtInListIsSorted() {
        let names = BuiltInScenarios.texts.map(\.name)
        #expect(names == names.sorted())
        #expect(Set(names).count == names.count)
    }

    /// Each is valid, each of its legs can run where it says, and the name is that of the file.
    @Test(arguments: BuiltInScenarios.texts.map(\.name))
    func builtInScenariosAreValid(name: String) throws {
        let (found, text) = try #require(BuiltInScenarios.find(name))
        #expect(found == name)
        let file = try file(text, name)
        #expect(file.story.name == name)
        let source = try #require(file.story.source)
        #expect(!source.contains(".md"), "nobody who runs it has that file")
        #expect(!file.expectations.isEmpty)
        for backend in file.backends {
            let plan = try file.plan(topology: ComparisonFixtures.topology) { $0.backend = backend }
            #expect(!plan.cells.isEmpty)
        }
    }

    @Test func shortNamesAreFound() {
        #expect(BuiltInScenarios.find("h4")?.name == "h4-idle-bit")
        #expect(BuiltInScenarios.find("issue") == nil)
        #expect(BuiltInScenarios.find("h") == nil)
    }
}
