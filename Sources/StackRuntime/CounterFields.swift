internal import HostStack
internal import MPTCP
internal import NetworkPrimitives
internal import Scenario
internal import TCP

extension JSONValue.Member {
    fileprivate init(_ name: String, count: Int) { self.init(name, .integer(Int64(count))) }
}

extension StackCounters {
    /// The fields of the event `stack-counters`.
    var fields: [JSONValue.Member] {
        [
            .init("packets_received", count: packetsReceived),
            .init("packets_sent", count: packetsSent),
            .init("malformed", count: malformed),
            .init("checksum_errors", count: checksumErrors),
            .init("resets_sent", count: resetsSent),
            .init("dropped_syns", count: droppedSYNs),
            .init("evicted_half_open", count: evictedHalfOpen),
            .init("path_errors", count: pathErrors),
            .init("out_of_window_errors", count: outOfWindowErrors),
            .init("lowered_mtus", count: loweredMTUs),
        ]
    }
}

extension StackDriver.Counters {
    /// More fields of the event `stack-counters`.
    var fields: [JSONValue.Member] {
        [
            .init("foreign_frames", count: foreignFrames),
            .init("held_packets", count: heldPackets),
            .init("unroutable_packets", count: unroutablePackets),
            .init("dropped_packets", count: droppedPackets),
            .init("kernel_drops", count: kernelDrops),
            .init("truncated_frames", count: truncatedFrames),
            .init("rejected_frames", count: rejectedFrames),
            .init("lost_frames", count: lostFrames),
        ]
    }
}

extension FastJoinCounters {
    fileprivate var object: JSONValue {
        .object([
            .init("sent", count: sent),
            .init("accepted", count: accepted),
            .init("ignored", count: ignored),
            .init("bad_mac", count: badMAC),
            .init("out_of_window", count: outOfWindow),
            .init("replayed", count: replayed),
            .init("syn_timeouts", count: synTimeouts),
            .init("provisional_expired", count: provisionalExpired),
            .init("bytes_early", count: bytesEarly),
            .init("amplification_blocked", count: amplificationBlocked),
        ])
    }
}

extension SwitchCounters {
    fileprivate var object: JSONValue {
        .object([
            .init("oracle_losses", count: oracleLosses),
            .init("oracle_retransmissions", count: oracleRetransmissions),
            .init("oracle_timeouts", count: oracleTimeouts),
            .init("idle_timers", count: idleTimers),
            .init("timeouts", count: timeouts),
            .init("round_trip_switches", count: roundTripSwitches),
            .init("timeout_switches", count: timeoutSwitches),
            .init("long_timeout_switches", count: longTimeoutSwitches),
            .init("returns", count: returns),
        ])
    }
}

extension ConnectionInformation {
    /// The fields of the event `connection-information`.
    var fields: [JSONValue.Member] {
        [
            .init("fallback", .bool(isFallback)),
            .init("written_bytes", count: writtenBytes),
            .init("acknowledged_bytes", count: acknowledgedBytes),
            .init("received_bytes", count: receivedBytes),
            .init("reinjected_bytes", count: counters.reinjectedBytes),
            .init("spurious_reinjections", count: counters.spuriousReinjections),
            .init("duplicate_bytes", count: counters.duplicateBytes),
            .init("joins_opened", count: counters.joinsOpened),
            .init("joins_accepted", count: counters.joinsAccepted),
            .init("joins_failed", count: counters.joinsFailed),
            .init("fast_join", counters.fastJoin.object),
            .init("switching", counters.switching.object),
            .init("mib", mib.object),
            .init("subflows", .array(subflows.map(\.object))),
        ]
    }
}

extension MIBCounters {
    /// What is not zero, under the names of `nstat`.
    var object: JSONValue {
        .object(nonZero.map { .init("MPTcpExt" + $0.name, count: $0.count) })
    }
}

extension SubflowInformation {
    fileprivate var object: JSONValue {
        .object([
            .init("subflow", count: Int(id.rawValue)),
            .init("tuple", .string(tuple.description)),
            .init("backup", .bool(isBackup)),
            .init("srtt_ms", JSONValue(rounding: smoothedRTT?.milliseconds)),
            .init("congestion_window", count: congestionWindow),
            .init("segments_sent", count: counters.segmentsSent),
            .init("segments_received", count: counters.segmentsReceived),
            .init("retransmitted_segments", count: counters.retransmittedSegments),
            .init("timeouts", count: counters.timeouts),
            .init("loss_probes", count: counters.lossProbes),
            .init("fast_recoveries", count: counters.fastRecoveries),
            .init("undone_reductions", count: counters.undoneReductions),
            .init("congestion_echoes", count: counters.congestionEchoes),
        ])
    }
}
