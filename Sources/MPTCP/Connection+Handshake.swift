public import NetworkPrimitives
internal import TCP
public import WireFormat

/// What the host draws at random for a new subflow.
public struct SubflowSecrets: Sendable {
    /// The initial sequence number (RFC 6528).
    public var initialSequence: SequenceNumber
    /// The start of the timestamp clock (RFC 7323, 5.4).
    public var timestampOffset: UInt32

    /// These numbers.
    public init(initialSequence: SequenceNumber, timestampOffset: UInt32) {
        self.initialSequence = initialSequence
        self.timestampOffset = timestampOffset
    }
}

extension Connection {
    /// Opens a connection (mptcp-behaviour, 2.1): the SYN comes from the next poll. Without an
    /// identity it is plain TCP.
    public static func open(
        _ tuple: FourTuple, on interface: InterfaceID, configuration: ConnectionConfiguration,
        identity: ConnectionIdentity?, fastOpen: FastOpenOffer?, secrets: SubflowSecrets,
        interfaces: [StackInterface], generator: SeededGenerator, now: Instant
    ) -> Connection {
        var connection = Connection(
            isOpener: true, configuration: configuration, identity: identity,
            remote: tuple.remote, interfaces: interfaces, generator: generator)
        connection.fastOpen = fastOpen
        connection.open(tuple, on: interface, secrets: secrets, now: now)
        return connection
    }

    private mutating func open(
        _ tuple: FourTuple, on interface: InterfaceID, secrets: SubflowSecrets, now: Instant
    ) {
        let tcp = TCPConnection.connect(
            tuple, configuration: tcpConfiguration(for: tuple.local.address),
            initialSequence: secrets.initialSequence, timestampOffset: secrets.timestampOffset,
            now: now)
        addSubflow(.capable, isOpener: true, interface: interface, tcp: tcp)
        paths.preferredAddress = tuple.local.address
        armAttempt(now: now)
        if !isPlain { mib.count(.capableSYNSent) }
        log("connect", now: now, ("tuple", .tuple(tuple)))
    }

    /// Answers the first SYN of a connection (mptcp-behaviour, 2.2). Without an identity it is plain
    /// TCP, whatever the SYN offers.
    public static func accept(
        _ tuple: FourTuple, syn: SegmentHeader, on interface: InterfaceID,
        configuration: ConnectionConfiguration, identity: ConnectionIdentity?,
        fastOpen: FastOpenAnswer, secrets: SubflowSecrets, interfaces: [StackInterface],
        generator: SeededGenerator,
        now: Instant
    ) -> Connection {
        var connection = Connection(
            isOpener: false, configuration: configuration, identity: identity,
            remote: tuple.remote, interfaces: interfaces, generator: generator)
        connection.accept(
            tuple, syn: syn, on: interface, fastOpen: fastOpen, secrets: secrets, now: now)
        return connection
    }

    private mutating func accept(
        _ tuple: FourTuple, syn: SegmentHeader, on interface: InterfaceID,
        fastOpen: FastOpenAnswer, secrets: SubflowSecrets, now: Instant
    ) {
        if !isFallback, let offer = syn.options.capableOffer(of: scheme) {
            // Linux takes the checksum wish from either side (kernel-peer, 4.2).
            if offer.flags.contains(.checksumRequired) { usesChecksum = true }
            mib.count(.capableSYNReceived)
            // RFC 6824, 3.1: in version 0 the key comes with the SYN.
            if let key = offer.senderKey { learnRemoteKey(key) }
        }
        let tcp = TCPConnection.accept(
            tuple, syn: syn, configuration: tcpConfiguration(for: tuple.local.address),
            initialSequence: secrets.initialSequence, timestampOffset: secrets.timestampOffset,
            earlyLength: fastOpen.earlyData.count, fastOpenCookie: fastOpen.cookie, now: now)
        addSubflow(.capable, isOpener: false, interface: interface, tcp: tcp)
        if !fastOpen.earlyData.isEmpty {
            data.takeEarly(fastOpen.earlyData)
            events.append(.acceptedEarly)
            events.append(.readable)
        }
    }

