internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// What a connection knows of its peer's silence (fast-join, 2.4).
struct IdleState: Sendable {
    /// Whether our mappings say that nothing follows: the peer understands it.
    var isMarked = false
    /// Whether the peer's mappings say so, and it is our business.
    var isWatched = false
    /// When silence means that the path is dead.
    var deadline: Instant?
    /// The subflow that brought data last.
    var subflow = SubflowID(0)
    /// Behind the last octet that the peer has mapped.
    var end = 0
    /// Whether the peer said that nothing follows there.
    var isEndLast = false
    /// The peer's retransmission timeout, until it has told.
    var peerTimeout = Duration.milliseconds(1_500)
    /// When the peer is asked again.
    var nextRequest = Instant(nanoseconds: .min / 2)

    init() {}

    /// How long data that was announced may take.
    var patience: Duration { max(.milliseconds(500), peerTimeout) }

    /// From one question for the peer's timeout to the next.
    static let requestInterval = Duration.seconds(3)
    /// A peer that says more is not believed.
    static let longestTimeout = Duration.seconds(60)
}

extension Connection {
    /// CAPS came: mappings are marked once the peer understands it, and the peer's are believed once
    /// it knows that we do. Only who can open another subflow cares for silence.
    mutating func agreeOnIdleSignal(_ index: Int, now: Instant) {
        guard mayUse(.idleSignal), !idle.isMarked || !idle.isWatched else { return }
        idle.isMarked = true
        guard isOpener, fastJoin.isKnownToPeer else { return }
        idle.isWatched = true
        requestTimeout(index, now: now)
    }

    /// Data came: the timer runs while some is missing, or more is to come.
    mutating func noteArrival(_ header: SegmentHeader, on id: SubflowID, now: Instant) {
        guard let index = index(of: id), let dss = header.options.dss, let mapping = dss.mapping,
            let start = data.receivedOffset(of: mapping.dataSequenceNumber)
        else { return }
        let end = start + Int(mapping.length) - (dss.isDataFIN ? 1 : 0)
        if end >= idle.end, end <= data.advertisedEnd {
            idle.end = end
            idle.isEndLast = dss.isIdle
        }
        idle.subflow = id
        let isOver = data.isPeerFinished || idle.isEndLast && data.received.end >= idle.end
        idle.deadline = isOver ? nil : now + idle.patience
        if now >= idle.nextRequest { requestTimeout(index, now: now) }
    }

    /// The data that was announced does not come.
    mutating func handleIdleTimer(now: Instant) {
        guard let deadline = idle.deadline, deadline <= now else { return }
        idle.deadline = nil
        guard !isFallback, !data.isPeerFinished, let index = index(of: idle.subflow) else { return }
        guard data.receiveWindow >= subflows[index].tcp.effectiveMSS else {
            // It is our window that the peer waits for.
            idle.deadline = now + idle.patience
            return
        }
        suspectPath(index, .idleTimer, now: now)
        requestSubflow(now: now)
    }

    // MARK: The exchange of timeouts

    private mutating func requestTimeout(_ index: Int, now: Instant) {
        idle.nextRequest = now + IdleState.requestInterval
        subflows[index].signal(.fastJoin(.timeoutRequest))
    }

    /// The peer asks for our timeout on a subflow.
    mutating func answerTimeoutRequest(_ index: Int) {
        guard mayReceive(.idleSignal) else { return }
        let tcp = subflows[index].tcp
        let timeout =
            tcp.rtt.smoothed == nil ? 1_500_000 : UInt32(clamping: tcp.rtt.timeout / 1_000)
        subflows[index].signal(.fastJoin(.timeout(microseconds: timeout)))
    }

    /// The peer told its timeout.
    mutating func learnTimeout(microseconds: UInt32) {
        guard idle.isWatched else { return }
        idle.peerTimeout = min(.microseconds(Int64(microseconds)), IdleState.longestTimeout)
    }
}
