/// A number that a run yields (design/metrics.md). The raw value is its place in `results.json`,
/// and its name in assertions.
package enum Metric: String, Hashable, Sendable, CaseIterable {
    case detection = "detection_ms"
    case joinLatency = "join_latency_ms"
    case joinFirstData = "join_first_data_ms"
    case joinLatencyRTTs = "join_latency_rtts"
    case firstReinjectionDelay = "reinjection_delay_ms.first"
    case medianReinjectionDelay = "reinjection_delay_ms.median"
    case lastReinjectionDelay = "reinjection_delay_ms.last"
    case usefulReinjectedBytes = "reinjected_bytes.useful"
    case redundantReinjectedBytes = "reinjected_bytes.redundant"
    case resume = "resume_ms"
    case limit = "limit_ms"
    case floor = "floor_ms"
    case handover = "handover_ms"
    case outage = "outage_ms"
    case steadyGap = "steady_gap_ms"
    case resumeGoodput = "resume_goodput_ms"
    case medianDelay = "delay_ms.p50"
    case p95Delay = "delay_ms.p95"
    case p99Delay = "delay_ms.p99"
    case maximumDelay = "delay_ms.max"
    case late
    case stall = "stall_ms"
    case handoverDuration = "handover_duration_ms"
    case connect = "connect_ms"
    case energy = "energy_total_j"

    /// Whether it is in milliseconds.
    package var isTime: Bool { unit == "ms" }

    /// Decimal places, for people.
    package var places: Int {
        switch self {
        case .usefulReinjectedBytes, .redundantReinjectedBytes: 0
        case .late: 4
        default: 2
        }
    }

    /// The unit, for people.
    package var unit: String {
        switch self {
        case .joinLatencyRTTs: "RTT"
        case .energy: "J"
        case .late: "of 1"
        case .usefulReinjectedBytes, .redundantReinjectedBytes: "B"
        case .detection, .joinLatency, .joinFirstData, .firstReinjectionDelay,
            .medianReinjectionDelay, .lastReinjectionDelay, .resume, .limit, .floor, .handover,
            .outage, .steadyGap, .resumeGoodput, .medianDelay, .p95Delay, .p99Delay, .maximumDelay,
            .stall, .handoverDuration, .connect:
            "ms"
        }
    }
}

extension Metric {
    /// What it is, in one line, for people. `t0` is the break, `ready` the later one of the break and the
    /// new path's coming up.
    package var meaning: String {
        switch self {
        case .detection:
            "t0 to the first packet of an endpoint that shows it knows: a join, a reinjection, "
                + "REMOVE_ADDR or MP_PRIO"
        case .joinLatency: "SYN of the join leaves to the joining host being allowed to send data"
        case .joinFirstData: "SYN of the join leaves to the first octet on that subflow at the peer"
        case .joinLatencyRTTs: "join_latency_ms in base round trips of the new path"
        case .firstReinjectionDelay: Self.reinjectionDelay + ", the first range"
        case .medianReinjectionDelay: Self.reinjectionDelay + ", the median of the ranges"
        case .lastReinjectionDelay: Self.reinjectionDelay + ", the last range"
        case .usefulReinjectedBytes: "octets of such ranges that the reinjection brought first"
        case .redundantReinjectedBytes: "octets of such ranges that the original brought first"
        case .resume:
            "ready to the arrival, on another subflow, of the first in-order octet that the "
                + "receiver lacked then: the headline"
        case .limit: "the least resume_ms that the variant in use allows on this testbed"
        case .floor: "the least resume_ms that any protocol could have on this testbed"
        case .handover: "as resume_ms, but from t0"
        case .outage:
            "longest time without new in-order octets that contains or follows t0, less "
                + "steady_gap_ms"
        case .steadyGap: "the workload's own longest time without new in-order octets before t0"
        case .resumeGoodput:
            "t0 to the goodput over 100 ms being back at 90 % of what the remaining path can "
                + "carry (bulk)"
        case .medianDelay: Self.recordDelay + ", median of the records"
        case .p95Delay: Self.recordDelay + ", 95th percentile"
        case .p99Delay: Self.recordDelay + ", 99th percentile"
        case .maximumDelay: Self.recordDelay + ", the longest"
        case .late: "share of the records that came later than 150 ms"
        case .stall: "time in which something was due and nothing arrived"
        case .handoverDuration: "time in which both paths were in use"
        case .connect:
            "first SYN of the client, on whichever path, to the first SYN/ACK of the connection"
        case .energy: "joules of all radios, by the states that the packets cause"
        }
    }

    private static let reinjectionDelay =
        "t0 to the first reinjection of what had been sent on the lost subflow and was not "
        + "DATA_ACKed"
    private static let recordDelay = "a record being due to its in-order arrival"
}

/// A moment of a run's time line, in milliseconds from `t0`.
package enum Milestone: String, Hashable, Sendable, CaseIterable {
    case breakOldPath = "break"
    case make
    case ready
    case detected
    case joinSYN = "join_syn"
    case joinSYNACK = "join_synack"
    case joinACK = "join_ack"
    case joinFourthACK = "join_fourth_ack"
    case firstReinjection = "first_reinjection"
    case firstDataOnNewPath = "first_data_on_new_path"
    case firstDataACKOnNewPath = "first_data_ack_on_new_path"
    case firstLackingByteArrived = "first_lacking_byte_arrived"
}

extension Milestone {
    /// What happened then, for people.
    package var meaning: String {
        switch self {
        case .breakOldPath: "the old path ends"
        case .make: "the new path is up"
        case .ready: "only the protocol delays from here"
        case .detected: "an endpoint acts"
        case .joinSYN: "SYN + MP_JOIN leaves"
        case .joinSYNACK: "SYN/ACK + MP_JOIN"
        case .joinACK: "third ACK"
        case .joinFourthACK: "fourth ACK"
        case .firstReinjection: "first reinjection leaves"
        case .firstDataOnNewPath: "first data on the new path leave"
        case .firstDataACKOnNewPath: "first DATA_ACK on the new path"
        case .firstLackingByteArrived: "the first lacking octet arrives"
        }
    }
}
