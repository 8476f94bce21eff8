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
    /// Of records, from when they were due to their in-order arrival.
    case medianDelay = "delay_ms.p50"
    case p95Delay = "delay_ms.p95"
    case p99Delay = "delay_ms.p99"
    case maximumDelay = "delay_ms.max"
    /// The share (of 1) of records that came later than 150 ms.
    case late
    /// Time in which something was due and nothing arrived.
    case stall = "stall_ms"
    /// Time in which both paths were in use.
    case handoverDuration = "handover_duration_ms"
    /// From the client's first SYN, on whichever path, to the SYN/ACK of the connection.
    case connect = "connect_ms"
    /// Of all radios.
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
