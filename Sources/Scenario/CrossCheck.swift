internal import NetworkPrimitives
package import TraceAnalysis

/// Compares what the captures show with what the endpoints say they did: two witnesses of one run.
package struct CrossCheck: Sendable {
    private let connection: ConnectionTrace
    private let events: [EventRecord]
    private let scenario: HandoverScenario
    /// How far an endpoint's clock reading may lie from the packet's time in the capture.
    private let tolerance: Int64

    /// A millisecond, and what the capture may be off.
    package static let endpointTolerance = Duration.milliseconds(1)

    /// The longest that a busy host may take from an endpoint's decision to the packet on its link
    /// (packet-io.md, 2 and 4: 99th percentiles of a few milliseconds, single ones of some tens).
    private static let hostDelay = Duration.milliseconds(25).wholeNanoseconds

    /// Disagreements as sentences, empty if there is none.
    ///
    /// - Parameters:
    ///   - events: records of both endpoints; those of kernel endpoints hold no log and say nothing.
    ///   - resolution: what the captures' times may be off.
    ///   - clockOffset: nanoseconds to add to the monotonic clock of the events to get the captures';
    ///     used where an event has no wall time.
    package static func disagreements(
        _ report: TraceReport, _ measurement: HandoverMeasurement, events: [EventRecord],
        scenario: HandoverScenario, resolution: Duration = .zero, clockOffset: Int64 = 0
    ) -> [String] {
        guard report.connections.indices.contains(measurement.connection) else { return [] }
        let check = CrossCheck(
            connection: report.connections[measurement.connection],
            events: events.map { event in
                var event = event
                event.wallNanoseconds =
                    event.wallNanoseconds ?? event.time.nanoseconds &+ clockOffset
                return event
            }, scenario: scenario,
            tolerance: (endpointTolerance + resolution).wholeNanoseconds)
        return check.protocolDisagreements + check.joinDisagreements
            + check.reinjectionDisagreements + check.octetDisagreements
    }

    private func events(_ name: String, from source: String) -> [EventRecord] {
        events.filter { $0.source == source && $0.name == name }
    }

    private func kind(_ source: String) -> EndpointKind {
        source == "client" ? scenario.client : scenario.server
    }

    /// Whether the endpoint keeps a log at all.
    private func hasLog(_ source: String) -> Bool {
        kind(source) == .swift && events.contains { $0.source == source }
    }

    private var protocolDisagreements: [String] {
        let isMultipath = connection.kind != .tcp && connection.fallback == nil
        return ["client", "server"].flatMap { source in
            events("connection_established", from: source).prefix(1).compactMap { event in
                let says = event["mptcp"]?.asInteger.map { $0 != 0 }
                guard hasLog(source), let says, says != isMultipath else { return nil }
                return "the \(source) says that the connection is "
                    + "\(says ? "MPTCP" : "TCP"), the captures that it is "
                    + (isMultipath ? "MPTCP" : "TCP")
            }
        }
    }

    private var joinDisagreements: [String] {
        guard hasLog("client") else { return [] }
        let seen = connection.joins.filter(\.isFromClient)
        let sent = events("join_sent", from: "client")
        var result: [String] = []
        // A SYN may be lost before it reaches the capture point: that is a link which is down.
        if seen.count > sent.count {
            result.append(
                "the captures show \(seen.count) joins of the client, its log \(sent.count)")
        }
        for join in seen {
            guard let time = join.start else { continue }
            let nearest = sent.compactMap(\.wallNanoseconds).map { time - $0 }
                .min { abs($0) < abs($1) }
            // The SYN leaves after the decision, never before it. How long after is up to the
            // host: whoever is preempted between the two is late, and nothing is wrong.
            guard let nearest, nearest < -tolerance || nearest > Self.hostDelay else { continue }
            result.append(
                "SYN+MP_JOIN left \(Self.text(nearest)) after the client's log says it was sent")
        }
        guard hasLog("server") else { return result }
        let reached = seen.filter { join in join.syns.contains { $0.arrived != nil } }
        // What comes after the server's end of the connection finds nobody who would log it.
        let refused = reached.count { join in
            guard case .refused(byListener: true, _) = join.outcome else { return false }
            return join.synACK == nil
        }
        let received = events("join_received", from: "server").count
        if !(reached.count - refused...reached.count).contains(received) {
            result.append("\(reached.count) joins reached the server, its log has \(received)")
        }
        return result
    }

    private var reinjectionDisagreements: [String] {
        [(TraceDirection.upload, "client"), (.download, "server")].compactMap { direction, source in
            let scheduler = source == "client" ? scenario.scheduler : scenario.serverScheduler
            // What the redundant scheduler sends on every path is no reinjection to it.
            guard hasLog(source), scheduler != .redundant else { return nil }
            let logged = events("reinjection", from: source).compactMap(\.wallNanoseconds).min()
            let stream = connection[direction]
            let seen = stream.transmissions.lazy
                .filter { $0.kind == .reinjection || $0.kind == .lateReinjection }
                .compactMap(\.times.first).min()
            // What was decided may never leave: a DATA_ACK overtook it, or nothing carried it.
            guard let seen else { return nil }
            guard let logged else {
                return "the captures show a reinjection of the \(source), its log none"
            }
            // The decision may wait for room on the subflow, but no packet goes before it.
            guard seen < logged - tolerance else { return nil }
            return "the first reinjection of the \(source) left \(Self.text(logged - seen)) "
                + "before its log says that it was decided"
        }
    }

    private var octetDisagreements: [String] {
        [(TraceDirection.upload, "client", "server"), (.download, "server", "client")]
            .compactMap { direction, sender, receiver in
                let stream = connection[direction]
                guard stream.isOriginInitial, let end = stream.deliveredOffset else { return nil }
                guard let event = events(WorkloadSummary.eventName, from: receiver).last,
                    let summary = WorkloadSummary(event: event)
                else { return nil }
                let least = summary.bytesReceived
                // Preambles stand before the workload's octets.
                let most = least + WorkloadPreamble.encodedLength
                guard !(least...most).contains(end) else { return nil }
                return "the captures show \(end) octets from the \(sender) at the \(receiver), "
                    + "which counts \(least)"
            }
    }

    private static func text(_ nanoseconds: Int64) -> String {
        let tenths = (Double(nanoseconds) / 1e5).rounded() / 10
        return "\(tenths) ms"
    }
}
