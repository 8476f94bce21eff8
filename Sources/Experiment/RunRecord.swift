package import NetworkPrimitives
package import Scenario
package import TraceAnalysis

/// What one run left behind, in either world, before anybody has judged it.
package struct RunRecord {
    /// What the capture points saw, in the order of `CapturePoint`.
    package var packets: [TracePacket] = []
    /// When the client's workload began.
    package var start: Instant?
    /// `t0`: when the old path ended, as measured by whatever ended it.
    package var breakTime: Instant?
    /// When the new path came up.
    package var makeTime: Instant?
    /// What else happened to links, when it happened.
    package var linkChanges: [MeasuredLinkChange] = []
    /// What to add to an `Instant` to get the clock of the captures.
    package var captureClockOffset: Int64 = 0
    package var clientSummary: WorkloadSummary?
    package var serverSummary: WorkloadSummary?
    /// What the endpoints and the experiment reported, in the order of time.
    package var events: [EventRecord] = []
    /// Capture files, relative to the output directory.
    package var captureFiles: [String] = []
    /// Why the run did not do what it should, if the world knows.
    package var failure: String?
    /// What the harness did to it.
    package var harness = RunHarness()

    package init() {}

    /// Notes something that the experiment did.
    mutating func note(_ name: String, at time: Instant, _ fields: [JSONValue.Member] = []) {
        events.append(
            EventRecord(
                time: time,
                wallNanoseconds: captureClockOffset == 0
                    ? nil : time.nanoseconds + captureClockOffset,
                source: "experiment", name: name, fields: fields))
    }
}

extension RunRecord {
    /// When the first record in the direction that is looked at was due, by its sender's word; of an
    /// echo the record that is sent back.
    func firstRecord(_ scenario: HandoverScenario) -> Instant? {
        let sender =
            scenario.direction == .upload || scenario.workloadKind == .echo ? "client" : "server"
        let started = events.first {
            $0.source == sender && $0.name == WorkloadEndpoint.startedEventName
        }
        return started?["first_record_ns"]?.asInteger.map { Instant(nanoseconds: $0) }
    }
}

/// A link change of a run's scenario.
package struct MeasuredLinkChange: Hashable, Sendable {
    package var change: LinkChange
    /// The number of the path in the topology.
    package var path: Int
    /// When it began.
    package var time: Instant
}

extension RunRecord {
    /// Notes a step of the links' timetable: the beginning of a change, and the end of a ramp.
    mutating func note(_ step: LinkStep, of scenario: HandoverScenario, at time: Instant) {
        let change = scenario.linkChanges[step.change]
        if step.isFirst {
            linkChanges.append(MeasuredLinkChange(change: change, path: step.path, time: time))
            note(LinkChange.eventName, at: time, change.fields)
        } else if step.isLast {
            note(LinkChange.endEventName, at: time, change.fields)
        }
    }
}

/// Where a run is captured.
package enum CapturePoint {
    /// `client-wifi0`, `client-lte0`, ..., `server-eth0`: also the names of the files.
    package static func names(clientInterfaces: [String], serverInterface: String) -> [String] {
        clientInterfaces.map { "client-\($0)" } + ["server-\(serverInterface)"]
    }
}
