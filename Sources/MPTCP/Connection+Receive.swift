public import NetworkPrimitives
internal import TCP
public import WireFormat

extension Connection {
    /// Takes a segment of a subflow (mptcp-behaviour, 5.4). `packet` is the IP packet in which
    /// `view.payload` lies. A host without memory takes only what closes a gap: `isShortOfMemory`.
    /// Returns whether the host should answer with RST.
    public mutating func receive(
        _ view: SegmentView, packet: UnsafeRawBufferPointer, on id: SubflowID,
        isShortOfMemory: Bool = false, now: Instant
    ) -> Bool {
        guard let index = index(of: id) else { return true }
        noteUse(now: now)
        let header = view.header
        if !view.payload.isEmpty, mustPrune(header, index, isShortOfMemory: isShortOfMemory) {
            mib.count(.pruned)
            return false
        }
        let payload = UnsafeRawBufferPointer(rebasing: packet[view.payload])
        return receive(header, payload: payload, ecn: view.ecn, on: id, now: now)
    }

    /// Takes a segment with its payload; returns whether the host should answer with RST.
    mutating func receive(
        _ header: SegmentHeader, payload: UnsafeRawBufferPointer, ecn: ECNCodepoint,
        on id: SubflowID, now: Instant
    ) -> Bool {
        guard var index = index(of: id) else { return false }
        if !isEstablished, decidesAttempts(header, index) {
            settleAttempts(on: index, now: now)
            index = 0
        }
        guard receiveHandshake(header, payload, ecn: ecn, index, now: now) else { return false }
        let hadReceivedFIN = subflows[index].tcp.hasReceivedFIN
        subflows[index].tcp.receiveWindow = receiveWindow(index)
        if header.flags.contains(.rst) {
            notePeerReset(header, index)
            if endsWithFastClose(header, index) {
                receiveFastClose(now: now)
                return false
            }
        }
        coupleCongestion(index)
        let reception = subflows[index].tcp.receive(
            header, payload: payload, ecn: ecn, now: now)
        if reception.becameEstablished, !handshakeCompleted(index, header: header, now: now) {
            return false
        }
        guard reception.isAcceptable else { return reception.answersWithReset }
        noteLife(index, now: now)
        if isFallback {
            acknowledgeInFallback(index, now: now)
            drainInFallback(index, now: now)
            answerFailInFallback(header, index)
        } else {
            guard receiveSignals(header, payload.count, index, reception, now: now) else {
                return false
            }
            drain(index, now: now)
            if idle.isWatched, !payload.isEmpty { noteArrival(header, on: id, now: now) }
        }
        // Signals may have closed subflows.
        guard let index = self.index(of: id) else { return false }
        if reception.finWasAcknowledged, isOver { peerKnowsEnd = true }
        if reception.receivedFIN, !hadReceivedFIN { peerClosedSubflow(index, now: now) }
        if let reason = reception.closed { subflowClosed(index, reason, now: now) }
        advanceClosing(now: now)
        if reception.becameEstablished { releaseHeld(id, now: now) }
        return false
    }

    /// What the handshakes of the subflow make of a segment before TCP sees it. Returns whether
    /// TCP is to see it.
    private mutating func receiveHandshake(
        _ header: SegmentHeader, _ payload: UnsafeRawBufferPointer, ecn: ECNCodepoint,
        _ index: Int, now: Instant
    ) -> Bool {
        // Most segments come later: for them the connection is not to be copied.
        let state = subflows[index].tcp.state
        guard state == .synSent || state == .synReceived else { return true }
        if subflows[index].tcp.isAcceptableSYNACK(header) {
            return receiveSYNACK(header, index, now: now)
        }
        if subflows[index].tcp.completesHandshake(header) {
            if hold(header, payload, ecn: ecn, index) { return false }
            return receiveThirdPacket(header, payloadLength: payload.count, index, now: now)
        }
        if state == .synSent, header.flags.contains(.syn),
            header.flags.isDisjoint(with: [.ack, .rst])
        {
            // mptcp-behaviour, 4.3: no simultaneous open with MPTCP.
            guard subflows[index].kind == .capable else { return false }
            fallBack(.simultaneousOpen, now: now)
        }
        return true
    }

