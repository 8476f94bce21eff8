internal import DequeModule
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Data that was sent on one subflow goes out again on another (mptcp-behaviour, 7.2 to 7.4).
extension Connection {
    /// Everything that was sent on a subflow and not DATA_ACKed goes out again, head first, unless
    /// another subflow that can be trusted has it on the way.
    mutating func reinjectEverything(of index: Int, now: Instant) {
        guard !isFallback, data.acknowledged < data.next else { return }
        var lost = RangeList()
        for mapping in subflows[index].sentMappings {
            lost.insert(mapping.data.clamped(to: data.acknowledged..<data.next))
        }
        for other in subflows.indices
        where other != index && subflows[other].isUsable && !subflows[other].isSuspect {
            for range in subflows[other].carriedRanges().ranges { lost.remove(range) }
        }
        for range in lost.ranges { data.reinjections.insert(range) }
    }

    /// When the head of the queue counts as stuck, if anybody else could carry it; on the only
    /// subflow once TCP has delivered it and the peer's connection level has not (7.3).
    func headDeadline() -> (deadline: Instant, carrier: Int)? {
        guard !isFallback, isEstablished, data.acknowledged < data.next,
            !data.reinjections.contains(data.acknowledged), let (mapping, carrier) = headCarrier()
        else { return nil }
        if canRelieve(carrier) {
            let due = stuckAt(mapping, on: subflows[carrier].tcp)
            return (max(due, data.earliestReinjection), carrier)
        }
        guard mapping.subflowEnd <= subflows[carrier].tcp.acknowledgedOffset,
            subflows[carrier].isUsable
        else { return nil }
        let patience =
            max(subflows[carrier].tcp.rtt.timeout, 200_000_000)
            << min(data.retransmissionBackoff, 8)
        return (max(mapping.sentAt + .nanoseconds(patience), data.earliestReinjection), carrier)
    }

    /// Whether another subflow could carry the head.
    private func canRelieve(_ carrier: Int) -> Bool {
        subflows.indices.contains { other in
            other != carrier && subflows[other].isUsable && !subflows[other].isSuspect
                && !subflows[other].carries(data.acknowledged)
                && !isReserved(other, beside: carrier)
        }
    }

    /// Under the rules of iOS a backup takes over for one of their reasons only.
    private func isReserved(_ other: Int, beside carrier: Int) -> Bool {
        configuration.policy == .ios && subflows[other].isBackup && !subflows[carrier].isBackup
            && subflows[carrier].isUsable
    }

    /// The mapping that last carried the head, and its subflow.
    func headCarrier() -> (mapping: Subflow.SentMapping, index: Int)? {
        var latest: (mapping: Subflow.SentMapping, index: Int)?
        for index in subflows.indices {
            guard let mapping = subflows[index].lastMapping(containing: data.acknowledged) else {
                continue
            }
            if latest.map({ $0.mapping.sentAt <= mapping.sentAt }) ?? true {
                latest = (mapping, index)
            }
        }
        return latest
    }

    /// Two round trips and 40 ms without a DATA_ACK (7.4). A subflow that was heard since keeps its
    /// turn as long as DATA_ACKs advance; but once its ACKs stop coming altogether and the head is
    /// overdue, a full queue's round trips are no reason to wait.
    private func stuckAt(_ mapping: Subflow.SentMapping, on tcp: TCPConnection) -> Instant {
        guard tcp.lastReceived > mapping.sentAt else { return mapping.sentAt + patience(tcp) }
        let stalled = max(mapping.sentAt, data.lastAdvance) + patience(tcp)
        let silent = max(mapping.sentAt + overdue(tcp), tcp.lastReceived + quietTime(tcp))
        return min(stalled, silent)
    }

    /// How long a DATA_ACK may take before the path counts as stuck.
    private func patience(_ tcp: TCPConnection) -> Duration {
        .nanoseconds(2 * (tcp.rtt.smoothed ?? tcp.rtt.timeout / 2) + 40_000_000)
    }

    /// How long an ACK may take, judged by the samples so far.
    private func overdue(_ tcp: TCPConnection) -> Duration {
        .nanoseconds((tcp.rtt.smoothed ?? tcp.rtt.timeout) + 4 * tcp.rtt.variation + 10_000_000)
    }

    /// Whether what a subflow carries should have been acknowledged by now.
    func isOverdue(_ subflow: Subflow, now: Instant) -> Bool {
        guard
            let oldest = subflow.sentMappings.first(where: {
                $0.subflowEnd > subflow.tcp.acknowledgedOffset
            })
        else { return false }
        return now - max(subflow.tcp.lastReceived, oldest.sentAt) >= overdue(subflow.tcp)
    }

