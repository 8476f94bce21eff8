internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Closing (mptcp-behaviour, 8). DATA_FINs close the connection, FINs close subflows:
///
///     data flows --close()--> DATA_FIN sent ----DATA_ACK----+
///          |                                                 +--> FIN on every subflow --> gone
///          +--- peer's DATA_FIN in order, DATA_ACKed --------+
extension Connection {
    /// Remembers where the peer's data ends; the first word counts.
    mutating func notePeerFIN(at offset: Int) {
        if data.peerFIN == nil { data.peerFIN = offset }
    }

    /// Takes the DATA_FIN once everything before it is there.
    mutating func finishReceiving(now: Instant) {
        guard let fin = data.peerFIN, data.received.end == fin else { return }
        if !data.isPeerFinished {
            data.isPeerFinished = true
            log("data_fin_received", now: now)
            events.append(.atEnd)
        }
        // A repeated DATA_FIN is acknowledged again, on every subflow as Linux does.
        for index in subflows.indices where subflows[index].tcp.state.isSynchronized {
            subflows[index].tcp.requestACK()
        }
    }

    /// Sends DATA_FIN once all data was mapped, FIN once both DATA_FINs are acknowledged, and ends
    /// the connection once the subflows are closed.
    mutating func advanceClosing(now: Instant) {
        if closeReason == nil, isEstablished {
            if data.isFinishing, !data.isFINSent, data.next == data.sent.end { startFIN(now: now) }
            let isOver =
                isFallback
                ? data.isFINSent && data.isPeerFinished
                : data.isFINAcknowledged && data.isPeerFinished
            if isOver { closeSubflows(now: now) }
        }
        reapSubflows(now: now)
    }

    private mutating func startFIN(now: Instant) {
        data.isFINSent = true
        if isFallback {
            for index in subflows.indices { subflows[index].tcp.close(now: now) }
            return
        }
        log("data_fin_sent", now: now)
        sendDataFIN(now: now)
    }

    /// DATA_FIN on all subflows, again until it is acknowledged (mptcp-behaviour, 8.2).
    mutating func sendDataFIN(now: Instant) {
        guard data.isFINSent, !data.isFINAcknowledged, !isFallback else { return }
        for index in subflows.indices where subflows[index].isUsable {
            subflows[index].isDataFINPending = true
        }
        let base = subflows.filter(\.isUsable).map(\.tcp.rtt.timeout).max() ?? 1_000_000_000
        let timeout = min(
            max(base, 200_000_000) << min(data.finTransmissions, 9), 120_000_000_000)
        data.finTransmissions += 1
        data.finDeadline = now + .nanoseconds(timeout)
    }

    /// FIN on every subflow; one that holds data nobody needs any more is reset (RFC 8684, 3.3.3).
    private mutating func closeSubflows(now: Instant) {
        for index in subflows.indices
        where subflows[index].closeDeadline == nil && subflows[index].tcp.state != .closed {
            let tcp = subflows[index].tcp
            if !isFallback,
                subflows[index].isSuspect || !subflows[index].isFullyEstablished
                    || tcp.consecutiveTimeouts > 0
            {
                subflows[index].closeDeadline = now
                subflows[index].resetOptions = [.reset(MPTCPReset(.unacceptablePerformance))]
                subflows[index].tcp.abort()
            } else {
                subflows[index].tcp.close(now: now)
                subflows[index].closeDeadline = now + closingPatience(index)
            }
        }
    }

    /// How long a FIN exchange may take: plain TCP's patience in fallback, where it carries data.
    private func closingPatience(_ index: Int) -> Duration {
        isFallback
            ? configuration.graceTime
            : .nanoseconds(max(4 * subflows[index].tcp.rtt.timeout, 1_000_000_000))
    }

    /// Closes one subflow and leaves the connection open.
    mutating func closeSubflow(_ index: Int, now: Instant) {
        guard subflows[index].closeDeadline == nil else { return }
        subflows[index].tcp.close(now: now)
        subflows[index].closeDeadline = now + closingPatience(index)
        reinjectEverything(of: index, now: now)
    }

    /// The peer sent FIN on a subflow.
    mutating func peerClosedSubflow(_ index: Int, now: Instant) {
        if isFallback {
            drainInFallback(index, now: now)
        } else if !(data.isFINAcknowledged && data.isPeerFinished) {
            // mptcp-behaviour, 8.4: our side follows, and the data goes elsewhere.
            log(
                "subflow_closed_by_peer", now: now,
                ("subflow", .number(Int(subflows[index].id.rawValue))))
            closeSubflow(index, now: now)
        }
    }

    /// Resets a subflow with a reason (RFC 8684, 3.6).
    mutating func resetSubflow(_ index: Int, _ reset: MPTCPReset, now: Instant) {
        subflows[index].resetOptions.append(.reset(reset))
        subflows[index].closeDeadline = now
        reinjectEverything(of: index, now: now)
        if subflows[index].tcp.state == .synSent || subflows[index].tcp.state == .synReceived {
            subflows[index].tcp.abortHandshake()
        } else {
            subflows[index].tcp.abort()
        }
        log(
            "subflow_reset", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("reason", .number(Int(reset.reason.rawValue))))
    }

    /// TCP says that a subflow is no more.
    mutating func subflowClosed(_ index: Int, _ reason: TCPCloseReason, now: Instant) {
        log(
            "subflow_closed", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("reason", .text("\(reason)")))
        if !isEstablished, subflows[index].kind == .capable {
            finish(reason == .refused || reason == .reset ? .refused : .timedOut, now: now)
            return
        }
        if isFallback, reason == .reset || reason == .timedOut {
            finish(reason == .reset ? .reset : .timedOut, now: now)
            return
        }
        if reason == .refused || reason == .timedOut, subflows[index].kind == .join,
            !subflows[index].isFullyEstablished
        {
            counters.joinsFailed += 1
            paths.noteFailedJoin(from: subflows[index].tcp.tuple.local.address)
        }
        reinjectEverything(of: index, now: now)
        managePaths(now: now)
    }

    /// Takes out subflows that are closed and have sent their last word.
    mutating func reapSubflows(now: Instant) {
        var index = 0
        while index < subflows.count {
            if subflows[index].tcp.state == .closed, !subflows[index].tcp.hasResetToSend {
                let subflow = subflows.remove(at: index)
                events.append(.subflowClosed(subflow.id, subflow.tcp.tuple))
            } else {
                index += 1
            }
        }
        guard closeReason == nil, isEstablished else { return }
        let isOver =
            data.isPeerFinished && (isFallback ? data.isFINSent : data.isFINAcknowledged)
        if isOver {
            if subflows.allSatisfy({ $0.tcp.state == .timeWait || $0.tcp.state == .closed }) {
                finish(.finished, now: now)
            }
        } else if subflows.isEmpty {
            if isFallback {
                finish(.reset, now: now)
            } else if graceDeadline == nil {
                // mptcp-behaviour, 8.4: a join may still come.
                graceDeadline = now + configuration.graceTime
                log("no_subflow_left", now: now)
            }
        }
    }
}