    /// The connection's window is open on each of its subflows: a peer could fill it on all of them
    /// with what nobody can read yet. Beyond twice the buffer only what is next on its subflow is
    /// taken.
    private func mustPrune(
        _ header: SegmentHeader, _ index: Int, isShortOfMemory: Bool
    ) -> Bool {
        guard subflows[index].tcp.receiveNext.precedes(header.sequence),
            subflows[index].tcp.state.isSynchronized
        else { return false }
        if isShortOfMemory { return true }
        guard subflows.count > 1, !subflows[index].tcp.receiveBuffer.outOfOrder.isEmpty
        else { return false }
        let queued = subflows.reduce(data.received.queuedCount) {
            $0 + $1.tcp.receiveBuffer.queuedCount
        }
        return queued > 2 * data.receiveCapacity
    }

    private mutating func notePeerReset(_ header: SegmentHeader, _ index: Int) {
        for option in header.options.mptcp {
            guard case .reset(let reset) = option, scheme == .v1 else { continue }
            subflows[index].peerReset = reset
            mib.count(.resetReceived)
        }
    }

    /// The window that a subflow advertises: the connection's, less what waits on the subflow for
    /// a mapping or a checksum.
    func receiveWindow(_ index: Int) -> Int {
        guard isFallback || isEstablished else { return data.receiveCapacity }
        return max(data.receiveWindow - subflows[index].tcp.receiveBuffer.readableCount, 0)
    }

    /// A valid segment came in: the path is alive in this direction at least.
    private mutating func noteLife(_ index: Int, now: Instant) {
        if subflows[index].suspectSince != nil {
            subflows[index].suspectSince = nil
            paths.isAnotherWanted = false
            mib.count(.subflowRecovered)
            log(
                "subflow_recovered", now: now,
                ("subflow", .number(Int(subflows[index].id.rawValue))))
        }
        subflows[index].pathProblem = nil
        guard let probe = subflows[index].removalProbe, now >= probe.earliestAnswer else { return }
        subflows[index].removalProbe = nil
        guard subflows[index].closeDeadline == nil else { return }
        // RFC 8684, 3.4.2: it is not removed. It only stands by: the peer wants to be rid of it.
        subflows[index].isRetired = false
        subflows[index].isSpared = true
        if subflows[index].remoteAddressID == .initial { paths.isPeerInitialRemoved = false }
        log(
            "removed_address_answers", now: now,
            ("subflow", .number(Int(subflows[index].id.rawValue))))
    }

    /// Acts on the MPTCP options. Returns `false` when the connection or the subflow ended.
    private mutating func receiveSignals(
        _ header: SegmentHeader, _ payloadLength: Int, _ index: Int, _ reception: Reception,
        now: Instant
    ) -> Bool {
        for option in header.options.mptcp {
            guard receiveSignal(option, header, payloadLength, index, now: now) else {
                return false
            }
        }
        guard header.flags.isDisjoint(with: [.syn, .rst]) else { return true }
        let dss = header.options.dss
        if dss != nil || header.options.mptcp.isEmpty { subflows[index].isPeerSilent = dss == nil }
        if dss != nil || !header.options.mptcp.isEmpty {
            confirmOpener(index, header.options, hasPayload: payloadLength > 0, now: now)
        }
        if let dss {
            subflows[index].hasReceivedDSS = true
            if let number = dss.dataACK {
                subflows[index].hasReceivedDataACK = true
                receiveDataACK(number, header, index, now: now)
            }
            if let mapping = dss.mapping {
                return receiveMapping(
                    mapping, isDataFIN: dss.isDataFIN, payloadLength, index, now: now)
            }
        } else if isOptionLost(header, payloadLength, index, reception) {
            return reactToLostOptions(payloadLength, index, now: now)
        }
        return true
    }

    /// mptcp-behaviour, 2.1 step 7 and 4.1: what the opener waits for.
    private mutating func confirmOpener(
        _ index: Int, _ options: TCPOptions, hasPayload: Bool, now: Instant
    ) {
        guard subflows[index].isOpener, !subflows[index].isFullyEstablished,
            subflows[index].tcp.state.isSynchronized,
            // What comes before the third packet has arrived there says nothing of it.
            !(hasPayload && subflows[index].isAnsweredEarly)
        else { return }
        // kernel-peer, 4.1: Linux may announce an address before it sends any DSS.
        let isAnnouncement = options.mptcp.contains {
            if case .addAddress(let option) = $0 { option.form != .echo } else { false }
        }
        if subflows[index].kind == .join || options.dss?.dataACK != nil || isAnnouncement {
            confirmSubflow(index, now: now)
        }
    }