    /// Answers the SYN of a join whose token is ours (mptcp-behaviour, 4.2). Returns with what RST the host
    /// is to answer instead, if it is. `mayVerify` says whether the host can afford the MAC of a fast
    /// join; `packetLength` is that of the whole IP packet.
    public mutating func acceptJoin(
        _ tuple: FourTuple, syn: SegmentHeader, payload: UnsafeRawBufferPointer,
        packetLength: Int, mayVerify: Bool, on interface: InterfaceID, secrets: SubflowSecrets,
        now: Instant
    ) -> MPTCPReset? {
        guard
            let request = syn.joinRequest(configuration.fastJoin),
            request.token == localToken, isConfirmed, !isFallback, closeReason == nil,
            data.failure == nil, !(isOver && peerKnowsEnd),
            // RFC 8684, 3.1: we said with the C flag that nobody is to join here.
            !(deniesInitialAddress && tuple.local.address == initialLocalAddress)
        else { return MPTCPReset(.administrativelyProhibited) }
        guard hasRoomForSubflow, !hasManyClosingSubflows, makeRoomForPendingJoin(now: now) else {
            counters.joinsFailed += 1
            mib.count(.joinRejected)
            // The limit is there to stay, half-open joins are not (RFC 8684, 3.6), nor are closing ones.
            return hasRoomForSubflow
                ? MPTCPReset(.lackOfResources, isTransient: true)
                : MPTCPReset(.administrativelyProhibited)
        }
        mib.count(.joinSYNReceived)
        if request.isBackup { mib.count(.joinSYNBackupReceived) }
        let offer = receiveOffer(request, syn, payload: payload, mayVerify: mayVerify)
        // As published there is no other join in the SYN.
        if request.multimob != nil, offer == nil {
            counters.joinsFailed += 1
            mib.count(.joinRejected)
            return MPTCPReset(.administrativelyProhibited)
        }
        var settings = tcpConfiguration(for: tuple.local.address)
        settings.maximumSYNRetransmissions = Self.pendingJoinRetransmissions
        let tcp = TCPConnection.accept(
            tuple, syn: syn, configuration: settings, initialSequence: secrets.initialSequence,
            timestampOffset: secrets.timestampOffset,
            earlyLength: offer?.payload.count ?? 0, now: now)
        let index = addSubflow(.join, isOpener: false, interface: interface, tcp: tcp)
        subflows[index].pendingSince = now
        subflows[index].remoteAddressID = request.addressID
        subflows[index].remoteNonce = request.nonce
        subflows[index].localNonce = UInt32(truncatingIfNeeded: generator.next())
        subflows[index].isBackupForUs = request.isBackup
        subflows[index].localAddressID = paths.localAddressID(
            of: tuple.local.address, initial: initialLocalAddress)
        log(
            "join_received", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("tuple", .tuple(tuple)))
        if let offer {
            subflows[index].lastNews = now
            accept(offer, syn, packetLength: packetLength, index, now: now)
        }
        return nil
    }

    /// Whoever has seen a token on the wire can send joins without end: some are served at once, and
    /// one that does not go on makes room for the next.
    private mutating func makeRoomForPendingJoin(now: Instant) -> Bool {
        let pending = subflows.indices.filter { subflows[$0].pendingSince != nil }
        guard pending.count >= configuration.maximumPendingJoins else { return true }
        guard let oldest = pending.first, let since = subflows[oldest].pendingSince,
            now - since >= configuration.tcp.initialRTO
        else { return false }
        subflows[oldest].tcp.discard()
        reapSubflows(now: now)
        return true
    }

    /// SYN/ACKs that nobody answers: fifteen seconds in all.
    private static var pendingJoinRetransmissions: Int { 3 }

    /// Opens a subflow (mptcp-behaviour, 4.1): SYN+MP_JOIN comes from the next poll.
    mutating func openJoin(
        from local: Endpoint, to remote: Endpoint, remoteAddressID: AddressID,
        isBackup: Bool, interface: InterfaceID, isPlain: Bool = false, now: Instant
    ) {
        let secrets = drawSubflowSecrets()
        let tuple = FourTuple(local: local, remote: remote)
        let tcp = TCPConnection.connect(
            tuple, configuration: tcpConfiguration(for: local.address),
            initialSequence: secrets.initialSequence, timestampOffset: secrets.timestampOffset,
            now: now)
        let index = addSubflow(.join, isOpener: true, interface: interface, tcp: tcp)
        if !isPlain { prepareFastJoin(index) }
        mib.count(.joinSYNSent)
        subflows[index].localNonce = UInt32(truncatingIfNeeded: generator.next())
        subflows[index].isBackupForPeer = isBackup
        subflows[index].remoteAddressID = remoteAddressID
        subflows[index].localAddressID = paths.localAddressID(
            of: local.address, initial: initialLocalAddress)
        log(
            "join_sent", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("tuple", .tuple(tuple)), ("backup", .number(isBackup ? 1 : 0)))
    }

