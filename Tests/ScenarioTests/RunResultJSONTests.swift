import Scenario
import Testing

/// A run is read back as it was written.
@Suite struct RunResultJSONTests {
    @Test func roundTrip() throws {
        var run = RunResult(index: 3, seed: 1 << 47)
        run.bytes = .init(sent: 10, delivered: 9, isIntact: false)
        run.timeline[.make] = 200.000001
        run.timeline.setUnknown(.joinSYN, because: "before t0")
        run[.resume] = 1.0 / 3
        run[.usefulReinjectedBytes] = 400
        run[.lastReinjectionDelay] = 12.5
        run.setUnknown(.resumeGoodput, because: "no \"bulk\"")
        run.pathShare = [.init("wifi", .value(0.25)), .init("lte", .unknown("nobody looked"))]
        run.captures = ["runs/003/a.pcap"]
        run.harness.lateness = .value(0.125)
        run.harness.backlogDrops = .unknown("nobody counted")
        run.fail("9 of 10")
        let text = run.json.compact
        let read = try #require(RunResult(json: JSONValue(parsing: text)))
        #expect(read.json.compact == text)
        #expect(read.outcome == .failed && read.reason == "9 of 10" && read.seed == 1 << 47)
        #expect(read[.resume] == 0.333333)
        #expect(read.reason(.resumeGoodput) == "no \"bulk\"")
        #expect(read.timeline.reason(.joinSYN) == "before t0")
        #expect(read.timeline.reason(.detected) == RunResult.notMeasured)
        #expect(read.pathShare.map(\.value.reason) == [nil, "nobody looked"])
        #expect(read.captures == run.captures)
        #expect(read.harness == run.harness)
        // Once more changes nothing.
        #expect(RunResult(json: read.json) == read)
    }

    @Test(arguments: ["{}", "[]", #"{"index": 1, "seed": 2, "outcome": "so so"}"#])
    func anythingElseIsNone(text: String) throws {
        #expect(try RunResult(json: JSONValue(parsing: text)) == nil)
    }
}