    /// mptcp-behaviour, 11.1, rules 3 and 4: the first subflow never saw a DSS. What the opener
    /// gets before it is sure of MPTCP must carry one (kernel-peer, 4.1, step 4). The same goes for
    /// a FIN while MP_CAPABLE was all that ever came: of a peer that speaks MPTCP it has a DATA_ACK,
    /// and of one that fell back it is the end of the data.
    private func isOptionLost(
        _ header: SegmentHeader, _ payloadLength: Int, _ index: Int, _ reception: Reception
    ) -> Bool {
        guard header.options.mptcp.isEmpty else { return false }
        let subflow = subflows[index]
        // The mapping of what a SYN carried comes behind it, if a proxy passed it on (fast-join, 5.6).
        if subflow.kind == .join, mayReceive(.data) { return false }
        if reception.receivedFIN, subflow.kind == .capable, !subflow.hasReceivedDataACK {
            return true
        }
        guard !subflow.hasReceivedDSS else { return false }
        let isAwaited =
            subflow.kind == .capable && subflow.isOpener && !subflow.isFullyEstablished
            && !header.flags.contains(.syn)
        return payloadLength > 0 || reception.acknowledgedBytes > 0 || isAwaited
    }

    private mutating func reactToLostOptions(
        _ payloadLength: Int, _ index: Int, now: Instant
    ) -> Bool {
        if mayFallBack, index == 0 {
            fallBack(payloadLength > 0 ? .noMapping : .noDataACK, now: now)
            acknowledgeInFallback(index, now: now)
            drainInFallback(index, now: now)
            return true
        }
        mib.count(.fallbackFailed)
        resetSubflow(index, MPTCPReset(.middleboxInterference), now: now)
        return false
    }

    /// Returns `false` when the connection or the subflow ended.
    private mutating func receiveSignal(
        _ option: MPTCPOption, _ header: SegmentHeader, _ payloadLength: Int, _ index: Int,
        now: Instant
    ) -> Bool {
        switch option {
        case .capable(let capable):
            // First data: the mapping is implied (RFC 8684, 3.1).
            if subflows[index].kind == .capable, !subflows[index].isOpener,
                let length = capable.dataLength, length > 0, capable.receiverKey == localKey
            {
                subflows[index].hasReceivedDSS = true
                return learnMapping(
                    dataOffset: 0, subflowOffset: 0, length: Int(length), wireLength: length,
                    subflowSequenceNumber: 1, checksum: capable.checksum, index, now: now)
            }
        case .join(.ack):
            // The fourth packet was lost (mptcp-behaviour, 4.2).
            if subflows[index].isFullyEstablished { subflows[index].tcp.requestACK() }
        case .join: break
        case .addAddress(let announcement):
            receiveAddAddress(announcement, index, now: now)
        case .removeAddress(let identifiers):
            for identifier in identifiers { removeRemoteAddress(identifier, now: now) }
        case .priority(let isBackup, let addressID):
            // RFC 8684, 3.3.8: the form with an address is version 0's.
            guard addressID == nil || scheme == .v0 else { break }
            mib.count(.priorityReceived)
            for other in subflows.indices
            where addressID.map({ subflows[other].remoteAddressID == $0 }) ?? (other == index) {
                subflows[other].isBackupForUs = isBackup
            }
            log(
                "priority_received", now: now,
                ("subflow", .number(Int(subflows[index].id.rawValue))),
                ("backup", .number(isBackup ? 1 : 0)))
        case .fastClose(let key):
            if key == localKey {
                receiveFastClose(now: now)
                return false
            }
        case .fail: return receiveFail(index, now: now)
        case .fastJoin(.capabilities(let features, let units)):
            receiveCapabilities(features, units: units, index, now: now)
        case .fastJoin(.timeoutRequest): answerTimeoutRequest(index)
        case .fastJoin(.timeout(let microseconds)): learnTimeout(microseconds: microseconds)
        case .reset, .dss, .unknown, .fastJoin, .multimob: break
        }
        return true
    }

    // MARK: Data level