    /// How long a path with data under way may say nothing at all.
    private func quietTime(_ tcp: TCPConnection) -> Duration {
        let least = tcp.rtt.smoothed.map { min($0, tcp.rtt.minimum) } ?? tcp.rtt.timeout / 2
        return .nanoseconds(2 * least + 40_000_000)
    }

    /// The head is stuck: it goes out again at once, and its subflow is suspect. When nothing at
    /// all was heard from the subflow, everything it carries is taken for lost.
    mutating func reinjectHead(carrier: Int, now: Instant) {
        guard let mapping = subflows[carrier].lastMapping(containing: data.acknowledged) else {
            return
        }
        let tcp = subflows[carrier].tcp
        data.retransmissionBackoff += 1
        guard canRelieve(carrier) else {
            // Delivered by TCP and never DATA_ACKed, again and again: something on the path eats
            // the options (mptcp-behaviour, 11.1, rule 5).
            if data.retransmissionBackoff > Self.fruitlessReinjections {
                resetSubflow(carrier, MPTCPReset(.middleboxInterference), now: now)
            } else if subflows[carrier].isPeerSilent, mayFallBack, carrier == 0 {
                meetSilence(now: now)
            } else {
                data.reinjections.insert(mapping.data.clamped(to: data.acknowledged..<data.next))
            }
            return
        }
        data.earliestReinjection = now + patience(tcp)
        if subflows[carrier].isUsable { suspect(carrier, now: now) }
        if now - max(tcp.lastReceived, mapping.sentAt) >= quietTime(tcp) {
            reinjectEverything(of: carrier, now: now)
        }
        data.reinjections.insert(mapping.data.clamped(to: data.acknowledged..<data.next))
    }

    /// TCP brings what is sent, and the peer says nothing about data any more. Sent again on the same
    /// subflow it would come twice into a stream that may be plain TCP for the peer: this side asks
    /// once, and then falls back as well (mptcp-behaviour, 11.1, rule 3).
    private mutating func meetSilence(now: Instant) {
        // What waits without a mapping may have come twice already.
        if subflows[0].tcp.receiveBuffer.readableCount > 0 {
            loseMapping(0, now: now)
        } else if data.retransmissionBackoff > 1 {
            fallBack(.noDataACK, now: now)
            acknowledgeInFallback(0, now: now)
            drainInFallback(0, now: now)
        } else {
            subflows[0].tcp.requestProbe()
            data.earliestReinjection = now + .nanoseconds(subflows[0].tcp.rtt.timeout)
        }
    }

    mutating func suspect(_ index: Int, now: Instant) {
        guard subflows[index].suspectSince == nil else { return }
        subflows[index].suspectSince = now
        mib.count(.subflowStale)
        log(
            "subflow_suspect", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))))
    }

    /// A subflow became usable: what waits for a path goes there at once, and so does what hangs on
    /// a path that is overdue. Before, there was nobody else and so no deadline.
    mutating func subflowBecameUsable(_ index: Int, now: Instant) {
        guard !isFallback else { return }
        // What was sent on suspects since they are some went there because there was nothing else.
        for other in subflows.indices
        where other != index && subflows[other].isSuspect && !isReserved(index, beside: other) {
            reinjectEverything(of: other, now: now)
        }
        if let (deadline, carrier) = headDeadline(), carrier != index,
            !isReserved(index, beside: carrier),
            let mapping = subflows[carrier].lastMapping(containing: data.acknowledged)
        {
            let tcp = subflows[carrier].tcp
            let silentSince = max(tcp.lastReceived, mapping.sentAt)
            if deadline <= now {
                reinjectHead(carrier: carrier, now: now)
            } else if now - silentSince >= overdue(tcp) {
                if subflows[carrier].isUsable { suspect(carrier, now: now) }
                reinjectEverything(of: carrier, now: now)
            }
        }
        if data.isFINSent, !data.isFINAcknowledged {
            data.finTransmissions = 0
            sendDataFIN(now: now)
        }
        paths.signalRemovals(on: &subflows[index])
    }

    /// Bytes that were mapped and that no subflow holds any more are sent again: a subflow took them
    /// with it.
    mutating func adoptOrphans() {
        guard data.acknowledged < data.next, !data.reinjections.contains(data.acknowledged),
            headCarrier() == nil
        else { return }
        var lost = RangeList()
        lost.insert(data.acknowledged..<data.next)
        for subflow in subflows {
            for mapping in subflow.sentMappings { lost.remove(mapping.data) }
        }
        for range in lost.ranges { data.reinjections.insert(range) }
    }

    private static var fruitlessReinjections: Int { 8 }
}
