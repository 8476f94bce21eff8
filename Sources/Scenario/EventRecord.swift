package import NetworkPrimitives

/// One line of `events.jsonl`: what an endpoint, the testbed or the experiment did, on both clocks.
package struct EventRecord: Hashable, Sendable {
    /// `CLOCK_MONOTONIC` or virtual time.
    package var time: Instant
    /// `CLOCK_REALTIME` in nanoseconds, which captures use; `nil` in a simulation.
    package var wallNanoseconds: Int64?
    /// `client`, `server`, `testbed`, `experiment`.
    package var source: String
    package var name: String
    package var fields: [JSONValue.Member]

    package init(
        time: Instant, wallNanoseconds: Int64? = nil, source: String, name: String,
        fields: [JSONValue.Member] = []
    ) {
        self.time = time
        self.wallNanoseconds = wallNanoseconds
        self.source = source
        self.name = name
        self.fields = fields
    }

    /// The line without its end.
    package var line: String {
        let head = [
            JSONValue.Member("monotonic_ns", .integer(time.nanoseconds)),
            JSONValue.Member("wall_ns", wallNanoseconds.map(JSONValue.integer) ?? .null),
            JSONValue.Member("source", .string(source)),
            JSONValue.Member("event", .string(name)),
        ]
        return JSONValue.object(head + fields).compact
    }

    /// Reads a line; `nil` if it is no event.
    package init?(line: some StringProtocol) {
        guard let value = try? JSONValue(parsing: String(line)), case .object(let members) = value,
            let time = value["monotonic_ns"]?.asInteger, let source = value["source"]?.asString,
            let name = value["event"]?.asString
        else { return nil }
        let head: Set<String> = ["monotonic_ns", "wall_ns", "source", "event"]
        self.init(
            time: Instant(nanoseconds: time), wallNanoseconds: value["wall_ns"]?.asInteger,
            source: source, name: name, fields: members.filter { !head.contains($0.name) })
    }

    /// The value of a field.
    package subscript(_ field: String) -> JSONValue? {
        fields.first { $0.name == field }?.value
    }
}

extension WorkloadSummary {
    /// The fields of the event `workload-summary`, with which an endpoint in a process of its own
    /// reports to the experiment.
    package var fields: [JSONValue.Member] {
        let milliseconds = { (value: Duration?) in JSONValue(rounding: value?.milliseconds) }
        let nanoseconds = { (value: Instant?) in
            value.map { JSONValue.integer($0.nanoseconds) } ?? .null
        }
        return [
            .init("bytes_sent", .integer(Int64(bytesSent))),
            .init("bytes_received", .integer(Int64(bytesReceived))),
            .init("intact", .bool(isIntact)),
            .init("first_mismatch", firstMismatch.map { .integer(Int64($0)) } ?? .null),
            .init("records_sent", .integer(Int64(recordsSent))),
            .init("records_received", .integer(Int64(recordsReceived))),
            .init("worst_latency_ms", milliseconds(worstLatency)),
            .init("longest_silence_ms", milliseconds(longestSilence?.duration)),
            .init("longest_silence_start_ns", nanoseconds(longestSilence?.start)),
            .init("started_ns", nanoseconds(started)),
            .init("first_arrival_ns", nanoseconds(firstArrival)),
            .init("last_arrival_ns", nanoseconds(lastArrival)),
            .init("complete", .bool(isComplete)),
            .init("failure", failure.map { .string($0.description) } ?? .null),
        ]
    }
}

extension WorkloadSummary {
    /// Reads the event `workload-summary` back; the latencies of single records are not in it.
    package init?(event: EventRecord) {
        func instant(_ name: String) -> Instant? {
            event[name]?.asInteger.map { Instant(nanoseconds: $0) }
        }
        guard event.name == Self.eventName, let sent = event["bytes_sent"]?.asInteger,
            let received = event["bytes_received"]?.asInteger,
            let complete = event["complete"]?.asBool
        else { return nil }
        self.init()
        bytesSent = Int(sent)
        bytesReceived = Int(received)
        firstMismatch = event["first_mismatch"]?.asInteger.map { Int($0) }
        recordsSent = Int(event["records_sent"]?.asInteger ?? 0)
        recordsReceived = Int(event["records_received"]?.asInteger ?? 0)
        started = instant("started_ns")
        firstArrival = instant("first_arrival_ns")
        lastArrival = instant("last_arrival_ns")
        if let start = instant("longest_silence_start_ns"),
            let length = event["longest_silence_ms"]?.asDouble
        {
            longestSilence = Silence(
                start: start, duration: .nanoseconds(Int64((length * 1e6).rounded())))
        }
        isComplete = complete
        failure = event["failure"]?.asString.map { .reported($0) }
    }

    /// The name of the event.
    package static let eventName = "workload-summary"
}

extension WorkloadEndpoint {
    /// The name of the event with `startedFields`.
    package static let startedEventName = "workload-started"

    /// What is done, where its cadence lies, so that the experiment can lock `t0` to it, and when
    /// this end's first record on a cadence was due; `nil` as long as it is not known.
    package var startedFields: [JSONValue.Member]? {
        guard let workload, hasStarted else { return nil }
        return [
            .init("workload", .string(workload.kind.rawValue)),
            .init("direction", .string(workload.direction.rawValue)),
            .init("size", .integer(Int64(workload.size))),
            .init("interval_ns", .integer(workload.interval.wholeNanoseconds)),
            .init("phase_ns", recordPhase.map { .integer($0.reference.nanoseconds) } ?? .null),
            .init("first_record_ns", firstRecord.map { .integer($0.nanoseconds) } ?? .null),
        ]
    }
}

extension RecordPhase {
    /// Reads it from the event `workload-started`; `nil` if the workload has no cadence.
    package init?(event: EventRecord) {
        guard event.name == WorkloadEndpoint.startedEventName,
            let reference = event["phase_ns"]?.asInteger,
            let interval = event["interval_ns"]?.asInteger
        else { return nil }
        self.init(reference: Instant(nanoseconds: reference), interval: .nanoseconds(interval))
    }
}
