import LinuxSystem
import NetworkPrimitives
import Scenario
import Testing

/// Event logs, as `mptcpctl-events(5)` describes them.
@Suite struct EventLogTests {
    private static let page = (try? TextFile.read("\(Tool.package)/man/mptcpctl-events.5")) ?? ""

    /// Words of the page's entries: names of events and of their fields.
    private static let documented: Set<Substring> = Set(
        page.split(separator: "\n").filter { $0.hasPrefix(".It Cm ") }
            .flatMap { $0.split(separator: " ").dropFirst(2) })

    private func events(
        _ directory: String, _ arguments: String...
    ) throws -> [EventRecord] {
        let outcome = try ChildProcess.run(
            Tool.path,
            [
                "handover", "multimob", "--backend", "simulation", "--seed", "7", "--runs", "1",
                "--quiet", "--duration", "2500ms", "--output", "\(directory)/out",
            ] + arguments)
        #expect(outcome.exit == .code(0), "\(outcome.error)")
        return try TextFile.read("\(directory)/out/runs/001/events.jsonl")
            .split(separator: "\n").compactMap { EventRecord(line: $0) }
    }

    /// Whatever a run logs is described, names and fields.
    @Test(arguments: ["break-before-make", "make-before-break"])
    func everyEventIsDocumented(mode: String) throws {
        try Tool.withTemporaryDirectory { directory in
            let events = try events(directory, "--mode", mode, "--events")
            let names = Set(events.map(\.name))
            for name in names {
                #expect(Self.documented.contains(name[...]), "\(name) is not documented")
            }
            for field in Set(events.flatMap(\.fields).map(\.name)) {
                #expect(
                    field == "connection" || Self.documented.contains(field[...]),
                    "field \(field) is not documented")
            }
            let ending = events.first { $0.name == "break" }
            #expect(ending?.fields.contains { $0.name == "kind" } == true)
            for wanted in [
                "tcp_state_updated", "metrics_updated", "mapping_sent", "mapping_received",
                "data_acknowledged", "reinjection",
            ] { #expect(names.contains(wanted), "\(wanted) is missing") }
        }
    }

    /// Details are there on demand only, and tell a story that agrees with itself.
    @Test func detailsAddUp() throws {
        let quiet = try Tool.withTemporaryDirectory { try events($0, "--size", "300000") }
        let full = try Tool.withTemporaryDirectory {
            try events($0, "--size", "300000", "--events")
        }
        let details: Set = ["mapping_sent", "metrics_updated", "data_received"]
        #expect(quiet.allSatisfy { !details.contains($0.name) })
        // The milestones are the same: looking changes nothing.
        let milestones = Set(quiet)
        let kept = full.filter { milestones.contains($0) }
        #expect(kept == quiet)
        let mapped = sum("length", of: full.filter(isFirstMapping))
        let summary = full.first { $0.name == "workload-summary" && $0.source == "client" }
        let sent = try #require(summary?["bytes_sent"]?.asInteger)
        // The preamble of the workload comes on top.
        #expect(mapped >= sent && mapped < sent + 200)
        let received = full.last { $0.name == "data_received" && $0.source == "server" }
        #expect(received?["bytes"]?.asInteger == mapped)
        let acknowledged = full.last { $0.name == "data_acknowledged" && $0.source == "client" }
        #expect(acknowledged?["bytes"]?.asInteger == mapped)
    }

    private func isFirstMapping(_ event: EventRecord) -> Bool {
        event.name == "mapping_sent" && event.source == "client"
            && event["is_reinjection"]?.asInteger == 0
    }

    private func sum(_ field: String, of events: [EventRecord]) -> Int64 {
        var sum: Int64 = 0
        for event in events { sum += event[field]?.asInteger ?? 0 }
        return sum
    }
}