    /// What a subflow starts with that this side opens after the first.
    mutating func drawSubflowSecrets() -> SubflowSecrets {
        SubflowSecrets(
            initialSequence: SequenceNumber(UInt32(truncatingIfNeeded: generator.next())),
            timestampOffset: UInt32(truncatingIfNeeded: generator.next()))
    }

    var initialLocalAddress: IPAddress? { paths.initialTuple?.local.address }

    /// Whether the limit of subflows beyond the first allows another one. Joins that nobody has
    /// proved yet take no place.
    var hasRoomForSubflow: Bool {
        subflows.count { $0.isAlive && $0.pendingSince == nil }
            <= configuration.maximumExtraSubflows
    }

    /// Subflows that are closing take no place under the limit, and there is an end to them, too:
    /// whoever joins, closes and never answers would fill the memory with them.
    private var hasManyClosingSubflows: Bool {
        subflows.count { !$0.isAlive && $0.tcp.state != .timeWait } > 2
            * configuration.maximumExtraSubflows + 8
    }

    @discardableResult
    mutating func addSubflow(
        _ kind: Subflow.Kind, isOpener: Bool, interface: InterfaceID, tcp: TCPConnection
    ) -> Int {
        let id = SubflowID(nextSubflowID)
        nextSubflowID += 1
        if kind == .capable { paths.initialTuple = tcp.tuple }
        subflows.append(
            Subflow(id: id, kind: kind, isOpener: isOpener, interface: interface, tcp: tcp))
        learnOffload(subflows.count - 1)
        events.append(.subflowOpened(id, tcp.tuple))
        return subflows.count - 1
    }

    func tcpConfiguration(for address: IPAddress) -> TCPConfiguration {
        var tcp = configuration.tcp
        tcp.maximumReceiveWindow = configuration.receiveBuffer
        // mptcp-wire, 14.2: a DSS with both numbers in 64 bits and a checksum, padded.
        tcp.reservedOptionBytes = isPlain ? 0 : 28
        if let interface = interface(owning: address) { tcp.mtu = interface.mtu }
        return tcp
    }

    // MARK: Segments of the handshakes

    /// The answer to our SYN. Returns whether the subflow may go on.
    mutating func receiveSYNACK(_ header: SegmentHeader, _ index: Int, now: Instant) -> Bool {
        switch subflows[index].kind {
        case .capable:
            guard !isFallback else { return true }
            // RFC 8684, 3.1: version and crypto must be the ones we asked for.
            guard let answer = header.options.capableAnswer(of: scheme), let key = answer.senderKey
            else {
                let wasOffered = subflows[index].tcp.synTransmissions <= configuration.capableSYNs
                noteAnswer(wasOffered ? .refused(scheme) : .blackhole, now: now)
                fallBack(.noCapableAnswer, now: now)
                return true
            }
            noteAnswer(.multipath, now: now)
            mib.count(.capableSYNACKReceived)
            learnRemoteKey(key)
            if answer.flags.contains(.checksumRequired) { usesChecksum = true }
            notePeerFlags(answer)
            return true
        case .join:
            let isAsPublished = subflows[index].fastJoin?.multimob != nil
            if isAsPublished, let answer = header.options.multimob {
                return receiveMultiMobAnswer(answer, header, index, now: now)
            }
            if isAsPublished, header.options.mptcp.isEmpty {
                meetIgnorance(index, now: now)
                return false
            }
            guard
                case .join(.synACK(let isBackup, let addressID, let hmac, let nonce))? =
                    header.options.mptcp.first(where: {
                        if case .join(.synACK) = $0 { true } else { false }
                    }), let remoteKey
            else { return refuseJoin(index, .mptcpSpecific, now: now) }
            let expected = scheme.joinHMAC(
                localKey: remoteKey, remoteKey: localKey, localNonce: nonce,
                remoteNonce: subflows[index].localNonce)
            guard expected.high ^ hmac == 0 else {
                mib.count(.joinSYNACKHMACFailure)
                return refuseJoin(index, .mptcpSpecific, now: now)
            }
            mib.count(.joinSYNACKReceived)
            if isBackup { mib.count(.joinSYNACKBackupReceived) }
            subflows[index].fastJoin?.multimob = nil
            subflows[index].remoteNonce = nonce
            subflows[index].isBackupForUs = isBackup
            if subflows[index].remoteAddressID != addressID {
                subflows[index].remoteAddressID = addressID
            }
            return true
        }
    }

