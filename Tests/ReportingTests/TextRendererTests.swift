import NetworkPrimitives
import Reporting
import Scenario
import Testing

@Suite("report.txt")
struct TextRendererTests {
    @Test func golden() throws {
        var result = Fixtures.experiment
        result.noiseFloor = Statistics([20.5, 21.75], seed: 1)
        let checks = try ["resume_ms.p95<33", "failed==0", "join_latency_ms.max<1"].map {
            try Assertion(parsing: $0).evaluate(result.summary)
        }
        let text = TextRenderer.report(result, assertions: checks)
        if text != Self.expected { print(text) }
        #expect(text == Self.expected)
    }

    @Test func anotherProfileIsNamed() {
        var result = Fixtures.experiment
        result.scenario.join = .synData
        #expect(TextRenderer.report(result).contains("join syn-data\n"))
        result.scenario.fastJoinProfile = .multimob
        #expect(TextRenderer.report(result).contains("join syn-data (multimob)\n"))
    }

    @Test func noiseFloorRunHasNoTimeline() {
        var result = Fixtures.experiment
        result.scenario.isNull = true
        let text = TextRenderer.report(result)
        #expect(text.hasPrefix("Handover wifi-lte: make-before-break, no break (noise floor)\n"))
        #expect(!text.contains("Time line"))
    }

    @Test func nothingCompletedStillReports() {
        var result = Fixtures.experiment
        result.runs = [result.runs[2]]
        let text = TextRenderer.report(result)
        #expect(text.contains("run 3: 15000 of 40000 octets were delivered"))
        #expect(!text.contains("Results of"))
    }

    @Test func progressIsOneLine() {
        let runs = Fixtures.experiment.runs
        #expect(
            TextRenderer.progress(runs[0], of: 3)
                == "run 1/3 completed: resume_ms 31.50, floor_ms 30.12, limit_ms 30.12, "
                + "handover_ms 31.50, outage_ms 21.50, steady_gap_ms 20.04")
        #expect(
            TextRenderer.progress(runs[2], of: 3)
                == "run 3/3 failed: 15000 of 40000 octets were delivered")
    }

    @Test func representativeIsNearestToTheMedian() {
        let scenario = HandoverScenario()
        let runs = [50.0, 31, 90, 33, 32].enumerated().map {
            Fixtures.run($0.offset + 1, scenario, resume: $0.element)
        }
        #expect(runs.representative?.index == 4)
    }

    private static let expected = """
        Handover wifi-lte: make-before-break, link-down
          backend    netns (real time, network namespaces), links by the relay process
          client     swift (mptcpctl 0.1.0)
          server     kernel 6.18.44 (path manager: as-is)
          workload   stream upload, 200 B every 20 ms, 4000 ms
          protocol   policy backup, scheduler lowest-rtt (swift), the kernel's (kernel), congestion control cubic, join standard
          runs       3: 2 completed, 1 failed; seed 42
          kernel     6.18.44
          cpus       2

        Time line of run 1 (nearest to the median), ms from t0
          -1500.250  make: the new path is up
              0.000  break: the old path ends
              0.000  ready: only the protocol delays from here
              0.125  detected: an endpoint acts
              0.125  first reinjection leaves
             31.500  resume: the first lacking octet arrives
                  -  SYN + MP_JOIN leaves: the join lies before t0
                  -  SYN/ACK + MP_JOIN: not measured
                  -  third ACK: not measured
                  -  fourth ACK: not measured
                  -  first data on the new path leave: not measured
                  -  first DATA_ACK on the new path: not measured

        Results of 2 runs
                                       median    p95    min    max  95 % of median  n
          resume_ms                     32.38  33.16  31.50  33.25  31.50 .. 33.25  2
          resume / floor                 1.07   1.10   1.05   1.10    1.05 .. 1.10  2
          floor_ms                      30.12  30.12  30.12  30.12  30.12 .. 30.12  2
          limit_ms                      30.12  30.12  30.12  30.12  30.12 .. 30.12  2
          handover_ms                   32.38  33.16  31.50  33.25  31.50 .. 33.25  2
          outage_ms                     22.38  23.16  21.50  23.25  21.50 .. 23.25  2
          steady_gap_ms                 20.04  20.04  20.04  20.04  20.04 .. 20.04  2
          detection_ms                   0.13   0.13   0.13   0.13    0.13 .. 0.13  2
          reinjection_delay_ms.first     0.13   0.13   0.13   0.13    0.13 .. 0.13  2
          reinjection_delay_ms.median    0.13   0.13   0.13   0.13    0.13 .. 0.13  2
          reinjection_delay_ms.last      0.25   0.25   0.25   0.25    0.25 .. 0.25  2
          reinjected_bytes.useful         200    200    200    200      200 .. 200  2
          reinjected_bytes.redundant        0      0      0      0          0 .. 0  2
          energy_total_j                14.25  14.25  14.25  14.25  14.25 .. 14.25  2
          energy_j wifi                  0.75   0.75   0.75   0.75    0.75 .. 0.75  2
          energy_j lte                  13.50  13.50  13.50  13.50  13.50 .. 13.50  2
          radio_on_ms wifi               1738   1738   1738   1738    1738 .. 1738  2

        Noise floor: without a break the largest gap is 21.1 ms (median), 21.8 ms (max) in 2 runs

        Failed runs
          run 3: 15000 of 40000 octets were delivered

        Not known
          join_latency_ms, join_first_data_ms, join_latency_rtts, delay_ms.p50, delay_ms.p95, delay_ms.p99, delay_ms.max, late, stall_ms, handover_duration_ms, connect_ms: not measured
          resume_goodput_ms: no bulk transfer

        Assertions
          FAILS  resume_ms.p95<33  (33.163)
          FAILS  failed==0  (1)
          FAILS  join_latency_ms.max<1  (not known)

        Files: results/one

        """
}
