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
        data.isFINAnswerDue = true
    }

    /// Takes the DATA_FIN once everything before it is there.
    mutating func finishReceiving(now: Instant) {
        guard let fin = data.peerFIN, data.received.end == fin,
            !data.isPeerFinished || data.isFINAnswerDue
        else { return }
        if !data.isPeerFinished {
            data.isPeerFinished = true
            log("data_fin_received", now: now)
            events.append(.atEnd)
        }
        data.isFINAnswerDue = false
        // A repeated DATA_FIN is acknowledged again, on every subflow as Linux does.
        for index in subflows.indices where subflows[index].tcp.state.isSynchronized {
            subflows[index].tcp.requestACK()
        }
    }

    /// Sends DATA_FIN once all data was mapped, FIN once both DATA_FINs are acknowledged, and ends
    /// the connection once the subflows are closed.
    mutating func advanceClosing(now: Instant) {
        if closeReason == nil, isEstablished {
            if data.isFinishing, !data.isFINSent, data.next == data.sent.end, mayStartFIN {
                startFIN(now: now)
            }
            if isOver { closeSubflows(now: now) }
            if isOver, peerKnowsEnd { limitClosing(now: now) }
        }
        reapSubflows(now: now)
    }

    /// Whether nothing is left to be said in either direction but the FINs of the subflows.
    var isOver: Bool {
        data.isPeerFinished && (isFallback ? data.isFINSent : data.isFINAcknowledged)
    }

    /// Before the peer has shown that it speaks MPTCP, DATA_FIN must not overtake the data that
    /// carries MP_CAPABLE: a listener that missed the third packet would take it for plain TCP.
    private var mayStartFIN: Bool {
        isFallback || isConfirmed || data.acknowledged == data.next
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
        var base: Int64?
        for index in subflows.indices where subflows[index].isUsable {
            base = max(base ?? 0, subflows[index].tcp.rtt.timeout)
            subflows[index].isDataFINPending = true
            // The third packet may be lost: MP_CAPABLE goes out again before DATA_FIN.
            if !subflows[index].isFullyEstablished { subflows[index].tcp.requestACK() }
        }
        let timeout = min(
            max(base ?? 1_000_000_000, 200_000_000) << min(data.finTransmissions, 9),
            120_000_000_000)
        data.finTransmissions += 1
        data.finDeadline = now + .nanoseconds(timeout)
    }

    /// FIN on every subflow; one that holds data nobody needs any more is reset (RFC 8684, 3.3.3),
    /// unless it is the last that can tell the peer of our last DATA_ACK. A join that is under way may
    /// be a peer's that lost the others: it goes on until the peer knows the end.
    private mutating func closeSubflows(now: Instant) {
        let hasGoodOne = subflows.indices.contains {
            subflows[$0].tcp.state.isSynchronized && !isStuck($0)
        }
        for index in subflows.indices
        where !subflows[index].tcp.isCloseRequested && subflows[index].tcp.state != .closed {
            let isDispensable =
                peerKnowsEnd || hasGoodOne && subflows[index].isFullyEstablished
            if !isFallback, isDispensable, isStuck(index) {
                subflows[index].closeDeadline = now
                abandonClosing(index, now: now)
            } else if isFallback || subflows[index].isFullyEstablished {
                subflows[index].tcp.close(now: now)
                subflows[index].closeDeadline = now + closingPatience(index)
            }
        }
    }

    /// Whether nobody knows when what a subflow holds arrives.
    private func isStuck(_ index: Int) -> Bool {
        subflows[index].isSuspect || !subflows[index].isFullyEstablished
            || subflows[index].tcp.consecutiveTimeouts > 0
    }

    /// Once the peer knows the end, its FIN is nothing to wait for long; in fallback FIN is what
    /// says so.
    private mutating func limitClosing(now: Instant) {
        guard !data.awaitsFIN else { return }
        for index in subflows.indices {
            guard let deadline = subflows[index].closeDeadline else { continue }
            subflows[index].closeDeadline = min(deadline, now + shortPatience(index))
        }
    }

    private func shortPatience(_ index: Int) -> Duration {
        .nanoseconds(max(4 * subflows[index].tcp.rtt.timeout, 1_000_000_000))
    }

    /// How long a FIN exchange may take. In fallback it carries data, and the only subflow carries
    /// the last DATA_ACK: there it is plain TCP's patience.
    private func closingPatience(_ index: Int) -> Duration {
        let hasOther = subflows.indices.contains {
            $0 != index && subflows[$0].isFullyEstablished
        }
        return isFallback || isOver && !hasOther ? configuration.graceTime : shortPatience(index)
    }

    /// Closes one subflow and leaves the connection open.
    mutating func closeSubflow(_ index: Int, now: Instant) {
        guard !subflows[index].tcp.isCloseRequested, subflows[index].tcp.state != .closed else {
            return
        }
        if data.failure != nil {
            // A peer that fell back at our word would take FIN for the end of the data.
            resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
            return
        }
        subflows[index].tcp.close(now: now)
        subflows[index].closeDeadline = now + closingPatience(index)
        reinjectEverything(of: index, now: now)
    }

    /// Closes a subflow whose address is given up. The last one is not closed before the end of the
    /// data (mptcp-behaviour, 8.4): a peer that falls back, or already has, would take FIN for it. It
    /// waits for a join, and is reset if none comes.
    mutating func retireSubflow(_ index: Int, now: Instant) {
        subflows[index].isRetired = true
        guard isEstablished, mayFallBack, subflows[index].kind == .capable else {
            return closeSubflow(index, now: now)
        }
        subflows[index].closeDeadline = now + shortPatience(index)
        reinjectEverything(of: index, now: now)
    }

    /// A join was finished: subflows that only waited for one are closed.
    mutating func closeRetiredSubflows(now: Instant) {
        for index in subflows.indices
        where subflows[index].isRetired && subflows[index].closeDeadline != nil {
            closeSubflow(index, now: now)
        }
    }

    /// The peer sent FIN on a subflow.
    mutating func peerClosedSubflow(_ index: Int, now: Instant) {
        if isFallback {
            drainInFallback(index, now: now)
        } else if isOver {
            peerKnowsEnd = true
        } else {
            // mptcp-behaviour, 8.4: our side follows, and the data goes elsewhere.
            log(
                "subflow_closed_by_peer", now: now,
                ("subflow", .number(Int(subflows[index].id.rawValue))))
            let hasUnmappedText = subflows[index].tcp.receiveBuffer.readableCount > 0
            let isSilent = subflows[index].isPeerSilent && subflows[index].kind == .capable
            if hasUnmappedText || isSilent && data.isContiguous && !data.isFINSent {
                // Text that nobody mapped, or a FIN without a word of MPTCP: a peer that has fallen
                // back, which would take our FIN for the end of our data. If we cannot follow any
                // more, it gets RST.
                loseMapping(index, now: now)
            } else {
                closeSubflow(index, now: now)
                // The peer has a reason, and the REMOVE_ADDR that goes with it may still be on a
                // slower path: with another subflow left there is time.
                if subflows[index].isOpener, subflows.contains(where: \.isUsable) {
                    noteFailedJoin(index, mayRetry: true, now: now)
                }
            }
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

    /// The FIN exchange is not worth waiting for, or not any longer: RST ends the subflow, if none is
    /// under way.
    mutating func abandonClosing(_ index: Int, now: Instant) {
        if subflows[index].resetOptions.isEmpty {
            subflows[index].resetOptions = [.reset(MPTCPReset(.unacceptablePerformance))]
            log(
                "close_abandoned", now: now,
                ("subflow", .number(Int(subflows[index].id.rawValue))))
        }
        subflows[index].tcp.abort()
    }

    /// TCP says that a subflow is no more.
    mutating func subflowClosed(_ index: Int, _ reason: TCPCloseReason, now: Instant) {
        wasRefused = reason == .refused
        wasClosedByPeer = reason == .reset || reason == .finished || reason == .refused
        if reason == .refused, subflows[index].peerReset?.reason == .mptcpSpecific {
            wasRefusedByStranger = true
        }
        log(
            "subflow_closed", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("reason", .text(reason.rawValue)))
        if !isEstablished, subflows[index].kind == .capable {
            // What the peer says counts for all attempts, and none outlives the first.
            for other in subflows.indices { subflows[other].tcp.discard() }
            finish(reason == .refused || reason == .reset ? .refused : .timedOut, now: now)
            return
        }
        if isFallback, reason == .reset || reason == .timedOut {
            finish(
                hasEverything ? .finished : reason == .reset ? .reset : .timedOut, now: now)
            return
        }
        if subflows[index].kind == .join, !subflows[index].isFullyEstablished {
            counters.joinsFailed += 1
            if reason == .refused, subflows[index].fastJoin?.offer != nil {
                retryPlainly(index, now: now)
            } else {
                // Who resets without a reason a join that it had answered knows it no more.
                let isForgotten = reason == .reset && subflows[index].peerReset == nil
                noteFailedJoin(index, mayRetry: reason == .timedOut || isForgotten, now: now)
            }
        } else if reason == .reset || reason == .timedOut {
            // RFC 8684, 3.6: not again on this pair of addresses, unless it was the last.
            let isLast = !subflows.indices.contains { $0 != index && subflows[$0].isAlive }
            if !isLast { noteFailedJoin(index, mayRetry: false, now: now) }
        }
        if isOver, reason == .finished { peerKnowsEnd = true }
        reinjectEverything(of: index, now: now)
        managePaths(now: now)
    }

    /// Takes out subflows that are closed and have sent their last word.
    mutating func reapSubflows(now: Instant) {
        var index = 0
        while index < subflows.count {
            if subflows[index].tcp.state == .closed, !subflows[index].tcp.hasResetToSend {
                noteRoundTrip(index)
                let subflow = subflows.remove(at: index)
                events.append(.subflowClosed(subflow.id, subflow.tcp.tuple))
            } else {
                index += 1
            }
        }
        guard closeReason == nil else { return }
        if let failure = data.failure, self.index(of: failure.subflow) == nil {
            handleMappingFailure(now: now)
        }
        guard isEstablished else {
            // Its only address was given up before anybody answered.
            if subflows.isEmpty { finish(.timedOut, now: now) }
            return
        }
        if isFallback {
            let isClosed = subflows.indices.allSatisfy {
                subflows[$0].tcp.state == .timeWait || subflows[$0].tcp.state == .closed
            }
            if isClosed {
                finish(
                    hasEverything ? .finished : wasClosedByPeer ? .reset : .timedOut, now: now)
            }
        } else if !subflows.indices.contains(where: { subflows[$0].holdsConnection }) {
            loseLastSubflow(now: now)
        }
    }

    /// mptcp-behaviour, 8.4: the connection lives on for a while, a join may still come.
    private mutating func loseLastSubflow(now: Instant) {
        if let reason = endWithoutSubflow {
            for index in subflows.indices where subflows[index].tcp.state != .timeWait {
                subflows[index].tcp.abort()
            }
            finish(reason, now: now)
            return
        }
        guard graceDeadline == nil else { return }
        log("no_subflow_left", now: now)
        let deadline = graceEnd(now: now)
        guard deadline > now else { return endGrace(now: now) }
        graceDeadline = deadline
        paths.forgetAllFailures()
        managePaths(now: now)
    }

    /// Until when a join is worth waiting for. Subflows that come, bring nothing and go, as behind a
    /// middlebox that resets whatever carries data, do not make the wait longer.
    private mutating func graceEnd(now: Instant) -> Instant {
        // An RST may come from a peer that has everything and closes, or from one that lost the
        // interface and is about to join again for our last DATA_ACK.
        let wait = hasEverything && wasClosedByPeer ? min(.seconds(15), graceTime) : graceTime
        let progress = data.sent.start + data.received.end
        let isFruitless =
            progress == progressAtLoss && (data.sent.count > 0 || data.isFinishing)
        fruitlessSubflows = isFruitless ? fruitlessSubflows + 1 : 0
        let isStuck =
            isFruitless
            && (now - lastConfirmation < graceTime || fruitlessSubflows > Self.fruitlessLimit)
        if !isStuck { graceLimit = now + wait }
        progressAtLoss = progress
        return graceLimit
    }

    /// Subflows in a row that came, brought nothing and were lost, however long each took.
    private static var fruitlessLimit: Int { 5 }

    /// How the connection ends now that no subflow is left, `nil` when it is worth waiting.
    private var endWithoutSubflow: CloseReason? {
        // Both directions are done, and the peer has our last DATA_ACK.
        if isOver, peerKnowsEnd { return .finished }
        // The peer wants no join any more: it is done as well.
        if hasEverything, wasRefused { return .finished }
        // The peer knows our token no more.
        if wasRefusedByStranger { return hasEverything ? .finished : .reset }
        // RFC 8684, 3.1: no join before the peer has shown that it speaks MPTCP.
        return isConfirmed ? nil : .timedOut
    }

    /// Nobody came back within the grace time.
    mutating func endGrace(now: Instant) {
        for index in subflows.indices { subflows[index].tcp.abort() }
        finish(hasEverything ? .finished : .timedOut, now: now)
    }

    /// Whether all data is acknowledged and the peer's has ended; an answer to our DATA_FIN may be
    /// missing.
    private var hasEverything: Bool {
        data.isPeerFinished && data.isFINSent && data.sent.count == 0 && !data.awaitsFIN
    }

    private var graceTime: Duration { configuration.graceTime }
}
