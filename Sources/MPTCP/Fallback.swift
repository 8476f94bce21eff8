internal import DequeModule
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Why a connection fell back to plain TCP (mptcp-behaviour, 11.1).
enum FallbackCause: String, Sendable {
    /// SYN/ACK without MP_CAPABLE (rule 1).
    case noCapableAnswer = "syn-ack-without-mp-capable"
    /// Both sides sent SYN: nobody can tell whose MP_CAPABLE counts.
    case simultaneousOpen = "simultaneous-open"
    /// Third packet without MP_CAPABLE (rule 2).
    case noCapableConfirmation = "ack-without-mp-capable"
    /// Data acknowledged without DATA_ACK (rule 3), or a DATA_FIN that nobody acknowledged before
    /// the peer ever spoke MPTCP.
    case noDataACK = "ack-without-data-ack"
    /// Data without a mapping (rule 4).
    case noMapping = "data-without-mapping"
    /// The peer found a wrong checksum and sent MP_FAIL (rule 7).
    case peerFailed = "mp-fail"
    /// The peer sent an infinite mapping (rule 8).
    case infiniteMapping = "infinite-mapping"

    /// What the kernel counts.
    var counter: MIBCounter? {
        switch self {
        case .noCapableAnswer: .capableFallbackSYNACK
        case .simultaneousOpen: .simultaneousConnect
        case .noCapableConfirmation: .capableFallbackACK
        case .noDataACK, .noMapping: .dssFallback
        case .infiniteMapping: .infiniteMappingReceived
        case .peerFailed: nil
        }
    }

    /// Whether the peer may still believe in MPTCP: it is told by an infinite mapping.
    var isNewsForPeer: Bool {
        switch self {
        case .noDataACK, .noMapping, .peerFailed: true
        case .noCapableAnswer, .simultaneousOpen, .noCapableConfirmation, .infiniteMapping: false
        }
    }
}

/// Data whose mapping is wrong or missing waits for the peer's infinite mapping (mptcp-behaviour,
/// 11.4).
struct MappingFailure: Sendable {
    /// Which subflow brought it.
    var subflow: SubflowID
    /// Where the data starts that has no valid mapping.
    var dataSequenceNumber: DataSequenceNumber
    /// When the subflow is given up.
    var deadline: Instant
    /// When MP_FAIL goes out again.
    var nextRepeat: Instant
    var repeats = 0
}

extension Connection {
    /// Whether the connection may still become plain TCP: everything in order on its first subflow,
    /// and no other that carries anything. Joins under way end with MPTCP; one that outlived the first
    /// subflow starts in the middle of the data (mptcp-behaviour, 11.1).
    var mayFallBack: Bool {
        guard data.isContiguous, data.reinjected.isEmpty, let first = subflows.first,
            first.kind == .capable
        else { return false }
        // A FIN before the end of the data would be taken for it.
        return (!first.tcp.isCloseRequested || data.isFINSent)
            && subflows.indices.dropFirst().allSatisfy { subflows[$0].isUnfinishedJoin }
    }

    /// From here on the one subflow's stream is the application's (RFC 8684, 3.7).
    mutating func fallBack(_ cause: FallbackCause, now: Instant) {
        guard !isFallback else { return }
        isFallback = true
        data.reinjections = RangeList()
        data.failure = nil
        data.finDeadline = nil
        data.probeDeadline = nil
        for index in subflows.indices.dropFirst() { subflows[index].tcp.discard() }
        if let index = subflows.indices.first {
            // Constant distance between the two spaces: everything was sent in order here.
            let tcp = subflows[index].tcp
            data.fallbackSendShift = data.next - tcp.sendBuffer.end
            data.fallbackReceiveShift = data.received.end - tcp.receiveBuffer.start
            subflows[index].signals.removeAll()
            subflows[index].isDataFINPending = false
            subflows[index].unmappedDeadline = nil
            data.awaitsFIN = !tcp.hasReceivedFIN
            // Whoever gave up its address has no other way any more.
            if !tcp.isCloseRequested { subflows[index].closeDeadline = nil }
            subflows[index].isFullyEstablished = tcp.state.isSynchronized
            if cause.isNewsForPeer { subflows[index].infiniteMappings = Self.infiniteMappings }
            // A DATA_FIN that was sent counts no more: FIN takes its place.
            if data.isFINSent { subflows[index].tcp.close(now: now) }
        }
        if let counter = cause.counter { mib.count(counter) }
        if cause.isNewsForPeer { mib.count(.infiniteMappingSent) }
        log("fallback", now: now, ("cause", .text(cause.rawValue)))
    }

    /// In fallback the subflow's ACK is the DATA_ACK.
    mutating func acknowledgeInFallback(_ index: Int, now: Instant) {
        let offset = subflows[index].tcp.acknowledgedOffset + data.fallbackSendShift
        let before = data.acknowledged
        data.sent.discard(upTo: min(offset, data.next))
        if data.acknowledged > before { signalWritable() }
    }

    /// In fallback received bytes are the application's as they come.
    mutating func drainInFallback(_ index: Int, now: Instant) {
        let start = subflows[index].tcp.receiveBuffer.start
        let end = subflows[index].tcp.receiveBuffer.end
        if end > start {
            var offset = start + data.fallbackReceiveShift
            subflows[index].tcp.receiveBuffer.forEachPiece(of: start..<end) { piece in
                _ = data.received.insert(piece, at: offset)
                offset += piece.count
            }
            subflows[index].tcp.consume(upTo: end)
            signalReadable()
        }
        guard subflows[index].tcp.hasReceivedFIN else { return }
        data.awaitsFIN = false
        if !data.isPeerFinished {
            data.isPeerFinished = true
            events.append(.atEnd)
        }
    }