    /// RFC 8684, 3.3.2 and 3.3.5.
    mutating func receiveDataACK(
        _ number: DataNumber, _ header: SegmentHeader, _ index: Int, now: Instant
    ) {
        guard var offset = data.sentOffset(of: number) else { return }
        let finOffset = data.isFINSent ? data.next + 1 : data.next
        guard offset <= finOffset else { return }
        // RFC 7323, 2.2: the window of a SYN is not scaled.
        let shift = header.flags.contains(.syn) ? 0 : subflows[index].tcp.peerWindowShift
        let window = Int(header.window) << shift
        if !data.isWindowAcknowledged {
            // RFC 8684, 3.3.1: windows count from DATA_ACKs. That of the handshake, which has none, was
            // only to start with: Linux forgets it, and drops what lies beyond its first DATA_ACK's.
            data.isWindowAcknowledged = true
            data.windowEnd = max(data.next, offset)
        }
        if offset + window > data.windowEnd {
            // It opens for what waits. The subflow that is to take it may not hear of that: it is asked
            // soon again, not as late as while the window was closed.
            if data.windowEnd <= data.next, offset + window > data.next { data.probeDeadline = nil }
            data.windowEnd = offset + window
        }
        if window > 0 || offset > data.acknowledged { data.probeBackoff = 0 }
        if data.isFINSent, offset == data.next + 1 {
            if !data.isFINAcknowledged {
                data.isFINAcknowledged = true
                data.finDeadline = nil
            }
            offset = data.next
        }
        guard offset > data.acknowledged else { return }
        data.sent.discard(upTo: offset)
        data.lastAdvance = now
        subflows[index].lastNews = now
        data.retransmissionBackoff = 0
        countSpuriousReinjections(upTo: offset, acknowledgedOn: index)
        data.reinjections.removeAll(before: offset)
        data.reinjected.removeAll(before: offset)
        for other in subflows.indices { subflows[other].forgetMappings(before: offset) }
        signalWritable()
    }

    private mutating func countSpuriousReinjections(upTo offset: Int, acknowledgedOn index: Int) {
        for range in data.reinjected.ranges where range.lowerBound < offset {
            let covered = range.clamped(to: 0..<offset)
            guard let mapping = subflows[index].lastMapping(containing: covered.lowerBound),
                mapping.kind != .reinjection
            else { continue }
            counters.spuriousReinjections += covered.count
        }
    }

    /// RFC 8684, 3.3.1.
    private mutating func receiveMapping(
        _ mapping: DSSMapping, isDataFIN: Bool, _ payloadLength: Int, _ index: Int, now: Instant
    ) -> Bool {
        if mapping.isInfinite {
            guard mayFallBack, index == 0 else {
                mib.count(.fallbackFailed)
                resetSubflow(index, MPTCPReset(.mptcpSpecific), now: now)
                return false
            }
            fallBack(.infiniteMapping, now: now)
            drainInFallback(index, now: now)
            acknowledgeInFallback(index, now: now)
            return true
        }
        // What no window reaches is not mapped at all.
        guard let offset = data.receivedOffset(of: mapping.dataSequenceNumber) else { return true }
        let length = Int(mapping.length) - (isDataFIN ? 1 : 0)
        if isDataFIN { notePeerFIN(at: offset + length) }
        // A DATA_FIN alone: relative sequence number 0, length 1 (RFC 8684, 3.3.3).
        guard length > 0 else { return true }
        let start = subflows[index].tcp.receiveBuffer.start
        let shift = subflows[index].receivedShift
        let expected = UInt32(truncatingIfNeeded: start + 1 + shift)
        let step = Int(Int32(bitPattern: mapping.subflowSequenceNumber &- expected))
        // The octets of the SYN were taken without a mapping.
        if shift > 0, start + step + length <= 0 { return true }
        return learnMapping(
            dataOffset: offset, subflowOffset: start + step, length: length,
            wireLength: mapping.length, subflowSequenceNumber: mapping.subflowSequenceNumber,
            checksum: mapping.checksum, index, now: now)
    }

    private mutating func learnMapping(
        dataOffset: Int, subflowOffset: Int, length: Int, wireLength: UInt16,
        subflowSequenceNumber: UInt32, checksum: UInt16?, _ index: Int, now: Instant
    ) -> Bool {
        // RFC 8684, 3.3.1: a checksum against the agreement is an error; in version 0 one that
        // nobody asked for is not looked at.
        let checksum = scheme == .v0 && !usesChecksum ? nil : checksum
        guard (checksum != nil) == usesChecksum, subflowOffset >= 0 else {
            resetSubflow(index, MPTCPReset(.mptcpSpecific), now: now)
            return false
        }
        let entry = MappingTable.Entry(
            subflow: subflowOffset..<(subflowOffset + length), data: dataOffset,
            checksum: checksum, wireLength: wireLength,
            subflowSequenceNumber: subflowSequenceNumber)
        do {
            let consumed = subflows[index].tcp.receiveBuffer.start
            try subflows[index].receivedMappings.learn(entry, consumed: consumed)
            if configuration.logsDetails {
                observeMapping(
                    data: dataOffset, subflow: subflowOffset, length: length, index, now: now)
            }
            return true
        } catch {
            mib.count(.mappingNotMatching)
            resetSubflow(index, MPTCPReset(.mptcpSpecific), now: now)
            return false
        }
    }

