internal import CongestionControl
public import NetworkPrimitives

extension TCPConnection {
    /// When `handleDeadline` is next due.
    public func pollDeadline() -> Instant? {
        timers.next == .max ? nil : Instant(nanoseconds: timers.next)
    }

    /// Handles every timer that is due. Returns why the connection ended, when it did.
    public mutating func handleDeadline(now: Instant) -> TCPCloseReason? {
        while let timer = timers.takeDue(now: now) {
            switch timer {
            case .retransmission: retransmissionTimeout(now: now)
            case .tailLossProbe: tailLossProbeDue(now: now)
            case .reordering: reorderingTimeout(now: now)
            case .pacing: break
            case .delayedACK:
                if acknowledgment.need == .delayed { acknowledgment.need = .immediate }
            case .persist:
                recovery.isPersistPending = true
                recovery.persistBackoff += 1
            case .keepAlive: keepAlive(now: now)
            case .timeWait: finish(.finished)
            }
            if state == .closed { return closeReason }
        }
        return nil
    }

    private mutating func retransmissionTimeout(now: Instant) {
        counters.timeouts += 1
        if state == .synSent, snd.earlyTimeout != nil {
            snd.earlyTimeout = nil
            snd.isSYNPending = true
            return
        }
        rtt.backOff()
        recovery.consecutiveTimeouts += 1
        if state == .synSent || state == .synReceived {
            guard recovery.consecutiveTimeouts <= configuration.maximumSYNRetransmissions else {
                finish(.timedOut)
                return
            }
            snd.isSYNPending = true
            return
        }
        guard !queue.isEmpty else { return }
        guard recovery.consecutiveTimeouts <= configuration.maximumRetransmissions else {
            snd.isResetPending = true
            finish(.timedOut)
            return
        }
        if queue.firstEnd(from: snd.una) > snd.window {
            // RFC 9293, 3.8.6.1: the peer's window kept it out, which says nothing of the path.
            queue.markLost(sentBefore: .min)
            recovery.isForced = true
        } else {
            startLossRecovery(now: now)
        }
        timers.arm(.retransmission, at: now + .nanoseconds(rtt.timeout))
    }

    mutating func armKeepAlive(now: Instant) {
        guard let idle = configuration.keepAliveIdle, state.isSynchronized, state != .timeWait
        else { return }
        timers.arm(.keepAlive, at: now + idle)
    }

    private mutating func keepAlive(now: Instant) {
        guard queue.isEmpty else {
            armKeepAlive(now: now)
            return
        }
        guard recovery.keepAlivesSent < configuration.keepAliveProbes else {
            snd.isResetPending = true
            finish(.timedOut)
            return
        }
        recovery.keepAlivesSent += 1
        acknowledgment.isProbePending = true
        timers.arm(.keepAlive, at: now + configuration.keepAliveInterval)
    }

    /// RFC 9293, 3.8.6.1: probe a window that is closed while nothing is in flight.
    mutating func armPersist(now: Instant) {
        guard !pending.isEmpty, queue.isEmpty, state.isSynchronized,
            snd.window == 0 || pendingExceedsWindow, !timers.isArmed(.persist)
        else { return }
        let backedOff = rtt.timeout << min(recovery.persistBackoff, 10)
        let limit = configuration.maximumRTO.wholeNanoseconds
        timers.arm(.persist, at: now + .nanoseconds(min(backedOff, limit)))
    }

    private var pendingExceedsWindow: Bool {
        snd.window < min(pending.first?.length ?? 0, effectiveMSS)
    }
}
