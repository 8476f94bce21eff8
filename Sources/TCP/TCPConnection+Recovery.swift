internal import CongestionControl
internal import NetworkPrimitives
internal import WireFormat

/// Loss recovery: RACK (RFC 8985) with SACK, NewReno (RFC 6582) without, proportional rate
/// reduction (RFC 9937) in both, and undoing what turns out to have been no loss.
///
///            losses found                      timeout
///     open ---------------> recovery ------------------> loss
///      ^ |  ECN echo           | ^ losses found           |
///      | +----------> reduction --+ |                     |
///      +---- point acknowledged, or undone ---------------+
extension TCPConnection {
    /// What an ACK means for recovery and for the window.
    mutating func updateRecovery(
        _ outcome: RetransmissionQueue.Outcome, _ flags: TCPFlags, advances: Bool, oldPipe: Int,
        now: Instant
    ) {
        undoIfSpurious(outcome, advances: advances)
        let hadReduction = recovery.isReducing
        if advances { leaveRecovery(now: now) }
        receiveCongestionEcho(flags, delivered: outcome.delivered, now: now)
        let lostBefore = queue.lostCount
        findLosses(outcome, advances: advances, now: now)
        let foundLosses = queue.lostCount > lostBefore
        let enters = foundLosses && (recovery.phase == .open || recovery.phase == .reduction)
        if enters { enterRecovery(delivered: outcome.delivered, now: now) }
        if recovery.isReducing {
            guard outcome.delivered > 0 else { return }
            limitWindow(delivered: outcome.delivered, isSafe: advances && !foundLosses)
        } else if advances {
            advanceRound(outcome)
            if !hadReduction { grow(outcome, oldPipe, now: now) }
        }
    }

    // MARK: Finding losses

    private mutating func findLosses(
        _ outcome: RetransmissionQueue.Outcome, advances: Bool, now: Instant
    ) {
        if rcv.isSACKEnabled {
            if advances || outcome.newlySacked { runRACK(now: now) }
        } else if advances {
            // RFC 6582, 3.2 step 3: a partial ACK shows the next hole.
            if recovery.phase == .recovery {
                queue.markFirstLost()
                recovery.isForced = true
            }
        } else if recovery.duplicateACKs == 3, outcome.isDuplicateACK {
            queue.markFirstLost()
        }
    }

    private mutating func runRACK(now: Instant) {
        let isInRecovery = recovery.phase == .recovery || recovery.phase == .loss
        guard queue.sackedCount > 0 || queue.rack.sawReordering || isInRecovery else {
            timers.disarm(.reordering)
            return
        }
        let wait = queue.detectLoss(now: now.nanoseconds, reorderingWindow: reorderingWindow)
        if let wait {
            timers.arm(.reordering, at: now + .nanoseconds(wait))
        } else {
            timers.disarm(.reordering)
        }
    }

    private var reorderingWindow: Int64 {
        queue.rack.reorderingWindow(
            minimumRTT: rtt.minimum == .max ? 0 : rtt.minimum, smoothedRTT: rtt.smoothed ?? 0,
            isInRecovery: recovery.phase == .recovery || recovery.phase == .loss,
            sackedCount: queue.sackedCount)
    }

    /// RFC 8985, 6.2: what was overtaken did not come within the reordering window.
    mutating func reorderingTimeout(now: Instant) {
        let lostBefore = queue.lostCount
        runRACK(now: now)
        guard queue.lostCount > lostBefore else { return }
        if recovery.phase == .open || recovery.phase == .reduction {
            enterRecovery(delivered: 0, now: now)
            limitWindow(delivered: 0, isSafe: false)
        }
    }

    // MARK: Phases

    private mutating func enterRecovery(delivered: Int, now: Instant) {
        counters.fastRecoveries += 1
        // A reduction for ECN in this round trip is the reduction for these losses, too.
        if recovery.phase == .open {
            recovery.undo.begin(at: snd.una)
            beginReduction(delivered: delivered, now: now)
        }
        recovery.phase = .recovery
        recovery.point = snd.nxt
        recovery.probeEnd = nil
        timers.disarm(.tailLossProbe)
    }

    /// The window begins to shrink.
    mutating func beginReduction(delivered: Int, now: Instant) {
        ecn.isReductionAnnounced = true
        let flight = snd.una.distance(to: snd.nxt)
        congestion.enterRecovery(inFlight: flight, now: now)
        recovery.reduction.begin(flight: flight - queue.sackedLength + delivered)
    }