    /// The third packet at the listener. Returns whether the subflow may go on.
    mutating func receiveThirdPacket(
        _ header: SegmentHeader, payloadLength: Int, _ index: Int, now: Instant
    ) -> Bool {
        switch subflows[index].kind {
        case .capable:
            guard !isFallback else { return true }
            return receiveConfirmation(header, payloadLength: payloadLength, index, now: now)
        case .join:
            // As published the SYN was the proof.
            if subflows[index].fastJoin?.multimob == nil {
                guard let remoteKey,
                    case .join(.ack(let hmac))? = header.options.mptcp.first(where: {
                        if case .join(.ack) = $0 { true } else { false }
                    })
                else { return refuseJoin(index, .mptcpSpecific, now: now) }
                let expected = scheme.joinHMAC(
                    localKey: remoteKey, remoteKey: localKey,
                    localNonce: subflows[index].remoteNonce,
                    remoteNonce: subflows[index].localNonce)
                guard expected.isEqualInConstantTime(to: hmac) else {
                    mib.count(.joinACKHMACFailure)
                    return refuseJoin(index, .mptcpSpecific, now: now)
                }
            }
            // Others may have been faster.
            guard hasRoomForSubflow else {
                mib.count(.joinRejected)
                return refuseJoin(index, .administrativelyProhibited, now: now)
            }
            subflows[index].pendingSince = nil
            mib.count(.joinACKReceived)
            return true
        }
    }

    private mutating func noteAnswer(_ outcome: HandshakeOutcome, now: Instant) {
        if case .blackhole = outcome { mib.count(.blackhole) }
        events.append(.peerAnswered(remoteEndpoint.address, outcome, at: now))
    }

    private mutating func receiveConfirmation(
        _ header: SegmentHeader, payloadLength: Int, _ index: Int, now: Instant
    ) -> Bool {
        // Both keys are known in version 0: any DSS confirms them when MP_CAPABLE was lost
        // (mptcp-behaviour, 2.2).
        if scheme == .v0, header.options.dss != nil { return true }
        let isInOrder = header.sequence == subflows[index].tcp.receiveNext
        // A later segment may come first; MP_CAPABLE is on the one behind the SYN.
        guard isInOrder || header.options.dss == nil else { return false }
        guard
            let capable = header.options.capableConfirmation(
                of: scheme, hasPayload: payloadLength > 0),
            let key = capable.senderKey, capable.receiverKey == localKey,
            remoteKey == nil || remoteKey == key
        else {
            fallBack(.noCapableConfirmation, now: now)
            return true
        }
        learnRemoteKey(key)
        // kernel-peer, 4.2: the third packet decides about checksums and the C flag.
        usesChecksum = usesChecksum || capable.flags.contains(.checksumRequired)
        notePeerFlags(capable)
        return true
    }

    /// The C flag (RFC 8684, 3.1); in version 0 the bit means something else.
    private mutating func notePeerFlags(_ capable: MPCapable) {
        peerDeniesInitialAddress = scheme == .v1 && capable.flags.contains(.denyInitialAddress)
    }

    private mutating func learnRemoteKey(_ key: Key) {
        remoteKey = key
        remoteToken = scheme.token(of: key)
        data.remoteInitialDSN = scheme.initialDataSequenceNumber(of: key)
    }

    mutating func refuseJoin(
        _ index: Int, _ reason: MPTCPReset.Reason, now: Instant
    ) -> Bool {
        counters.joinsFailed += 1
        log(
            "join_failed", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("reason", .number(Int(reason.rawValue))))
        noteFailedJoin(index, mayRetry: false, now: now)
        resetSubflow(index, MPTCPReset(reason), now: now)
        return false
    }

