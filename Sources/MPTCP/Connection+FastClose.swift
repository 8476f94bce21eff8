internal import DequeModule
public import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Fast close with an ACK (RFC 8684, 3.5, option A): it is repeated until the peer's RST shows that
/// it arrived.
struct FastClose: Sendable {
    /// The subflow that says it.
    var subflow: SubflowID
    var deadline: Instant
    var attempts = 1
}

/// The end of a connection at once (RFC 8684, 3.5; mptcp-behaviour, 9).
extension Connection {
    /// Ends the connection at once: MP_FASTCLOSE on the RST of every subflow, or on an ACK towards a
    /// peer of version 0, which knows no options on RST.
    public mutating func abort(now: Instant) {
        guard closeReason == nil else { return data.discardReceived() }
        if !isFallback, scheme == .v0, let remoteKey,
            let index = subflows.firstIndex(where: {
                $0.isFullyEstablished && $0.tcp.state.isSynchronized && $0.isUsable
            })
        {
            sayFastClose(remoteKey, index, now: now)
        } else {
            for index in subflows.indices { resetWithFastClose(index) }
        }
        finish(.aborted, now: now)
    }

    private mutating func resetWithFastClose(_ index: Int) {
        if !isFallback, scheme == .v1, let remoteKey {
            mib.count(.fastCloseSent)
            subflows[index].resetOptions = [
                .fastClose(receiverKey: remoteKey), .reset(MPTCPReset(.unspecified)),
            ]
        }
        subflows[index].tcp.abort()
    }

    private mutating func sayFastClose(_ key: Key, _ index: Int, now: Instant) {
        for other in subflows.indices where other != index { subflows[other].tcp.abort() }
        subflows[index].signals = [.fastClose(receiverKey: key)]
        mib.count(.fastCloseSent)
        let timeout = subflows[index].tcp.rtt.timeout
        fastClose = FastClose(
            subflow: subflows[index].id, deadline: now + .nanoseconds(timeout))
    }

    /// One timeout without RST: once more, and after three an RST of our own.
    mutating func handleFastClose(now: Instant) {
        guard var pending = fastClose, pending.deadline <= now else { return }
        guard let index = index(of: pending.subflow), let remoteKey else {
            fastClose = nil
            return
        }
        guard pending.attempts < Self.fastCloseAttempts else {
            fastClose = nil
            resetWithFastClose(index)
            return
        }
        pending.attempts += 1
        pending.deadline = now + .nanoseconds(subflows[index].tcp.rtt.timeout)
        fastClose = pending
        subflows[index].signal(.fastClose(receiverKey: remoteKey))
        mib.count(.fastCloseSent)
    }

    /// MP_FASTCLOSE with our key, on an ACK or an RST: every subflow is reset.
    mutating func receiveFastClose(now: Instant) {
        log("fastclose_received", now: now)
        mib.count(.fastCloseReceived)
        fastClose = nil
        for index in subflows.indices { subflows[index].tcp.abort() }
        finish(.reset, now: now)
    }

    /// Whether a reset brings MP_FASTCLOSE with our key. The key proves what otherwise the exact
    /// sequence number has to (RFC 5961, 3.2): behind a segment that was lost, the reset that answers
    /// our challenge has no options any more, and the connection would wait for another subflow.
    func endsWithFastClose(_ header: SegmentHeader, _ index: Int) -> Bool {
        guard scheme != .v0, !isFallback, subflows[index].tcp.isInWindow(header.sequence) else {
            return false
        }
        return header.options.mptcp.contains {
            if case .fastClose(let key) = $0 { key == localKey } else { false }
        }
    }

    private static var fastCloseAttempts: Int { 3 }
}
