internal import CongestionControl
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// The acceptor's side of a fast join (fast-join, 5.5).
extension Connection {
    /// What a SYN+MP_JOIN brought that is to be believed: `nil` makes it a join as any other.
    struct JoinOffer {
        var start: Int
        var payload: [UInt8]
        var isFollowedByFIN: Bool
        var isResume: Bool
        /// As which it came if it is no FJ-DATA or FJ-RESUME.
        var multimob: SubflowFastJoin.MultiMob?
    }

    /// Reads and verifies the offer of a SYN. `mayVerify` says whether the host can afford a MAC.
    mutating func receiveOffer(
        _ request: JoinRequest, _ syn: SegmentHeader, payload: UnsafeRawBufferPointer,
        mayVerify: Bool
    ) -> JoinOffer? {
        if let option = request.multimob {
            return receiveOffer(option, payload: payload, mayVerify: mayVerify)
        }
        guard let remoteKey, mayVerify, data.failure == nil,
            subflows.count(where: \.isProvisional) < configuration.fastJoin.maximumProvisional
        else { return nil }
        var message = FastJoinMessage(
            purpose: .data, token: request.token, nonce: request.nonce,
            addressID: request.addressID, isBackup: request.isBackup, number: data.dataACK)
        let offer: JoinOffer
        let claimed: UInt64
        switch syn.options.fastJoin {
        case .data(let isFollowedByFIN, let number, let mac)?:
            guard mayReceive(.data), !payload.isEmpty,
                let start = receivedStart(of: number, length: payload.count)
            else { return nil }
            message.isFollowedByFIN = isFollowedByFIN
            message.number = data.remoteInitialDSN + 1 + start
            claimed = mac
            offer = JoinOffer(
                start: start, payload: Array(payload), isFollowedByFIN: isFollowedByFIN,
                isResume: false)
        case .resume(let number, let mac)?:
            guard mayReceive(.resume), let offset = acknowledgedOffset(of: number)
            else { return nil }
            message.purpose = .resume
            message.number = data.dataSequenceNumber(at: offset)
            claimed = mac
            offer = JoinOffer(start: offset, payload: [], isFollowedByFIN: false, isResume: true)
        case .capabilities?, .timeoutRequest?, .timeout?, nil: return nil
        }
        let expected = scheme.fastJoinMAC(
            message, payload: offer.payload, joinerKey: remoteKey, acceptorKey: localKey)
        guard expected ^ claimed == 0 else {
            counters.fastJoin.badMAC += 1
            return nil
        }
        return offer
    }

    /// Where the payload of a SYN starts, if it is within a window of what comes next.
    mutating func receivedStart(of number: UInt32, length: Int) -> Int? {
        guard let start = data.receivedOffset(of: .low32(number)),
            start <= data.received.end, start >= data.received.end - data.receiveCapacity,
            start + length <= data.advertisedEnd
        else {
            counters.fastJoin.outOfWindow += 1
            return nil
        }
        return start
    }

    /// What the DATA_ACK of a SYN says of our data, if it can be true.
    mutating func acknowledgedOffset(of number: UInt32) -> Int? {
        guard let offset = data.sentOffset(of: .low32(number)), offset >= data.acknowledged,
            offset <= data.next + (data.isFINSent ? 1 : 0)
        else {
            counters.fastJoin.outOfWindow += 1
            return nil
        }
        return offset
    }

    /// Believes a SYN: what it brought is the application's, and the subflow is provisional until
    /// the third packet proves that the peer knows our nonce, too.
    mutating func accept(
        _ offer: JoinOffer, _ syn: SegmentHeader, packetLength: Int, _ index: Int, now: Instant
    ) {
        counters.fastJoin.accepted += 1
        data.isContiguous = false
        var join = SubflowFastJoin()
        join.isAccepted = true
        // The SYN/ACK has MP_JOIN and a DATA_ACK, and no room beside them.
        subflows[index].tcp.giveUpTimestamps()
        join.provisionalDeadline = now + configuration.fastJoin.provisionalTimeout
        join.budget = 3 * packetLength
        join.multimob = offer.multimob
        subflows[index].fastJoin = join
        let novelty = offer.isResume ? resume(offer, syn, index, now: now) : take(offer, now: now)
        if novelty != .news { counters.fastJoin.replayed += 1 }
        log(
            "join_data_received", now: now,
            ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("length", .number(offer.payload.count)))
        // Maybe somebody else's, who saw the SYN: nothing is sent there before its third packet, but
        // for what was published.
        guard configuration.fastJoin.effectiveProvisional != .strict,
            novelty != .old || offer.multimob != nil
        else { return }
        // The peer opens a subflow in this way when it has no other left. What it lacks goes first,
        // before anything new: the subflow may send little until it is proven. Octets that came last
        // may be a request whose answer was lost, and may be a replay that must not move anything: the
        // others are trusted as before.
        if novelty == .news {
            for other in subflows.indices where other != index && subflows[other].isUsable {
                suspect(other, now: now)
            }
        }
        for other in subflows.indices where other != index {
            reinjectEverything(of: other, now: now)
        }
        subflows[index].fastJoin?.maySendEarly = true
        allowEarlyAnswer(index)
    }

