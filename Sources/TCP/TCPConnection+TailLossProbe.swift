internal import CongestionControl
internal import DequeModule
internal import NetworkPrimitives

/// Tail loss probes (RFC 8985, 7): an ACK is provoked before the timeout collapses the window.
extension TCPConnection {
    /// Whether what is out may be probed for, once it is time.
    var mayProbeTailLoss: Bool {
        rcv.isSACKEnabled && (recovery.phase == .open || recovery.phase == .reduction)
            && !queue.isEmpty && queue.sackedCount == 0 && recovery.probeEnd == nil
            && queue.lostCount == 0 && rtt.smoothed != nil
            // What lies beyond the peer's window is a window probe, and no loss.
            && snd.una.distance(to: snd.nxt) <= snd.window
    }

    /// RFC 8985, 7.2: when new data was sent, or an ACK advanced.
    mutating func armTailLossProbe(now: Instant) {
        guard mayProbeTailLoss, let smoothed = rtt.smoothed else {
            timers.disarm(.tailLossProbe)
            return
        }
        var timeout = 2 * smoothed
        // The peer may delay the ACK of a single segment; otherwise Linux adds two milliseconds.
        timeout += queue.count == 1 ? configuration.minimumRTO.wholeNanoseconds : 2_000_000
        let due = now + .nanoseconds(timeout)
        timers.arm(.tailLossProbe, at: min(due, timers[.retransmission] ?? due))
    }

    /// RFC 8985, 7.3: the timeout counts anew from the probe.
    mutating func tailLossProbeDue(now: Instant) {
        guard !queue.isEmpty else { return }
        recovery.isProbePending = true
        timers.arm(.retransmission, at: now + .nanoseconds(rtt.timeout))
    }

    /// RFC 8985, 7.3: one new segment, else the last one again.
    mutating func pollTailLossProbe(now: Instant) -> OutgoingSegment? {
        guard recovery.phase == .open || recovery.phase == .reduction, recovery.probeEnd == nil
        else { return nil }
        defer {
            recovery.probeEnd = snd.nxt
            timers.disarm(.tailLossProbe)
        }
        counters.lossProbes += 1
        let window = snd.window - snd.una.distance(to: snd.nxt)
        if let unit = pending.first, min(unit.length, effectiveMSS) <= window,
            let segment = takeNewData(limit: effectiveMSS, now: now)
        {
            recovery.isProbeRetransmission = false
            return segment
        }
        guard let index = queue.lastUnsackedIndex else { return nil }
        recovery.isProbeRetransmission = true
        return retransmit(index, now: now)
    }

    /// RFC 8985, 7.4.2: whether the probe repaired a loss that nobody else saw. Then the window is
    /// reduced as for any other.
    ///
    /// - Parameter isBare: the segment says nothing but how far its sender is.
    mutating func concludeProbe(
        _ outcome: RetransmissionQueue.Outcome, advances: Bool, isBare: Bool, now: Instant
    ) {
        guard let end = recovery.probeEnd, end.precedesOrEquals(snd.una) else { return }
        if !recovery.isProbeRetransmission || outcome.duplicate != nil {
            // New data that arrived, or a probe that came twice: nothing was lost.
            recovery.probeEnd = nil
        } else if end.precedes(snd.una) {
            recovery.probeEnd = nil
            if recovery.phase == .open {
                // What was reduced for an earlier reason is not undone over this one.
                recovery.undo = UndoState()
                // RFC 3168, 6.1.2: CWR tells of a reduction for whatever reason.
                ecn.isReductionAnnounced = true
                congestion.enterRecovery(inFlight: snd.una.distance(to: snd.nxt), now: now)
                congestion.exitRecovery(now: now)
            }
        } else if !advances, !outcome.newlySacked, isBare {
            // A bare repetition of the ACK: both copies arrived, and the peer has no DSACK.
            recovery.probeEnd = nil
        }
    }
}