    /// Moves bytes that are in order on a subflow to the connection, as far as they are mapped.
    mutating func drain(_ index: Int, now: Instant) {
        guard index < subflows.count, !isFallback, data.failure == nil, closeReason == nil
        else { return }
        let before = data.received.end
        while true {
            let head = subflows[index].tcp.receiveBuffer.start
            let available = subflows[index].tcp.receiveBuffer.end
            guard head < available else {
                subflows[index].unmappedDeadline = nil
                break
            }
            guard let entry = subflows[index].receivedMappings.entry(covering: head) else {
                // A later segment may bring the mapping, but not once what lies behind is mapped; nor
                // will half a window or a timeout.
                if subflows[index].receivedMappings.hasEntry(in: head..<available)
                    || available - head > data.receiveCapacity / 2
                {
                    loseMapping(index, now: now)
                    return
                }
                if subflows[index].unmappedDeadline == nil {
                    let timeout = max(subflows[index].tcp.rtt.timeout, 1_000_000_000)
                    subflows[index].unmappedDeadline = now + .nanoseconds(timeout)
                }
                break
            }
            subflows[index].unmappedDeadline = nil
            let end = min(entry.subflow.upperBound, available)
            if let checksum = entry.checksum, head == entry.subflow.lowerBound {
                guard end == entry.subflow.upperBound else { break }
                guard isIntact(entry, checksum, index) else {
                    failChecksum(entry, index, now: now)
                    return
                }
            }
            deliver(
                head..<end, at: entry.data + head - entry.subflow.lowerBound, index, now: now)
            subflows[index].receivedMappings.discard(upTo: end)
        }
        if data.received.end > before { openWindow() }
        finishReceiving(now: now)
        if data.received.end > before { signalReadable() }
    }

    private func isIntact(_ entry: MappingTable.Entry, _ checksum: UInt16, _ index: Int) -> Bool {
        let sum = subflows[index].tcp.receiveBuffer.checksum(of: entry.subflow)
        return DSSMapping.checksum(
            dataSequenceNumber: data.remoteInitialDSN + 1 + entry.data,
            subflowSequenceNumber: entry.subflowSequenceNumber, length: entry.wireLength,
            payloadSum: sum) == checksum
    }

    /// Puts a range of the subflow's stream at its place in the connection's.
    private mutating func deliver(
        _ range: Range<Int>, at offset: Int, _ index: Int, now: Instant
    ) {
        var isNew = false
        var offset = offset
        let windowEnd = data.advertisedEnd
        subflows[index].tcp.receiveBuffer.forEachPiece(of: range) { piece in
            // RFC 8684, 3.8: what lies outside the window is not taken and not DATA_ACKed.
            let room = max(min(piece.count, windowEnd - offset), 0)
            if room > 0 {
                let insertion = data.received.insert(
                    UnsafeRawBufferPointer(rebasing: piece[..<room]), at: offset)
                counters.duplicateBytes += room - insertion.newBytes
                if insertion.newBytes > 0 { isNew = true }
                if insertion.newBytes < room { mib.count(.duplicateData) }
            }
            if room < piece.count { mib.count(.outOfWindow) }
            offset += piece.count
        }
        subflows[index].tcp.consume(upTo: range.upperBound)
        if isNew { subflows[index].lastNews = now }
    }

    /// Moves the right edge of the window once that is worth an advertisement (RFC 9293, 3.8.6.2.2).
    mutating func openWindow() {
        let possible = data.received.start + data.receiveCapacity
        let step = possible - data.advertisedEnd
        let wasTight = data.receiveWindow < data.receiveCapacity / 4
        let segment = subflows.first?.tcp.effectiveMSS ?? 1_460
        let least = wasTight ? segment : 2 * 1_460 * 8
        guard step >= min(data.receiveCapacity / 4, least) else { return }
        data.advertisedEnd = possible
        guard wasTight else { return }
        // In fallback our own FIN may be out long before the peer's.
        for index in subflows.indices where subflows[index].isUsable || isFallback {
            subflows[index].tcp.requestACK()
        }
    }

    mutating func signalReadable() {
        guard data.received.readableCount > 0, !data.isReadableSignalled else { return }
        data.isReadableSignalled = true
        events.append(.readable)
    }

    mutating func signalWritable() {
        guard data.wantsWritableEvent,
            writableCount >= min(configuration.sendBuffer, unsentLimit) / 4
        else { return }
        data.wantsWritableEvent = false
        events.append(.writable)
    }
}
