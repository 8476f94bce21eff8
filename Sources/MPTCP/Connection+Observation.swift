internal import CongestionControl
public import NetworkPrimitives
internal import TCP
internal import WireFormat

/// What the detailed event log saw last: the next look logs what is different.
struct Observation: Sendable {
    struct Seen: Sendable {
        var id: SubflowID
        var state: TCPState
        var window: Int
        var threshold: Int
        var counters: TCPConnection.Counters
        var mappings: Int
    }

    var subflows: [Seen] = []
    var acknowledged = 0
    var received = 0
}

extension LogEvent {
    /// Events that are logged only on demand (`ConnectionConfiguration.logsDetails`): several for
    /// each segment. All others are milestones.
    public static let detailNames: Set<String> = [
        "tcp_state_updated", "metrics_updated", "loss_timer_expired", "loss_probe_sent",
        "recovery_entered", "segments_retransmitted", "mapping_sent", "mapping_received",
        "data_acknowledged", "data_received",
    ]
}

extension Connection {
    /// Logs what changed since the last look: states, windows, recoveries, mappings, progress. It
    /// costs nothing where it is not called; the host's stack calls it after each input and output
    /// when details are wanted.
    public mutating func observe(now: Instant) {
        var seen = observation ?? Observation()
        for index in subflows.indices {
            let id = subflows[index].id
            let known = seen.subflows.firstIndex { $0.id == id }
            let position = known ?? seen.subflows.endIndex
            if known == nil {
                logState(nil, index, now: now)
                seen.subflows.append(look(at: index, mappings: 0))
            }
            let before = seen.subflows[position]
            if known != nil, before.state != subflows[index].tcp.state {
                logState(before.state, index, now: now)
            }
            logCounters(before.counters, index, now: now)
            logMappings(before.mappings, index, now: now)
            logMetrics(before, index, now: now)
            seen.subflows[position] = look(at: index, mappings: subflows[index].mappingCount)
        }
        seen.subflows.removeAll { known in !subflows.contains { $0.id == known.id } }
        if data.acknowledged != seen.acknowledged {
            log(
                "data_acknowledged", now: now, ("bytes", .number(data.acknowledged)),
                ("dsn", .dataSequenceNumber(data.dataSequenceNumber(at: data.acknowledged))))
        }
        if data.received.end != seen.received {
            log("data_received", now: now, ("bytes", .number(data.received.end)))
        }
        seen.acknowledged = data.acknowledged
        seen.received = data.received.end
        observation = seen
    }

    private func look(at index: Int, mappings: Int) -> Observation.Seen {
        let tcp = subflows[index].tcp
        return Observation.Seen(
            id: subflows[index].id, state: tcp.state, window: tcp.congestion.window,
            threshold: tcp.congestion.slowStartThreshold, counters: tcp.counters,
            mappings: mappings)
    }

    private func number(_ index: Int) -> (name: String, value: LogValue) {
        ("subflow", .number(Int(subflows[index].id.rawValue)))
    }

    private mutating func logState(_ old: TCPState?, _ index: Int, now: Instant) {
        log(
            "tcp_state_updated", now: now, number(index),
            ("old", .text(old.map { "\($0)" } ?? "none")),
            ("new", .text("\(subflows[index].tcp.state)")))
    }

    private mutating func logCounters(
        _ before: TCPConnection.Counters, _ index: Int, now: Instant
    ) {
        let counters = subflows[index].tcp.counters
        let changes = [
            ("loss_timer_expired", before.timeouts, counters.timeouts),
            ("loss_probe_sent", before.lossProbes, counters.lossProbes),
            ("recovery_entered", before.fastRecoveries, counters.fastRecoveries),
            (
                "segments_retransmitted", before.retransmittedSegments,
                counters.retransmittedSegments
            ),
        ]
        for (name, old, new) in changes where new != old {
            log(name, now: now, number(index), ("count", .number(new - old)))
        }
    }

    private mutating func logMappings(_ before: Int, _ index: Int, now: Instant) {
        let fresh = subflows[index].sentMappings.suffix(subflows[index].mappingCount - before)
        for mapping in fresh {
            log(
                "mapping_sent", now: now, number(index),
                ("dsn", .dataSequenceNumber(data.dataSequenceNumber(at: mapping.data.lowerBound))),
                ("ssn", .number(mapping.subflowEnd - mapping.data.count + 1)),
                ("length", .number(mapping.data.count)),
                ("is_reinjection", .number(mapping.kind == .reinjection ? 1 : 0)))
        }
    }

    private mutating func logMetrics(_ before: Observation.Seen, _ index: Int, now: Instant) {
        let tcp = subflows[index].tcp
        let threshold = tcp.congestion.slowStartThreshold
        guard tcp.congestion.window != before.window || threshold != before.threshold else {
            return
        }
        var fields: [(name: String, value: LogValue)] = [
            number(index), ("congestion_window", .number(tcp.congestion.window)),
        ]
        // Before the first loss there is no threshold.
        if threshold != .max { fields.append(("slow_start_threshold", .number(threshold))) }
        if let smoothed = tcp.rtt.smoothed {
            fields.append(("smoothed_rtt_us", .number(Int(smoothed / 1_000))))
        }
        events.append(.log(LogEvent("metrics_updated", time: now, fields)))
    }

    /// A mapping that a subflow brought; called where it is learned.
    mutating func observeMapping(
        data offset: Int, subflow: Int, length: Int, _ index: Int, now: Instant
    ) {
        log(
            "mapping_received", now: now, number(index), ("offset", .number(offset)),
            ("ssn", .number(subflow + 1)), ("length", .number(length)))
    }
}
