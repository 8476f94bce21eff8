internal import DequeModule
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

extension Connection {
    /// Hands bytes to subflows as long as one has room: reinjections first, then new data.
    mutating func schedule(now: Instant) {
        guard closeReason == nil, isEstablished else { return }
        if isFallback {
            scheduleInFallback(now: now)
            return
        }
        guard !data.reinjections.isEmpty || data.next < data.sent.end else { return }
        let candidates = Scheduler.candidates(subflows)
        guard !candidates.isEmpty else { return }
        scheduleReinjections(candidates, now: now)
        guard data.reinjections.isEmpty || data.next == data.acknowledged else { return }
        while data.next < min(data.sent.end, data.windowEnd) {
            guard let index = Scheduler.lowestRTT(candidates, subflows) else { return }
            let length = min(
                subflows[index].tcp.effectiveMSS, data.sent.end - data.next,
                data.windowEnd - data.next)
            map(data.next..<(data.next + length), on: index, isReinjection: false, now: now)
            data.next += length
        }
        armWindowProbe(now: now)
    }

    private mutating func scheduleReinjections(_ candidates: [Int], now: Instant) {
        while let range = data.reinjections.first {
            guard let index = Scheduler.lowestRTT(candidates, subflows) else { return }
            let end = min(range.upperBound, range.lowerBound + subflows[index].tcp.effectiveMSS)
            let piece = range.lowerBound..<end
            data.reinjections.remove(piece)
            // Never again on a subflow that still carries it (mptcp-behaviour, 7.2).
            if subflows[index].carries(piece) { continue }
            map(piece, on: index, isReinjection: true, now: now)
        }
    }

    /// Cuts a mapping and gives it to a subflow.
    private mutating func map(
        _ range: Range<Int>, on index: Int, isReinjection: Bool, now: Instant
    ) {
        let streamOffset = subflows[index].tcp.sendBuffer.end
        let ssn = UInt32(truncatingIfNeeded: streamOffset + 1)
        let dsn = data.dataSequenceNumber(at: range.lowerBound)
        let checksum =
            usesChecksum
            ? DSSMapping.checksum(
                dataSequenceNumber: dsn, subflowSequenceNumber: ssn, length: UInt16(range.count),
                payloadSum: data.sent.checksum(of: range)) : nil
        subflows[index].tcp.send(
            range, of: data.sent,
            mapping: SegmentMapping(
                dataSequenceNumber: dsn, subflowSequenceNumber: ssn, length: UInt16(range.count),
                checksum: checksum))
        subflows[index].sentMappings.append(
            Subflow.SentMapping(
                data: range, subflowEnd: streamOffset + range.count, sentAt: now,
                isReinjection: isReinjection))
        if isReinjection { noteReinjection(range, index, dsn, now: now) }
    }

    private mutating func noteReinjection(
        _ range: Range<Int>, _ index: Int, _ dsn: DataSequenceNumber, now: Instant
    ) {
        counters.reinjectedBytes += range.count
        data.reinjected.insert(range)
        data.isContiguous = false
        log(
            "reinjection", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("dsn", .text(dsn.description)), ("length", .number(range.count)))
    }

    private mutating func scheduleInFallback(now: Instant) {
        guard let index = subflows.indices.first, subflows[index].tcp.state.canSend else { return }
        let allowance = subflows[index].tcp.sendAllowance
        let length = min(allowance, data.sent.end - data.next)
        guard length > 0 else { return }
        subflows[index].tcp.send(
            data.next..<(data.next + length), of: data.sent, mapping: nil)
        data.next += length
    }

    // MARK: Reinjection

    /// Everything that was sent on a subflow and not DATA_ACKed goes out again, head first
    /// (mptcp-behaviour, 7.2).
    mutating func reinjectEverything(of index: Int, now: Instant) {
        guard !isFallback else { return }
        for mapping in subflows[index].sentMappings {
            let range = mapping.data.clamped(to: data.acknowledged..<max(data.next, data.acknowledged))
            guard !range.isEmpty else { continue }
            let isElsewhere = subflows.indices.contains {
                $0 != index && subflows[$0].isUsable && !subflows[$0].isSuspect
                    && subflows[$0].carries(range)
            }
            if !isElsewhere { data.reinjections.insert(range) }
        }
    }