    // MARK: MP_FAIL

    /// RFC 8684, 3.7. With other subflows the one that changes data ends and the peer sends the
    /// data elsewhere; alone it is kept, and the peer is asked to fall back.
    mutating func failChecksum(_ entry: MappingTable.Entry, _ index: Int, now: Instant) {
        let dsn = data.remoteInitialDSN + 1 + entry.data
        mib.count(.checksumError)
        log("checksum_failed", now: now, ("dsn", .dataSequenceNumber(dsn)))
        guard mayFallBack, index == 0 else {
            mib.count(.failSent)
            subflows[index].resetOptions = [.fail(dsn)]
            resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
            return
        }
        requestFallback(at: dsn, index, now: now)
    }

    /// Text came in without a mapping, and none will come: a middlebox took it away, or joined two
    /// segments (RFC 8684, 3.7; middleboxes, O5 and T2).
    mutating func loseMapping(_ index: Int, now: Instant) {
        guard data.failure == nil else { return }
        guard mayFallBack, index == 0 else {
            resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
            return
        }
        let dsn = data.remoteInitialDSN + 1 + data.received.end
        log("mapping_missing", now: now, ("dsn", .dataSequenceNumber(dsn)))
        requestFallback(at: dsn, index, now: now)
    }

    /// The data waits, neither delivered nor DATA_ACKed, until the peer has answered.
    private mutating func requestFallback(
        at dsn: DataSequenceNumber, _ index: Int, now: Instant
    ) {
        mib.count(.failSent)
        subflows[index].signal(.fail(dsn))
        data.hasRequestedFallback = true
        data.failure = MappingFailure(
            subflow: subflows[index].id, dataSequenceNumber: dsn, deadline: now + .seconds(60),
            nextRepeat: now + .nanoseconds(subflows[index].tcp.rtt.timeout))
    }

    /// MP_FAIL on an ACK: the answer is MP_FAIL for the other direction and an infinite mapping.
    /// Returns `false` when the subflow ended.
    mutating func receiveFail(_ index: Int, now: Instant) -> Bool {
        guard subflows[index].tcp.state.isSynchronized else { return true }
        mib.count(.failReceived)
        if mayFallBack, index == 0 {
            let answer = data.remoteInitialDSN + 1 + data.received.end
            let isAnswer = data.failure != nil
            fallBack(.peerFailed, now: now)
            drainInFallback(index, now: now)
            acknowledgeInFallback(index, now: now)
            if !isAnswer {
                mib.count(.failSent)
                subflows[index].signal(.fail(answer))
            }
            return true
        }
        mib.count(.fallbackFailed)
        resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
        return false
    }

    /// A peer that does not know yet that this side has fallen back, because what would have said so
    /// was stripped, asks for it. Whoever asked itself takes MP_FAIL for the answer.
    mutating func answerFailInFallback(_ header: SegmentHeader, _ index: Int) {
        guard !data.hasRequestedFallback, remoteKey != nil,
            header.options.mptcp.contains(where: { if case .fail = $0 { true } else { false } })
        else { return }
        mib.count(.failSent)
        subflows[index].signal(.fail(data.remoteInitialDSN + 1 + data.received.end))
    }

    /// MP_FAIL is not acknowledged: it is repeated until the peer's infinite mapping comes.
    mutating func handleMappingFailure(now: Instant) {
        guard var failure = data.failure else { return }
        guard let index = self.index(of: failure.subflow) else {
            // The subflow took the changed data with it: the peer sends it on another one.
            data.failure = nil
            for other in subflows.indices { drain(other, now: now) }
            return
        }
        if failure.deadline <= now || !mayFallBack {
            // No answer; or a join was finished meanwhile, and the data can go there.
            data.failure = nil
            mib.count(.failSent)
            subflows[index].resetOptions = [.fail(failure.dataSequenceNumber)]
            resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
            for other in subflows.indices where other != index { drain(other, now: now) }
        } else if failure.nextRepeat <= now {
            failure.repeats += 1
            let timeout = subflows[index].tcp.rtt.timeout << min(failure.repeats, 6)
            failure.nextRepeat = now + .nanoseconds(timeout)
            data.failure = failure
            mib.count(.failSent)
            subflows[index].signal(.fail(failure.dataSequenceNumber))
        }
    }

    // MARK: Segments

    /// The infinite mapping on what leaves after a fallback that the peer may not know of, anchored
    /// at the segment's own first octet; it is on several segments because each may be lost.
    mutating func decorateInFallback(
        _ segment: inout OutgoingSegment, _ index: Int, carriesSignal: Bool
    ) {
        guard segment.header.flags.isDisjoint(with: [.syn, .rst]) else { return }
        if carriesSignal, let signal = subflows[index].signals.popFirst() {
            segment.header.options.mptcp = [signal]
            return
        }
        // Linux takes it from segments with text only.
        if segment.payload.isEmpty {
            guard subflows[index].infiniteMappings.onACKs > 0 else { return }
            subflows[index].infiniteMappings.onACKs -= 1
        } else {
            guard subflows[index].infiniteMappings.onText > 0 else { return }
            subflows[index].infiniteMappings.onText -= 1
        }
        let offset = segment.payload.lowerBound
        segment.header.options.dss = DSS(
            mapping: DSSMapping(
                dataSequenceNumber: .full(
                    data.dataSequenceNumber(at: offset + data.fallbackSendShift).rawValue),
                subflowSequenceNumber: UInt32(truncatingIfNeeded: offset + 1), length: 0,
                checksum: usesChecksum ? 0 : nil))
    }

    private static var infiniteMappings: (onText: Int, onACKs: Int) { (16, 16) }
}