    /// The TCP handshake of a subflow is complete. Returns whether the subflow may go on: TCP takes
    /// other segments than the third packet for the end of it, too (RFC 9293, figure 8), and what
    /// proves the peer has to have come.
    mutating func handshakeCompleted(
        _ index: Int, header: SegmentHeader, now: Instant
    ) -> Bool {
        if subflows[index].kind == .join, subflows[index].pendingSince != nil {
            mib.count(.joinACKHMACFailure)
            return refuseJoin(index, .mptcpSpecific, now: now)
        }
        noteRoundTrip(index)
        if remoteKey == nil, !isFallback { fallBack(.noCapableConfirmation, now: now) }
        // RFC 7323, 2.2: the window of a SYN/ACK is not scaled, that of the third packet is.
        let shift = header.flags.contains(.syn) ? 0 : subflows[index].tcp.peerWindowShift
        let window = Int(header.window) << shift
        switch subflows[index].kind {
        case .capable:
            isEstablished = true
            paths.attemptDeadline = nil
            settleEarlyData(index, header, now: now)
            data.windowEnd = max(data.windowEnd, window)
            events.append(.established)
            log(
                "connection_established", now: now,
                ("tuple", .tuple(subflows[index].tcp.tuple)),
                ("mptcp", .number(isFallback ? 0 : 1)),
                ("local_token", .token(localToken)),
                ("remote_token", remoteToken.map { .token($0) } ?? .text("")))
            if !subflows[index].isOpener {
                // The listener knows both keys now. Its ACK with DATA_ACK lets the opener join
                // (kernel-peer, 4.1).
                if !isFallback {
                    mib.count(.capableACKReceived)
                    subflows[index].tcp.requestACK()
                }
                confirmSubflow(index, now: now)
                announceAddresses()
            } else if isFallback {
                confirmSubflow(index, now: now)
            } else {
                // Linux is plain TCP for ever if the packet that completes the handshake lacks
                // MP_CAPABLE, and only octets right behind the SYN carry it (kernel-peer, 4.2): of
                // an ACK and these octets one at least has to arrive first.
                subflows[index].isFourthPacketPending = true
            }
        case .join:
            let isAsPublished = subflows[index].fastJoin?.multimob != nil
            if subflows[index].isOpener, isAsPublished {
                settleMultiMob(index, header, now: now)
            } else if subflows[index].isOpener {
                // RFC 8684, 3.2: no data before the fourth packet, unless both sides agreed on it.
                armJoinTimer(index, now: now)
                settleOffer(index, header, now: now)
            } else {
                counters.joinsAccepted += 1
                subflows[index].isFourthPacketPending = !isAsPublished
                confirmSubflow(index, now: now)
            }
        }
        return true
    }

    mutating func armJoinTimer(_ index: Int, now: Instant) {
        // TCP's timeout is for data: it backs off for the same loss, and is long behind a repeated SYN
        // (RFC 6298, 5.7).
        let rtt = subflows[index].tcp.rtt
        let timeout =
            rtt.smoothed == nil
            ? offerTimeout(index) ?? configuration.tcp.initialRTO
            : .nanoseconds(rtt.timeoutWithoutBackoff)
        subflows[index].joinDeadline = now + timeout * (1 << min(subflows[index].joinAttempts, 6))
    }

    /// Both sides have proved themselves: data may flow on the subflow.
    mutating func confirmSubflow(_ index: Int, now: Instant) {
        guard !subflows[index].isFullyEstablished else { return }
        subflows[index].isFullyEstablished = true
        subflows[index].joinDeadline = nil
        graceDeadline = nil
        lastConfirmation = now
        subflows[index].lastNews = now
        wasRefusedByStranger = false
        isConfirmed = true
        if subflows[index].kind == .join {
            data.isContiguous = false
            if subflows[index].isOpener { counters.joinsOpened += 1 }
            closeRetiredSubflows(now: now)
        }
        log(
            "subflow_established", now: now,
            ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("tuple", .tuple(subflows[index].tcp.tuple)),
            ("backup", .number(subflows[index].isBackup ? 1 : 0)))
        subflowBecameUsable(index, now: now)
        if subflows[index].kind == .capable {
            rankFirstSubflow(index)
            fastJoin.peerSegment = subflows[index].tcp.effectiveMSS
            announceCapabilities(now: now)
            managePaths(now: now)
        } else {
            sendAwaitedMapping(index, now: now)
        }
    }
}
