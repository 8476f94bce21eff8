internal import CongestionControl
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
            signalWritable()
            return
        }
        if configuration.policy == .ios { applyInteractiveRules(now: now) }
        guard !data.reinjections.isEmpty || data.next < data.sent.end else { return }
        let candidates = scheduler.candidates(subflows)
        guard !candidates.isEmpty else { return }
        adoptOrphans()
        scheduleReinjections(candidates, now: now)
        if data.reinjections.isEmpty || data.next == data.acknowledged {
            if scheduler.kind == .redundant {
                scheduleRedundantly(candidates, now: now)
            } else {
                scheduleNewData(candidates, now: now)
            }
            if interactive.reason != nil { measurePrimary(now: now) }
            signalWritable()
            retransmitOpportunistically(candidates, now: now)
        }
        armWindowProbe(candidates, now: now)
    }

    private mutating func scheduleNewData(_ candidates: [Int], now: Instant) {
        while data.next < min(data.sent.end, data.windowEnd) {
            let window = data.windowEnd - data.acknowledged
            guard
                let index = scheduler.next(candidates, subflows, window: window, now: now)
            else { break }
            let room = data.windowEnd - data.next
            let length = min(mappingLimit(index), data.sent.end - data.next, room)
            // No crumbs while an ACK is to come that may open the window (RFC 9293, 3.8.6.2.1).
            if length == room, length < subflows[index].tcp.effectiveMSS,
                data.next + length < data.sent.end, data.acknowledged < data.next
            {
                break
            }
            map(data.next..<(data.next + length), on: index, kind: .original, now: now)
            data.next += length
        }
    }

    /// Octets of the next mapping of new data: one segment, or whole segments that leave as one
    /// super-segment. As Linux sizes its own, that is no more than a millisecond of the subflow's
    /// rate, so that a slow link does not get them in bursts.
    private func mappingLimit(_ index: Int) -> Int {
        let segment = subflows[index].tcp.effectiveMSS
        let largest = subflows[index].superSegmentLimit
        guard largest > segment, let roundTrip = subflows[index].tcp.rtt.smoothed else {
            return segment
        }
        let window = subflows[index].tcp.congestion.window
        let millisecond = window * 1_000_000 / max(Int(roundTrip), 1_000)
        let octets = min(largest, millisecond, subflows[index].tcp.sendAllowance)
        return max(octets / segment * segment, segment)
    }

    private mutating func scheduleReinjections(_ candidates: [Int], now: Instant) {
        // What each candidate carries already: never again there (mptcp-behaviour, 7.2).
        guard !data.reinjections.isEmpty else { return }
        var carried: [(index: Int, ranges: RangeList)] = candidates.map {
            ($0, subflows[$0].carriedRanges())
        }
        while let range = data.reinjections.first {
            let others = carried.indices.filter {
                !carried[$0].ranges.contains(range.lowerBound)
            }
            if others.isEmpty {
                // Suspects have them, and a subflow that takes over answers its SYN right now.
                if subflows.contains(where: \.isAboutToAnswer) { return }
                // Everybody has the first bytes on the way.
                let ends = carried.compactMap { $0.ranges.end(ofRangeContaining: range.lowerBound) }
                let end = min(ends.min() ?? range.upperBound, range.upperBound)
                data.reinjections.remove(range.lowerBound..<end)
                continue
            }
            guard
                let index = scheduler.nextForReinjection(
                    others.map { carried[$0].index }, subflows),
                let position = carried.firstIndex(where: { $0.index == index })
            else { return }
            let known = carried[position].ranges.start(behind: range.lowerBound) ?? .max
            let end = min(
                range.upperBound, range.lowerBound + subflows[index].tcp.effectiveMSS, known)
            let piece = range.lowerBound..<end
            data.reinjections.remove(piece)
            map(piece, on: index, kind: .reinjection, now: now)
            carried[position].ranges.insert(piece)
        }
    }

    /// Cuts a mapping and gives it to a subflow.
    mutating func map(
        _ range: Range<Int>, on index: Int, kind: Subflow.SentMapping.Kind, now: Instant
    ) {
        let streamOffset = subflows[index].tcp.sendBuffer.end
        let ssn = UInt32(truncatingIfNeeded: streamOffset + 1 + subflows[index].sentShift)
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
                checksum: checksum, isIdle: idle.isMarked && range.upperBound == data.sent.end))
        if configuration.oracle != nil { armOracle(now: now) }
        subflows[index].append(
            Subflow.SentMapping(
                data: range, subflowEnd: streamOffset + range.count, sentAt: now, kind: kind))
        switch kind {
        case .original: break
        case .copy:
            counters.redundantBytes += range.count
            data.isContiguous = false
        case .reinjection: noteReinjection(range, on: index, now: now)
        }
    }

    mutating func noteReinjection(_ range: Range<Int>, on index: Int, now: Instant) {
        let dsn = data.dataSequenceNumber(at: range.lowerBound)
        counters.reinjectedBytes += range.count
        mib.count(.retransmission)
        data.reinjected.insert(range)
        data.isContiguous = false
        log(
            "reinjection", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("dsn", .dataSequenceNumber(dsn)), ("length", .number(range.count)))
    }

    private mutating func scheduleInFallback(now: Instant) {
        guard let index = subflows.indices.first, subflows[index].tcp.state.canSend else { return }
        var allowance = subflows[index].tcp.sendAllowance
        if !subflows[index].tcp.hasUnsentData, !subflows[index].tcp.hasOutstandingData {
            // TCP probes a closed window (RFC 9293, 3.8.6.1) once it has something to send.
            allowance = max(allowance, subflows[index].tcp.effectiveMSS)
        }
        // Whole segments only, but for the last octets: no crumbs (RFC 9293, 3.8.6.2.1).
        let segment = subflows[index].tcp.effectiveMSS
        let waiting = data.sent.end - data.next
        let length = waiting <= allowance ? waiting : allowance / segment * segment
        guard length > 0, subflows[index].isFullyEstablished else { return }
        subflows[index].tcp.send(
            data.next..<(data.next + length), of: data.sent, mapping: nil)
        data.next += length
    }

    /// mptcp-behaviour, 6.4: something waits, nobody takes it, and nothing is out whose ACK could
    /// change that. The window is closed, or what said that it opened was lost.
    private mutating func armWindowProbe(_ candidates: [Int], now: Instant) {
        let isWaiting = data.next < data.sent.end || !data.reinjections.isEmpty
        let isIdle = candidates.allSatisfy {
            !subflows[$0].tcp.hasOutstandingData && !subflows[$0].tcp.hasUnsentData
        }
        guard isWaiting, isIdle else {
            data.probeDeadline = nil
            data.probedAt = nil
            return
        }
        guard data.probeDeadline == nil else { return }
        let base = subflows.filter(\.isUsable).map(\.tcp.rtt.timeout).min() ?? 1_000_000_000
        let timeout = min(base << min(data.probeBackoff, 9), 60_000_000_000)
        data.probeBackoff += 1
        data.probeDeadline = now + .nanoseconds(timeout)
    }

    /// So long the answers to probes are waited for: Linux gives one in 500 ms at most
    /// (tcp_invalid_ratelimit).
    private static let probePatience = Duration.seconds(1)

    /// Asks every subflow for the window: the one that data would take may be dead. Who has not
    /// answered the last time, though another one has, is suspect.
    mutating func probeWindow(now: Instant) {
        mib.count(.windowProbe)
        let usable = subflows.indices.filter { subflows[$0].isUsable }
        if let asked = data.probedAt, now - asked >= Self.probePatience,
            usable.contains(where: { subflows[$0].tcp.lastReceived > asked })
        {
            for index in usable
            where subflows[index].tcp.lastReceived <= asked
                && now - asked >= .nanoseconds(subflows[index].tcp.rtt.timeout)
            {
                suspect(index, now: now)
            }
            data.probedAt = now
        }
        data.probedAt = data.probedAt ?? now
        for index in usable { subflows[index].tcp.requestProbe() }
    }
}
