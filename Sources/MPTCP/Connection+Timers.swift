internal import DequeModule
public import NetworkPrimitives
internal import TCP
internal import WireFormat

extension Connection {
    /// When `handleDeadline` is next due.
    public func pollDeadline() -> Instant? {
        var earliest = Instant.distantFuture
        func consider(_ instant: Instant?) {
            if let instant, instant < earliest { earliest = instant }
        }
        if closeReason == nil {
            consider(graceDeadline)
            consider(releaseDeadline)
            consider(data.finDeadline)
            consider(data.probeDeadline)
            consider(data.failure.map { min($0.deadline, $0.nextRepeat) })
            consider(headDeadline()?.deadline)
            consider(paths.nextDeadline)
            consider(fastJoin.deadline)
            consider(idle.deadline)
            consider(oracle.deadline)
        }
        consider(fastClose?.deadline)
        // By index: a subflow is too large to be copied each time.
        for index in subflows.indices {
            consider(subflows[index].tcp.pollDeadline())
            consider(subflows[index].joinDeadline)
            consider(subflows[index].removalProbe?.deadline)
            consider(subflows[index].unmappedDeadline)
            if let join = subflows[index].fastJoin {
                consider(join.mappingDeadline)
                if subflows[index].isProvisional { consider(join.provisionalDeadline) }
            }
            if subflows[index].tcp.state != .timeWait { consider(subflows[index].closeDeadline) }
        }
        return earliest == .distantFuture ? nil : earliest
    }

    /// Handles everything that is due.
    public mutating func handleDeadline(now: Instant) {
        for index in subflows.indices { handleSubflowDeadline(index, now: now) }
        if closeReason == nil { handleConnectionDeadline(now: now) }
        handleFastClose(now: now)
        advanceClosing(now: now)
    }

    /// How long a connection is idle before it gives memory back.
    private static let idleTime = Duration.seconds(1)

    /// The connection is not idle. The deadline is not moved each time: it looks when it comes.
    mutating func noteUse(now: Instant) {
        lastUse = now
        if releaseDeadline == nil { releaseDeadline = now + Self.idleTime }
    }

    private mutating func handleIdleness(now: Instant) {
        guard let deadline = releaseDeadline, deadline <= now else { return }
        guard now - lastUse >= Self.idleTime else {
            releaseDeadline = lastUse + Self.idleTime
            return
        }
        releaseMemory()
    }

    /// Gives back the memory of everything that is empty.
    mutating func releaseMemory() {
        releaseDeadline = nil
        data.sent.releaseIfEmpty()
        data.received.releaseIfEmpty()
        for index in subflows.indices { subflows[index].releaseMemory() }
        if events.isEmpty { events = [] }
    }

    private mutating func handleConnectionDeadline(now: Instant) {
        handleIdleness(now: now)
        if let deadline = graceDeadline, deadline <= now {
            graceDeadline = nil
            endGrace(now: now)
            return
        }
        handleMappingFailure(now: now)
        if let (deadline, carrier) = headDeadline(), deadline <= now {
            reinjectHead(carrier: carrier, now: now)
        }
        if let deadline = data.finDeadline, deadline <= now {
            data.finDeadline = nil
            handleUnansweredDataFIN(now: now)
        }
        if let deadline = data.probeDeadline, deadline <= now {
            data.probeDeadline = nil
            probeWindow(now: now)
        }
        handlePathDeadline(now: now)
        handleCapabilitiesDeadline(now: now)
        handleIdleTimer(now: now)
        consultOracle(now: now)
    }

    private mutating func handleUnansweredDataFIN(now: Instant) {
        let isSilent = !isConfirmed || subflows.first?.isPeerSilent == true
        if data.finTransmissions >= 3, isSilent, mayFallBack,
            subflows[0].tcp.receiveBuffer.readableCount == 0
        {
            // Nothing of the peer's carries MPTCP, or not any more: it takes a FIN only.
            fallBack(.noDataACK, now: now)
            return
        }
        for index in subflows.indices where subflows[index].isUsable {
            let isHeard = now - subflows[index].tcp.lastReceived < .seconds(60)
            if data.finTransmissions > Self.fruitlessDataFINs, isHeard {
                resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
            } else {
                // DATA_FIN alone makes nobody answer who does not see it.
                subflows[index].tcp.requestProbe()
            }
        }
        sendDataFIN(now: now)
    }

    /// Transmissions of DATA_FIN after which other subflows are tried.
    private static let fruitlessDataFINs = 8

    private mutating func handleSubflowDeadline(_ index: Int, now: Instant) {
        if let deadline = subflows[index].tcp.pollDeadline(), deadline <= now {
            let timeouts = subflows[index].tcp.consecutiveTimeouts
            if let reason = subflows[index].tcp.handleDeadline(now: now) {
                subflowClosed(index, reason, now: now)
            }
            if configuration.policy == .multimob {
                noteTimeouts(index, before: timeouts, now: now)
            }
        }
        if let deadline = subflows[index].joinDeadline, deadline <= now {
            retryThirdPacket(index, now: now)
        }
        if let probe = subflows[index].removalProbe, probe.deadline <= now {
            // RFC 8684, 3.4.2: the address whose removal was announced does not answer.
            subflows[index].removalProbe = nil
            if subflows[index].closeDeadline == nil {
                resetSubflow(index, MPTCPReset(.unspecified), now: now)
            }
        }
        if let deadline = subflows[index].unmappedDeadline, deadline <= now {
            subflows[index].unmappedDeadline = nil
            loseMapping(index, now: now)
        }
        if subflows[index].fastJoin != nil {
            handleMappingDeadline(index, now: now)
            handleProvisionalDeadline(index, now: now)
        }
        if let deadline = subflows[index].closeDeadline, deadline <= now,
            subflows[index].tcp.state != .timeWait, subflows[index].tcp.state != .closed
        {
            abandonClosing(index, now: now)
        }
    }

    /// mptcp-behaviour, 4.1: T-JOIN.
    private mutating func retryThirdPacket(_ index: Int, now: Instant) {
        subflows[index].joinAttempts += 1
        guard subflows[index].joinAttempts <= 5 else {
            subflows[index].joinDeadline = nil
            counters.joinsFailed += 1
            noteFailedJoin(index, mayRetry: true, now: now)
            resetSubflow(index, MPTCPReset(.unspecified), now: now)
            return
        }
        // Of its own: data has no room for what it carries, and may be due again at the same time.
        subflows[index].isFourthPacketPending = true
        armJoinTimer(index, now: now)
    }
}
