internal import DequeModule
internal import NetworkPrimitives

extension TCPConnection {
    /// What does not hold although it always must; empty in a sound connection. For tests and
    /// fuzzers: it looks at every segment.
    package var invariantViolations: [String] {
        var problems: [String] = []
        func require(_ holds: Bool, _ what: @autoclosure () -> String) {
            if !holds { problems.append(what()) }
        }
        problems += queue.invariantViolations(from: snd.una, to: snd.nxt, state: state)
        require(snd.una.precedesOrEquals(snd.nxt), "SND.UNA lies behind SND.NXT")
        require(snd.nextOffset <= sendBuffer.end, "more was sent than was given")
        let unsent = pending.reduce(0) { $0 + $1.length }
        if state != .closed {
            require(
                sendBuffer.end - snd.nextOffset == unsent, "the units do not add up to the bytes")
        }
        require(
            receiveBuffer.outOfOrder.allSatisfy { $0.lowerBound > receiveBuffer.end },
            "a range out of order is in order")
        if state.isSynchronized, state != .timeWait, !queue.isEmpty {
            require(timers.isArmed(.retransmission), "data is out and no timer runs")
        }
        if state == .synSent || state == .synReceived {
            require(
                snd.isSYNPending || timers.isArmed(.retransmission),
                "a SYN is out and no timer runs")
        }
        return problems
    }
}

extension RetransmissionQueue {
    func invariantViolations(
        from una: SequenceNumber, to nxt: SequenceNumber, state: TCPState
    ) -> [String] {
        guard state.isSynchronized else { return [] }
        var problems: [String] = []
        var expected = una
        var flight = 0
        for segment in segments {
            if segment.sequence != expected { problems.append("a hole in the queue") }
            if segment.isSacked, segment.isLost { problems.append("sacked and lost at once") }
            expected = segment.end
            if segment.isInFlight { flight += segment.sequenceLength }
        }
        if !segments.isEmpty, expected != nxt {
            problems.append("the queue does not end at SND.NXT")
        }
        if flight != inFlight { problems.append("in flight \(inFlight), counted \(flight)") }
        if segments.count(where: \.isLost) != lostCount { problems.append("lost count is wrong") }
        if segments.count(where: \.isSacked) != sackedCount {
            problems.append("sacked count is wrong")
        }
        let sacked = segments.filter(\.isSacked).reduce(0) { $0 + $1.sequenceLength }
        if sacked != sackedLength { problems.append("sacked length is wrong") }
        if firstLostIndex() != segments.firstIndex(where: \.isLost) {
            problems.append("the first lost segment is not found")
        }
        return problems
    }
}
