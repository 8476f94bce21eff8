internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// The joiner's side of a fast join (fast-join, 5.4, 5.6 and 5.6a).
///
/// What the SYN carries stays queued for reinjection until the peer's DATA_ACK covers it: a SYN whose
/// payload nobody takes costs nothing but its octets.
extension Connection {
    /// Prepares a join that this side is about to open.
    mutating func prepareFastJoin(_ index: Int) {
        guard mayUse(.earlyData) || mayOfferData || mayOfferResume else { return }
        subflows[index].fastJoin = SubflowFastJoin()
    }

    private var mayOfferData: Bool { mayOfferMultiMob || mayUse(.data) }
    private var mayOfferResume: Bool { mayOfferMultiMob || mayUse(.resume) }
    private var mayOfferMultiMob: Bool { speaksMultiMob && !fastJoin.isMultiMobIgnored }

    /// Whether the first SYN of a join may say more than MP_JOIN.
    private func mayOffer(on interface: InterfaceID, now: Instant) -> Bool {
        guard mayOfferData || mayOfferResume, !isBusyElsewhere(now: now) else { return false }
        let blocked = interfaces.first { $0.id == interface }?.synDataBlockedUntil
        return blocked.map { $0 <= now } ?? true
    }

    /// Whether what is to be sent, or to be received, has another way that can be trusted.
    private func isBusyElsewhere(now: Instant) -> Bool {
        subflows.contains { subflow in
            subflow.isUsable && !subflow.isSuspect && !isOverdue(subflow, now: now)
        }
    }

    /// Tells the host what a path takes, for joins to come.
    mutating func noteRoundTrip(_ index: Int) {
        guard configuration.fastJoin.variant == .synData, subflows[index].isOpener,
            let time = subflows[index].tcp.rtt.smoothedDuration
        else { return }
        events.append(.roundTripMeasured(subflows[index].tcp.tuple, time))
    }

    /// The host knows what the path of a subflow takes that was just opened.
    public mutating func expectRoundTrip(_ time: Duration, on id: SubflowID) {
        guard let index = index(of: id) else { return }
        subflows[index].fastJoin?.expectedRoundTrip = time
    }

    /// When the SYN goes again without its offer, if it is known what the path takes (fast-join, 5.4
    /// rule 4); else TCP's own timeout decides.
    func offerTimeout(_ index: Int) -> Duration? {
        subflows[index].fastJoin?.expectedRoundTrip.map { max(.milliseconds(250), $0 * 3) }
    }

    /// Chooses what the first SYN of a join carries, when it is polled.
    mutating func makeOffer(_ index: Int, now: Instant) {
        guard subflows[index].kind == .join, subflows[index].isOpener,
            subflows[index].fastJoin != nil, subflows[index].tcp.state == .synSent,
            subflows[index].tcp.synTransmissions == 0, subflows[index].fastJoin?.offer == nil,
            mayOffer(on: subflows[index].interface, now: now)
        else { return }
        let range = offeredRange
        var number = data.dataACK
        if !range.isEmpty, mayOfferData {
            subflows[index].fastJoin?.offer = .data(range)
            number = data.dataSequenceNumber(at: range.lowerBound)
            offer(range, on: index, now: now)
        } else if mayOfferResume {
            subflows[index].fastJoin?.offer = .resume
        } else {
            return
        }
        if mayOfferMultiMob {
            let isOut = offered(index) != nil
            subflows[index].fastJoin?.multimob = SubflowFastJoin.MultiMob(
                isOut: isOut, number: UInt32(truncatingIfNeeded: number.rawValue))
        }
        let length = offered(index)?.count ?? 0
        subflows[index].tcp.offerEarlyData(length: length, timeout: offerTimeout(index))
        counters.fastJoin.sent += 1
    }