    /// What a SYN that is believed tells.
    private enum Novelty {
        /// Octets that were not here, or what of ours has arrived.
        case news
        /// The octets that came last: nothing newer has come since.
        case latest
        case old
    }

    /// The payload lies at its data sequence number: it may come twice, and only once counts.
    private mutating func take(_ offer: JoinOffer, now: Instant) -> Novelty {
        let before = data.received.end
        let insertion = offer.payload.withUnsafeBytes { data.received.insert($0, at: offer.start) }
        counters.duplicateBytes += offer.payload.count - insertion.newBytes
        counters.fastJoin.bytesEarly += insertion.newBytes
        if offer.isFollowedByFIN { notePeerFIN(at: offer.start + offer.payload.count) }
        if data.received.end > before { openWindow() }
        finishReceiving(now: now)
        if data.received.end > before { signalReadable() }
        if insertion.newBytes > 0 { return .news }
        return offer.start + offer.payload.count == data.received.end ? .latest : .old
    }

    private mutating func resume(
        _ offer: JoinOffer, _ syn: SegmentHeader, _ index: Int, now: Instant
    ) -> Novelty {
        guard configuration.fastJoin.effectiveProvisional != .strict else { return .news }
        let number = data.dataSequenceNumber(at: offer.start)
        receiveDataACK(.full(number.rawValue), syn, index, now: now)
        return .news
    }

    /// Has TCP send what a subflow may that the peer has yet to prove (fast-join, 5.5 rule 9).
    mutating func allowEarlyAnswer(_ index: Int) {
        guard subflows[index].isProvisional, let join = subflows[index].fastJoin,
            join.maySendEarly
        else { return }
        let segment = subflows[index].tcp.effectiveMSS
        let allowance: Int
        switch configuration.fastJoin.effectiveProvisional {
        case .strict: return
        case .limited:
            let room = max(join.budget - Self.headerLength, 0)
            allowance = join.hasAnswered ? room : max(room, segment)
            if allowance < segment, !join.isBlocked, data.next < data.sent.end {
                subflows[index].fastJoin?.isBlocked = true
                counters.fastJoin.amplificationBlocked += 1
            }
        case .multimob: allowance = subflows[index].tcp.congestion.window
        }
        subflows[index].tcp.allowEarlyAnswer(allowance)
    }

    /// Octets of the headers of a segment with data at most.
    private static var headerLength: Int { 100 }

    /// A packet left on a subflow that the peer has yet to prove.
    mutating func chargeEarlyAnswer(_ index: Int, length: Int, hasPayload: Bool) {
        guard subflows[index].isProvisional else { return }
        subflows[index].fastJoin?.budget -= length
        if hasPayload { subflows[index].fastJoin?.hasAnswered = true }
        allowEarlyAnswer(index)
    }

    // MARK: Data ahead of the third packet

    /// Keeps a segment that overtook the third packet, if the peer was told that it may. Returns
    /// whether it did.
    mutating func hold(
        _ header: SegmentHeader, _ payload: UnsafeRawBufferPointer, ecn: ECNCodepoint,
        _ index: Int
    ) -> Bool {
        guard subflows[index].pendingSince != nil, mayReceive(.earlyData),
            !header.options.mptcp.contains(where: { if case .join = $0 { true } else { false } })
        else { return false }
        var join = subflows[index].fastJoin ?? SubflowFastJoin()
        let kept = join.held.reduce(0) { $0 + $1.payload.count }
        // A segment without text or FIN says nothing that the next one does not say.
        if kept + payload.count <= SubflowFastJoin.heldLimit, join.held.count < 64,
            !payload.isEmpty || header.flags.contains(.fin)
        {
            join.held.append(
                SubflowFastJoin.HeldSegment(header: header, payload: Array(payload), ecn: ecn))
            join.budget += 3 * payload.count
            subflows[index].fastJoin = join
        }
        return true
    }

    /// The third packet came: what had overtaken it is taken now.
    mutating func releaseHeld(_ id: SubflowID, now: Instant) {
        guard let index = index(of: id), let join = subflows[index].fastJoin, !join.held.isEmpty,
            subflows[index].pendingSince == nil
        else { return }
        subflows[index].fastJoin?.held = []
        for segment in join.held {
            _ = segment.payload.withUnsafeBytes {
                receive(segment.header, payload: $0, ecn: segment.ecn, on: id, now: now)
            }
        }
    }

    /// The third packet has not come: what was sent there goes elsewhere (fast-join, 5.5 rule 10). The
    /// join is one like any other from now on, and may yet come about: a joiner whose handshake loses
    /// packets is not to fare worse than with the join of RFC 8684.
    mutating func handleProvisionalDeadline(_ index: Int, now: Instant) {
        guard let deadline = subflows[index].fastJoin?.provisionalDeadline, deadline <= now,
            subflows[index].isProvisional
        else { return }
        subflows[index].fastJoin?.provisionalDeadline = nil
        subflows[index].fastJoin?.maySendEarly = false
        subflows[index].tcp.allowEarlyAnswer(0)
        counters.fastJoin.provisionalExpired += 1
        log(
            "join_expired", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))))
        reinjectEverything(of: index, now: now)
    }
}
