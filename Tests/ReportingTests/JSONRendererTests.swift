import Reporting
import Scenario
import Testing

@Suite("results.json")
struct JSONRendererTests {
    @Test func obeysItsSchema() throws {
        let value = try JSONValue(parsing: JSONRenderer.text(Fixtures.experiment))
        let schema = try JSONValue(parsing: ResultsSchema.text)
        #expect(SchemaCheck.faults(value, schema) == [])
        // The checker does find faults.
        var broken = Fixtures.experiment
        broken.linkEmulation = .model
        #expect(SchemaCheck.faults(JSONRenderer.results(broken), schema) == [])
        #expect(SchemaCheck.faults(.members(["schema": "other"]), schema).count == 7)
    }

    @Test func everyMetricSaysWhatItIs() throws {
        let schema = try JSONValue(parsing: ResultsSchema.text)
        for metric in Metric.allCases {
            var member = schema["properties"]?["runs"]?["items"]
            for part in metric.rawValue.split(separator: ".") {
                member = member?["properties"]?[String(part)]
            }
            #expect(member?["description"]?.asString == metric.meaning, "\(metric)")
        }
        #expect(Set(Metric.allCases.map(\.meaning)).count == Metric.allCases.count)
    }

    @Test func namesStandInTheOrderOfTheDesign() throws {
        let value = JSONRenderer.results(Fixtures.experiment)
        #expect(
            names(value) == [
                "schema", "version", "seed", "configuration", "environment", "runs", "summary",
                "ended_early",
            ])
        let run = try #require(value["runs"]?[0])
        #expect(
            names(run) == [
                "index", "outcome", "reason", "seed", "bytes", "timeline_ms", "detection_ms",
                "join_latency_ms", "join_first_data_ms", "join_latency_rtts",
                "reinjection_delay_ms", "reinjected_bytes", "resume_ms", "limit_ms", "floor_ms",
                "handover_ms", "outage_ms", "steady_gap_ms", "resume_goodput_ms", "delay_ms",
                "late",
                "stall_ms", "handover_duration_ms", "connect_ms",
                "energy_total_j", "path_share", "radio_time_ms", "energy_j", "radio_on_ms",
                "harness", "captures", "null_reasons",
            ])
        #expect(
            names(run["timeline_ms"]) == [
                "break", "make", "ready", "detected", "join_syn", "join_synack", "join_ack",
                "join_fourth_ack", "first_reinjection", "first_data_on_new_path",
                "first_data_ack_on_new_path", "first_lacking_byte_arrived",
            ])
        #expect(names(run["reinjection_delay_ms"]) == ["first", "median", "last"])
        #expect(names(run["delay_ms"]) == ["p50", "p95", "p99", "max"])
        #expect(names(run["reinjected_bytes"]) == ["useful", "redundant"])
        #expect(names(run["path_share"]) == ["wifi", "lte"])
        let outage = names(value["summary"]?["outage_ms"])
        #expect(outage == ["median", "p95", "min", "max", "ci95", "n"])
    }

    @Test func everyNullHasAReasonAndEveryReasonANull() throws {
        let value = JSONRenderer.results(Fixtures.experiment)
        guard case .array(let runs)? = value["runs"] else { return }
        for run in runs {
            var nulls: [String] = []
            collectNulls(run, "", &nulls)
            nulls.removeAll { $0 == "reason" }
            #expect(Set(nulls) == Set(names(run["null_reasons"])))
        }
        let reasons = try #require(runs[0]["null_reasons"])
        #expect(reasons["timeline_ms.join_syn"] == "the join lies before t0")
        #expect(reasons["resume_goodput_ms"] == "no bulk transfer")
        #expect(reasons["radio_time_ms.lte"] == "no link events")
        #expect(reasons["join_latency_ms"] == "not measured")
        #expect(reasons["radio_on_ms.lte"] == "nothing captured")
        #expect(runs[2]["null_reasons"]?["energy_j"] == "not measured")
    }

    @Test func failedRunsAreCountedAndNotMixedIn() {
        let summary = JSONRenderer.results(Fixtures.experiment)["summary"]
        #expect(summary?["completed"] == 2)
        #expect(summary?["failed"] == 1)
        #expect(summary?["resume_ms"]?["median"]?.asDouble == 32.375)
        #expect(summary?["resume_ms"]?["n"] == 2)
        #expect(summary?["join_latency_ms"] == .null)
        #expect(summary?["noise_floor_ms"] == .null)
        #expect(summary?["energy_j"]?["lte"]?["median"]?.asDouble == 13.5)
        #expect(summary?["radio_on_ms"]?["wifi"]?["n"] == 2)
        #expect(summary?["radio_on_ms"]?["lte"] == .null)
    }

    @Test func textIsTheSameEveryTime() {
        let text = JSONRenderer.text(Fixtures.experiment)
        for _ in 0..<3 { #expect(JSONRenderer.text(Fixtures.experiment) == text) }
        #expect(text.contains("\"timeline_ms\": {\n"))
        #expect(
            text.contains("\"bytes\": {\"sent\": 40000, \"delivered\": 40000, \"intact\": true}"))
        #expect(text.contains("\"ci95\": [31.5, 33.25]"))
    }

    private func names(_ value: JSONValue?) -> [String] {
        guard case .object(let members)? = value else { return [] }
        return members.map(\.name)
    }

    private func collectNulls(_ value: JSONValue, _ path: String, _ result: inout [String]) {
        switch value {
        case .null: result.append(path)
        case .object(let members):
            for member in members {
                collectNulls(
                    member.value, path.isEmpty ? member.name : "\(path).\(member.name)", &result)
            }
        case .bool, .integer, .number, .string, .array: break
        }
    }
}