    /// From the first octet that is not DATA_ACKed on, as much as SYN and window have room for.
    private var offeredRange: Range<Int> {
        let start = data.acknowledged
        guard data.reinjections.contains(start) || start == data.next else { return start..<start }
        var end = start
        if data.reinjections.contains(start) {
            end = data.reinjections.end(ofRangeContaining: start) ?? start
        }
        if end >= data.next { end = max(data.sent.end, end) }
        let most = speaksMultiMob ? configuration.fastJoin.maximumPayload : fastJoin.peerMaximum
        let room = min(most, Self.largestPayload, fastJoin.peerSegment)
        return start..<min(end, start + room, max(data.windowEnd, start))
    }

    /// Octets with the headers in a packet that every path takes.
    private static var largestPayload: Int { 1_400 - 40 }

    /// Whatever of the range was never sent counts as sent from now on, and as to be sent again: an
    /// octet that was sent before is a reinjection.
    private mutating func offer(_ range: Range<Int>, on index: Int, now: Instant) {
        let repeated = range.clamped(to: range.lowerBound..<max(data.next, range.lowerBound))
        data.next = max(data.next, range.upperBound)
        data.reinjections.insert(range)
        if !repeated.isEmpty { noteReinjection(repeated, on: index, now: now) }
        log(
            "join_data_sent", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("dsn", .dataSequenceNumber(data.dataSequenceNumber(at: range.lowerBound))),
            ("length", .number(range.count)))
    }

    /// What of our data the SYN carries.
    func offered(_ index: Int) -> Range<Int>? {
        if case .data(let range)? = subflows[index].fastJoin?.offer { range } else { nil }
    }

    /// The option of a SYN that makes an offer beside MP_JOIN.
    func offerOption(_ index: Int) -> MPTCPOption? {
        guard let offer = subflows[index].fastJoin?.offer,
            subflows[index].tcp.synTransmissions == 1, let remoteKey, let remoteToken
        else { return nil }
        var message = FastJoinMessage(
            purpose: .resume, token: remoteToken, nonce: subflows[index].localNonce,
            addressID: subflows[index].localAddressID,
            isBackup: subflows[index].isBackupForPeer, number: data.dataACK)
        switch offer {
        case .resume:
            let mac = scheme.fastJoinMAC(
                message, payload: [], joinerKey: localKey, acceptorKey: remoteKey)
            return .fastJoin(
                .resume(dataACK: UInt32(truncatingIfNeeded: message.number.rawValue), mac: mac))
        case .data(let range):
            message.purpose = .data
            message.number = data.dataSequenceNumber(at: range.lowerBound)
            message.isFollowedByFIN = data.isFINSent && range.upperBound == data.next
            var payload = [UInt8](repeating: 0, count: range.count)
            payload.withUnsafeMutableBytes { data.sent.copy(range, to: $0) }
            let mac = scheme.fastJoinMAC(
                message, payload: payload, joinerKey: localKey, acceptorKey: remoteKey)
            return .fastJoin(
                .data(
                    isFollowedByFIN: message.isFollowedByFIN,
                    dataSequenceNumber: UInt32(truncatingIfNeeded: message.number.rawValue),
                    mac: mac))
        }
    }

    /// The peer proved itself by its SYN/ACK: what became of the offer (fast-join, 5.6), and whether
    /// data may follow at once.
    mutating func settleOffer(_ index: Int, _ header: SegmentHeader, now: Instant) {
        guard let join = subflows[index].fastJoin else { return }
        let number = header.options.dss?.dataACK
        switch join.offer {
        case nil:
            let isAllowed = mayUse(.earlyData)
            subflows[index].fastJoin?.maySendEarly = isAllowed
        case .resume:
            if number != nil { acceptedOffer(index) } else { missedOffer(index, now: now) }
        case .data(let range):
            let taken = subflows[index].tcp.earlyAccepted
            let acknowledged = number.flatMap { data.sentOffset(of: $0) } ?? 0
            if taken == range.count, acknowledged >= range.upperBound {
                acceptedOffer(index)
            } else if taken > 0 {
                counters.fastJoin.ignored += 1
                awaitMapping(of: range.prefix(taken), index, now: now)
            } else {
                missedOffer(index, now: now)
            }
        }
        if let number { receiveDataACK(number, header, index, now: now) }
        guard subflows[index].fastJoin?.maySendEarly == true else { return }
        // The third packet goes ahead of what follows it.
        subflows[index].isFourthPacketPending = true
        subflowBecameUsable(index, now: now)
    }