    private mutating func limitWindow(delivered: Int, isSafe: Bool) {
        congestion.limitDuringReduction(
            to: recovery.reduction.window(
                delivered: delivered, pipe: pipe, threshold: congestion.slowStartThreshold,
                segment: effectiveMSS, isSafe: isSafe))
    }

    /// Recovery ends once everything is acknowledged that was out when it began.
    private mutating func leaveRecovery(now: Instant) {
        switch recovery.phase {
        case .open:
            recovery.assumedDelivered = 0
            return
        case .reduction:
            // The echo stops only behind the CWR, which the first data from `point` on carries.
            guard recovery.point.precedes(snd.una) || queue.isEmpty else { return }
        case .recovery, .loss:
            guard recovery.point.precedesOrEquals(snd.una) else { return }
        }
        if recovery.isReducing { congestion.exitRecovery(now: now) }
        if recovery.phase == .recovery { queue.noteRecoveryEnd() }
        recovery.phase = .open
        recovery.duplicateACKs = 0
        recovery.assumedDelivered = 0
    }

    /// RFC 6298, 5.4 and 5.5; what counts as lost: RFC 8985, 6.3.
    mutating func startLossRecovery(now: Instant) {
        let flight = snd.una.distance(to: snd.nxt)
        // One reduction for one loss: not again for what recovery was repairing.
        let isFirst = recovery.phase == .open || recovery.phase == .reduction
        let limit =
            rcv.isSACKEnabled
            ? now.nanoseconds - queue.rack.roundTrip - reorderingWindow : .max
        queue.markLost(sentBefore: limit)
        recovery.assumedDelivered = 0
        congestion.retransmissionTimeout(
            inFlight: flight, remaining: queue.inFlight, isFirstForThisLoss: isFirst, now: now)
        ecn.isReductionAnnounced = true
        if isFirst { recovery.undo.begin(at: snd.una) }
        recovery.phase = .loss
        recovery.point = snd.nxt
        recovery.duplicateACKs = 0
        recovery.probeEnd = nil
        recovery.isForced = true
        timers.disarm(.tailLossProbe)
        timers.disarm(.reordering)
    }

    // MARK: Undoing

    /// A reduction was spurious when everything that was sent again is reported as a duplicate
    /// (RFC 3708), or when an ACK answers what was sent before the first retransmission (RFC 3522);
    /// then the window is what it was (RFC 4015).
    private mutating func undoIfSpurious(
        _ outcome: RetransmissionQueue.Outcome, advances: Bool
    ) {
        guard let start = recovery.undo.start, let first = recovery.undo.firstRetransmission
        else { return }
        var isSpurious = false
        if let duplicate = outcome.duplicate, start.precedes(duplicate.right),
            duplicate.right.precedesOrEquals(recovery.point)
        {
            recovery.undo.unreported -= duplicate.left.distance(to: duplicate.right)
            isSpurious = recovery.undo.unreported <= 0
        }
        if advances, outcome.answersEarlier(than: first) {
            switch recovery.phase {
            case .loss: isSpurious = true
            // TS.Recent never goes back: at the end of recovery no retransmission had filled a hole.
            case .recovery where recovery.point.precedesOrEquals(snd.una): isSpurious = true
            case .recovery:
                isSpurious = isSpurious || queue.lostCount == 0 && !queue.awaitsRetransmission
            case .open, .reduction: break
            }
        }
        guard isSpurious else { return }
        counters.undoneReductions += 1
        recovery.undo = UndoState()
        congestion.undo()
        queue.forgetLosses()
        if recovery.phase == .recovery || recovery.phase == .loss { recovery.phase = .open }
    }

    // MARK: The window

    /// A round trip ends with the ACK of what was sent next when it began.
    private mutating func advanceRound(_ outcome: RetransmissionQueue.Outcome) {
        let startsRound = recovery.roundEnd.precedesOrEquals(snd.una)
        if startsRound {
            recovery.roundEnd = snd.nxt
            // A report of duplicates comes a round trip behind recovery, or not at all.
            if recovery.phase == .open { recovery.undo.endRound() }
        }
        congestion.observeRoundTrip(outcome.rttSample, startsRound: startsRound)
    }

    private mutating func grow(
        _ outcome: RetransmissionQueue.Outcome, _ oldPipe: Int, now: Instant
    ) {
        let isLimited =
            congestion.isInSlowStart
            ? 2 * oldPipe >= congestion.window
            : oldPipe + effectiveMSS >= congestion.window
        congestion.acknowledged(
            bytes: outcome.acknowledgedBytes, inFlight: queue.inFlight,
            isWindowLimited: isLimited || recovery.phase == .loss,
            roundTrip: rtt.smoothedDuration, now: now)
    }
}