    /// When the head of the queue counts as stuck: 2 SRTT + 40 ms after it was last sent, if
    /// anybody else could carry it (mptcp-behaviour, 7.4); on the only subflow once TCP has
    /// delivered it and the peer's connection level has not (7.3).
    func headDeadline() -> (deadline: Instant, carrier: Int)? {
        guard !isFallback, isEstablished, data.acknowledged < data.next,
            !data.reinjections.contains(data.acknowledged)
        else { return nil }
        var latest: (mapping: Subflow.SentMapping, index: Int)?
        for index in subflows.indices {
            guard let mapping = subflows[index].lastMapping(containing: data.acknowledged) else {
                continue
            }
            if latest.map({ $0.mapping.sentAt <= mapping.sentAt }) ?? true {
                latest = (mapping, index)
            }
        }
        guard let (mapping, carrier) = latest else { return nil }
        let rtt = subflows[carrier].tcp.rtt
        let hasOther = subflows.indices.contains { other in
            other != carrier && subflows[other].isUsable && !subflows[other].isSuspect
                && !subflows[other].carries(mapping.data)
        }
        if hasOther {
            let patience = 2 * (rtt.smoothed ?? rtt.timeout / 2) + 40_000_000
            return (mapping.sentAt + .nanoseconds(patience), carrier)
        }
        guard mapping.subflowEnd <= subflows[carrier].tcp.acknowledgedOffset,
            subflows[carrier].isUsable
        else { return nil }
        let patience = max(rtt.timeout, 200_000_000) << min(data.retransmissionBackoff, 8)
        return (mapping.sentAt + .nanoseconds(patience), carrier)
    }

    /// The head is stuck: it goes out again at once, and its subflow is suspect. When nothing at
    /// all was heard from the subflow since, everything it carries is taken for lost.
    mutating func reinjectHead(carrier: Int, now: Instant) {
        guard let mapping = subflows[carrier].lastMapping(containing: data.acknowledged) else {
            return
        }
        data.retransmissionBackoff += 1
        let hasOther = subflows.indices.contains {
            $0 != carrier && subflows[$0].isUsable && !subflows[$0].isSuspect
        }
        if hasOther, subflows[carrier].suspectSince == nil, subflows[carrier].isUsable {
            subflows[carrier].suspectSince = now
            log(
                "subflow_suspect", now: now,
                ("subflow", .number(Int(subflows[carrier].id.rawValue))))
        }
        if subflows[carrier].tcp.lastReceived <= mapping.sentAt, hasOther {
            reinjectEverything(of: carrier, now: now)
        } else {
            data.reinjections.insert(mapping.data.clamped(to: data.acknowledged..<data.next))
        }
    }

    /// A subflow became usable: what waits for a path, or hangs on one that fell silent, goes there
    /// at once.
    mutating func subflowBecameUsable(_ index: Int, now: Instant) {
        guard !isFallback else { return }
        if let (deadline, carrier) = headDeadline(), carrier != index, deadline <= now {
            reinjectHead(carrier: carrier, now: now)
        }
        if data.isFINSent, !data.isFINAcknowledged {
            subflows[index].isDataFINPending = true
        }
        paths.signalRemovals(on: &subflows[index])
    }

    /// mptcp-behaviour, 6.4: everything is acknowledged and the window is closed.
    private mutating func armWindowProbe(now: Instant) {
        guard data.next < data.sent.end, data.windowEnd <= data.next,
            data.acknowledged == data.next
        else {
            data.probeDeadline = nil
            return
        }
        guard data.probeDeadline == nil else { return }
        let base = subflows.filter(\.isUsable).map(\.tcp.rtt.timeout).min() ?? 1_000_000_000
        let timeout = min(base << min(data.probeBackoff, 9), 60_000_000_000)
        data.probeBackoff += 1
        data.probeDeadline = now + .nanoseconds(timeout)
    }
}