    mutating func acceptedOffer(_ index: Int) {
        subflows[index].fastJoin?.isAccepted = true
        // The third packet has MP_JOIN and a DATA_ACK, and no room beside them.
        subflows[index].tcp.giveUpTimestamps()
        subflows[index].fastJoin?.maySendEarly = true
        data.isContiguous = false
    }

    /// The peer has nothing of the offer. If it took a second SYN, the network may have eaten the first.
    private mutating func missedOffer(_ index: Int, now: Instant) {
        counters.fastJoin.ignored += 1
        guard subflows[index].tcp.synTransmissions > 1 else { return }
        counters.fastJoin.synTimeouts += 1
        events.append(.synDataLost(subflows[index].interface, at: now))
    }

    /// Whoever refused a SYN with data may take one without (fast-join, 5.6).
    mutating func retryPlainly(_ index: Int, now: Instant) {
        let subflow = subflows[index]
        openJoin(
            from: Endpoint(subflow.tcp.tuple.local.address, ephemeralPort()),
            to: subflow.tcp.tuple.remote, remoteAddressID: subflow.remoteAddressID,
            isBackup: subflow.isBackupForPeer, interface: subflow.interface, isPlain: true, now: now
        )
    }

    /// Somebody acknowledged octets of the SYN who is not the peer, or the DATA_ACK was lost on the
    /// way: they stand in the subflow's stream, and their mapping follows.
    private mutating func awaitMapping(of range: Range<Int>, _ index: Int, now: Instant) {
        data.isContiguous = false
        data.reinjections.remove(range)
        subflows[index].fastJoin?.unmapped = range
        // Whoever does that does it again.
        events.append(.synDataLost(subflows[index].interface, at: now))
        subflows[index].noteUnmapped(range, now: now)
    }

    /// Tells the peer what the octets of the SYN are. It has a round trip to DATA_ACK them.
    mutating func sendAwaitedMapping(_ index: Int, now: Instant) {
        guard let range = subflows[index].fastJoin?.unmapped,
            range.upperBound > data.acknowledged
        else { return }
        let dsn = data.dataSequenceNumber(at: range.lowerBound)
        let checksum =
            usesChecksum
            ? DSSMapping.checksum(
                dataSequenceNumber: dsn, subflowSequenceNumber: 1, length: UInt16(range.count),
                payloadSum: data.sent.checksum(of: range)) : nil
        subflows[index].signalFirst(
            .dss(
                DSS(
                    mapping: DSSMapping(
                        dataSequenceNumber: .full(dsn.rawValue), subflowSequenceNumber: 1,
                        length: UInt16(range.count), checksum: checksum))))
        let timeout = subflows[index].tcp.rtt.timeout
        subflows[index].fastJoin?.mappingDeadline = now + .nanoseconds(timeout)
    }

    /// The peer does not DATA_ACK what the SYN carried: the data goes elsewhere.
    mutating func handleMappingDeadline(_ index: Int, now: Instant) {
        guard let deadline = subflows[index].fastJoin?.mappingDeadline, deadline <= now,
            let range = subflows[index].fastJoin?.unmapped
        else { return }
        subflows[index].fastJoin?.mappingDeadline = nil
        subflows[index].fastJoin?.unmapped = nil
        if range.upperBound > data.acknowledged {
            resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
        }
    }
}

extension Range<Int> {
    fileprivate func prefix(_ count: Int) -> Range<Int> {
        lowerBound..<Swift.min(lowerBound + count, upperBound)
    }
}
