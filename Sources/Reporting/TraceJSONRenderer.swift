internal import NetworkPrimitives
package import Scenario
internal import TraceAnalysis
internal import WireFormat

/// The analysis of captures as JSON, schema `mptcpctl.trace/1`. Names and their order are stable;
/// times are in milliseconds from `start`; what is not known is null, and `unknown` says why.
package struct TraceJSONRenderer {
    package static let schemaName = "mptcpctl.trace/1"

    private let document: TraceDocument

    private static let gapCount = 20

    /// The whole analysis.
    package static func value(_ document: TraceDocument) -> JSONValue {
        TraceJSONRenderer(document: document).value
    }

    /// The same as text.
    package static func text(_ document: TraceDocument) -> String { value(document).pretty }

    private init(document: TraceDocument) { self.document = document }

    private var value: JSONValue {
        let counts = document.report.counts
        return .members([
            "schema": .string(Self.schemaName),
            "captures": .array(
                document.captures.map { capture in
                    .members([
                        "file": .string(capture.file),
                        "link_type": .string(capture.linkType),
                        "packets": Self.integer(capture.packets),
                        "warning": Self.string(capture.warning),
                    ])
                }),
            "points": .array(document.report.points.map { .string($0.name) }),
            "start": Self.string(document.start.map(TraceTime.epoch)),
            "counts": .members([
                "packets": Self.integer(counts.packets),
                "segments": Self.integer(counts.segments),
                "other_protocols": Self.integer(counts.otherProtocols),
                "fragments": Self.integer(counts.fragments),
                "malformed": Self.integer(counts.malformed),
                "headers_cut": Self.integer(counts.headersCut),
                "cut": Self.integer(counts.cut),
                "super_packets": Self.integer(counts.superPackets),
                "repeated": Self.integer(counts.repeated),
            ]),
            "connections": .array(document.report.connections.map(connection)),
        ])
    }

    // MARK: One connection

    private func connection(_ connection: ConnectionTrace) -> JSONValue {
        .members([
            "index": Self.integer(connection.index),
            "protocol": .string(connection.kind.rawValue),
            "client": .string(connection.client.description),
            "server": .string(connection.server.description),
            "client_known": .bool(connection.isClientKnown),
            "first_ms": time(connection.firstTime),
            "last_ms": time(connection.lastTime),
            "client_key": Self.string(connection.clientKey.value.map { hexadecimal($0.rawValue) }),
            "server_key": Self.string(connection.serverKey.value.map { hexadecimal($0.rawValue) }),
            "client_token": Self.string(connection.clientToken.value?.description),
            "server_token": Self.string(connection.serverToken.value?.description),
            "checksums": connection.usesChecksums.value.map(JSONValue.bool) ?? .null,
            "fallback": connection.fallback.map { fallback in
                .members([
                    "time_ms": time(fallback.time), "cause": .string(fallback.cause.rawValue),
                ])
            } ?? .null,
            "subflows": .array(connection.subflows.map(subflow)),
            "joins": .array(connection.joins.map(join)),
            "upload": direction(connection.upload),
            "download": direction(connection.download),
            "signals": .array(connection.signals.map(signal)),
            "unknown": .array(
                document.unknowns(of: connection).map {
                    .members(["name": .string($0.name), "reason": .string($0.reason)])
                }),
        ])
    }

    private func subflow(_ subflow: SubflowTrace) -> JSONValue {
        .members([
            "index": Self.integer(subflow.index),
            "kind": .string(subflow.kind.rawValue),
            "client": .string(subflow.tuple.local.description),
            "server": .string(subflow.tuple.remote.description),
            "opened_by": .string(Self.side(subflow.isOpenedByClient)),
            "found_by": .string(subflow.membership.rawValue),
            "points": .array(subflow.points.map(Self.integer)),
            "first_ms": time(subflow.firstTime),
            "last_ms": time(subflow.lastTime),
            "handshake_rtt_ms": subflow.handshakeRoundTrip.value.map(duration) ?? .null,
            "client_end": end(subflow.client),
            "server_end": end(subflow.server),
            "reset": subflow.reset.map { reset in
                .members([
                    "time_ms": time(reset.time), "by": .string(Self.side(reset.isFromClient)),
                    "reason": Self.integer(reset.reason.map { Int($0.reason.rawValue) }),
                    "transient": reset.reason.map { .bool($0.isTransient) } ?? .null,
                ])
            } ?? .null,
        ])
    }

    private func end(_ end: SubflowTrace.End) -> JSONValue {
        .members([
            "address_id": Self.integer(end.addressID.map { Int($0.rawValue) }),
            "backup": end.isBackup.map(JSONValue.bool) ?? .null,
            "mss": Self.integer(end.maximumSegmentSize.map(Int.init)),
            "window_scale": Self.integer(end.windowScale.map(Int.init)),
            "packets": Self.integer(end.packets),
            "payload_octets": Self.integer(end.payload),
            "fin": .bool(end.hasFIN),
        ])
    }

    private func join(_ join: JoinTrace) -> JSONValue {
        var outcome = "open"
        var refusedBy: String?
        var reset: MPTCPReset?
        switch join.outcome {
        case .open: break
        case .established: outcome = "established"
        case .refused(let byListener, let reason):
            outcome = "refused"
            refusedBy = Self.side(join.isFromClient != byListener)
            reset = reason
        }
        return .members([
            "subflow": Self.integer(join.subflow),
            "from": .string(Self.side(join.isFromClient)),
            "token": Self.string(join.token.value?.description),
            "opener_address_id": Self.integer(join.openerAddressID.map { Int($0.rawValue) }),
            "listener_address_id": Self.integer(join.listenerAddressID.map { Int($0.rawValue) }),
            "opener_backup": join.openerBackup.map(JSONValue.bool) ?? .null,
            "listener_backup": join.listenerBackup.map(JSONValue.bool) ?? .null,
            "fast_join": join.fastJoin.map(fastJoin) ?? .null,
            "syns": .array(join.syns.map(times)),
            "synack": join.synACK.map(times) ?? .null,
            "third_ack": join.thirdACK.map(times) ?? .null,
            "third_ack_repetitions": Self.integer(join.thirdACKRepetitions),
            "fourth_ack": join.fourthACK.map(times) ?? .null,
            "synack_hmac": Self.verdict(join.synACKHMAC),
            "third_ack_hmac": Self.verdict(join.thirdACKHMAC),
            "outcome": .string(outcome),
            "refused_by": Self.string(refusedBy),
            "refused_reason": Self.integer(reset.map { Int($0.reason.rawValue) }),
        ])
    }

    private func fastJoin(_ fastJoin: FastJoinTrace) -> JSONValue {
        let octets: Int? = if case .data(let octets) = fastJoin.offer { octets } else { nil }
        return .members([
            "profile": .string(
                (fastJoin.isMultiMob ? FastJoinProfileName.multimob : .compat).rawValue),
            "offer": .string(octets == nil ? "resume" : "data"),
            "octets": Self.integer(octets),
            "taken": fastJoin.isTaken.map(JSONValue.bool) ?? .null,
        ])
    }

    private func signal(_ signal: SignalTrace) -> JSONValue {
        .members([
            "name": .string(signal.content.name),
            "detail": Self.string(signal.content.detail),
            "from": .string(Self.side(signal.isFromClient)),
            "subflow": Self.integer(signal.subflow),
            "times": times(signal.times),
        ])
    }

    // MARK: One direction

    private func direction(_ trace: DirectionTrace) -> JSONValue {
        .members([
            "origin_dsn": Self.string(trace.origin?.description),
            "origin_is_initial": .bool(trace.isOriginInitial),
            "sent_octets": Self.integer(trace.sentOctets),
            "in_order_octets": Self.integer(trace.showsArrival ? trace.deliveredOffset : nil),
            "data_acked_octets": Self.integer(trace.acknowledgedOffset),
            "data_fin": trace.dataFIN.map { fin in
                .members(["time_ms": time(fin.time), "offset": Self.integer(fin.offset)])
            } ?? .null,
            "arrival_captured": .bool(trace.showsArrival),
            "departure_captured": .bool(trace.showsDeparture),
            "octets": .members([
                "first": Self.integer(trace.octets(.first)),
                "retransmission": Self.sentAgain(.retransmission, trace),
                "reinjection": Self.sentAgain(.reinjection, trace),
                "late_reinjection": Self.sentAgain(.lateReinjection, trace),
                "unmapped": Self.integer(trace.unmapped),
                "not_captured": Self.integer(trace.notCaptured),
            ]),
            "subflow_first_octets": .array(
                trace.mappingCounts.indices.map {
                    Self.integer(trace.octets(.first, subflow: $0))
                }),
            "subflow_mappings": .array(trace.mappingCounts.map(Self.integer)),
            "implausible_mappings": Self.integer(trace.implausibleMappings),
            "reinjected_octets": .members([
                "useful": Self.arrived(\.useful, trace),
                "redundant": Self.arrived(\.redundant, trace),
                "never_arrived": Self.arrived(\.neverArrived, trace),
            ]),
            "reinjections": trace.showsDeparture
                ? .array(trace.reinjectedPackets.map { reinjection($0, trace) }) : .null,
            "late_reinjections": trace.showsDeparture ? lateReinjections(trace) : .null,
            "longest_gaps": .array(
                trace.longestGaps(Self.gapCount).map { gap in
                    .members([
                        "start_ms": time(gap.start), "end_ms": time(gap.end),
                        "length_ms": duration(gap.nanoseconds),
                    ])
                }),
        ])
    }

    private func lateReinjections(_ trace: DirectionTrace) -> JSONValue {
        .array(
            trace.transmissions.filter { $0.kind == .lateReinjection }.map { late in
                .members([
                    "times": times(late.times), "to": Self.integer(late.subflow),
                    "offset": Self.integer(late.range.lowerBound),
                    "octets": Self.integer(late.range.count),
                ])
            })
    }

    /// What can be known only where packets leave.
    private static func sentAgain(
        _ kind: TransmissionKind, _ trace: DirectionTrace
    ) -> JSONValue {
        integer(trace.showsDeparture ? trace.octets(kind) : nil)
    }

    private func reinjection(
        _ reinjection: ReinjectionTrace, _ trace: DirectionTrace
    ) -> JSONValue {
        .members([
            "times": times(reinjection.times),
            "from": Self.integer(reinjection.from),
            "to": Self.integer(reinjection.to),
            "offset": Self.integer(reinjection.range.lowerBound),
            "octets": Self.integer(reinjection.range.count),
            "dsn": Self.string(
                trace.dataSequenceNumber(of: reinjection.range.lowerBound)?.description),
            "original_sent_ms": reinjection.originalSent.map(time) ?? .null,
            "useful": Self.integer(trace.showsArrival ? reinjection.useful : nil),
            "redundant": Self.integer(trace.showsArrival ? reinjection.redundant : nil),
        ])
    }

    /// What can be known only where packets leave and arrive.
    private static func arrived(
        _ count: (ReinjectionTrace) -> Int, _ trace: DirectionTrace
    ) -> JSONValue {
        let isKnown = trace.showsArrival && trace.showsDeparture
        return integer(isKnown ? trace.reinjections.reduce(0) { $0 + count($1) } : nil)
    }

    // MARK: Values

    private func time(_ time: Int64) -> JSONValue {
        JSONValue(rounding: document.milliseconds(time))
    }

    private func duration(_ nanoseconds: Int64) -> JSONValue {
        JSONValue(rounding: Double(nanoseconds) / 1_000_000)
    }

    private func times(_ times: PacketTimes) -> JSONValue {
        .members([
            "sent_ms": times.sent.map(time) ?? .null,
            "arrived_ms": times.arrived.map(time) ?? .null,
        ])
    }

    private static func integer(_ value: Int) -> JSONValue { .integer(Int64(value)) }

    private static func integer(_ value: Int?) -> JSONValue { value.map(integer) ?? .null }

    private static func string(_ value: String?) -> JSONValue {
        value.map(JSONValue.string) ?? .null
    }

    private static func side(_ isClient: Bool) -> String { isClient ? "client" : "server" }

    private static func verdict(_ verdict: JoinTrace.Verdict) -> JSONValue {
        switch verdict {
        case .valid: "valid"
        case .invalid: "invalid"
        case .unknown: .null
        }
    }
}
