internal import DequeModule
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// A first SYN that nobody answers: the connection is tried from the next interface, too, as RFC 8305,
/// 5, does with addresses.
///
/// ```
///   SYN from the first interface --(its first timeout, a second)--> SYN from the next, beside it
///                                --(its interface goes away)------> at once
///   the first answer --> its subflow stays, all others are dropped without a word
///   RST, or the first attempt has repeated its SYN for as long as it may --> the end
/// ```
///
/// All attempts offer the same key, and a peer of version 1 learns it from the third packet only
/// (RFC 8684, 3.1): no third packet leaves on a second one, so that the application there hears of one
/// connection. What answers an attempt that was dropped meets no connection and gets RST
/// (RFC 9293, 3.10.7.1). A SYN with data (TCP Fast Open) may have been delivered already: its
/// connection is not tried elsewhere. Where it is in vain everywhere, the error comes as late as with
/// one interface.
extension Connection {
    /// Whether another interface may be tried: a host that opens no subflow opens no second attempt
    /// either, and plain TCP by the host's own wish has one path.
    private var mayTryElsewhere: Bool {
        isOpener && !isEstablished && closeReason == nil && configuration.isMultipath
            && configuration.policy != .acceptOnly
            && subflows.count <= configuration.maximumExtraSubflows
            && !subflows.contains {
                $0.tcp.hasOfferedEarlyData || $0.tcp.state == .synReceived
            }
    }

    /// The time that the latest attempt has for itself begins.
    mutating func armAttempt(now: Instant) {
        guard configuration.policy != .acceptOnly, configuration.isMultipath else { return }
        paths.attemptDeadline = now + configuration.tcp.initialRTO
    }

    /// The latest attempt has had its time.
    mutating func handleAttemptDeadline(now: Instant) {
        guard let deadline = paths.attemptDeadline, deadline <= now else { return }
        paths.attemptDeadline = nil
        tryElsewhere(now: now)
    }

    /// Opens the next attempt if the latest one has had its time, or cannot be answered any more.
    mutating func tryElsewhere(now: Instant) {
        guard mayTryElsewhere, let latest = subflows.last else { return }
        let address = latest.tcp.tuple.local.address
        let isLost =
            !latest.isAlive
            || !interfaces.contains { $0.isUp && $0.addresses.contains(address) }
        let isOverdue = paths.attemptDeadline.map { $0 <= now } ?? true
        guard isLost || isOverdue else { return }
        paths.attemptDeadline = nil
        guard let (interface, source) = untriedSource else { return }
        let tuple = FourTuple(local: Endpoint(source, ephemeralPort()), remote: remoteEndpoint)
        let secrets = drawSubflowSecrets()
        let tcp = TCPConnection.connect(
            tuple, configuration: tcpConfiguration(for: source),
            initialSequence: secrets.initialSequence, timestampOffset: secrets.timestampOffset,
            now: now)
        armAttempt(now: now)
        let index = addSubflow(.capable, isOpener: true, interface: interface, tcp: tcp)
        if !isPlain { mib.count(.capableSYNSent) }
        log(
            "connect_retried", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("tuple", .tuple(tuple)),
            ("reason", .text(isLost ? "interface-lost" : "unanswered")))
    }

    /// The first address, in the order of the interfaces, from which nothing was tried.
    private var untriedSource: (InterfaceID, IPAddress)? {
        for interface in interfaces where interface.isUp {
            for address in interface.addresses
            where address.isV6 == remoteEndpoint.address.isV6
                && !paths.givenUp.contains(address)
                && !subflows.contains(where: { $0.tcp.tuple.local.address == address })
            {
                return (interface.id, address)
            }
        }
        return nil
    }

    /// Whether a segment is an answer while several attempts wait for one.
    func decidesAttempts(_ header: SegmentHeader, _ index: Int) -> Bool {
        guard subflows.count > 1, subflows[index].kind == .capable,
            subflows[index].tcp.state == .synSent
        else { return false }
        let isSYN = header.flags.contains(.syn) && header.flags.isDisjoint(with: [.ack, .rst])
        return isSYN || subflows[index].tcp.isAcceptableSYNACK(header)
    }

    /// An attempt was answered: the connection is what becomes of it. Afterwards it is the only
    /// subflow.
    mutating func settleAttempts(on index: Int, now: Instant) {
        let chosen = subflows[index]
        for other in subflows where other.id != chosen.id { drop(other, now: now) }
        subflows = [chosen]
        paths.initialTuple = chosen.tcp.tuple
    }

    private mutating func drop(_ attempt: Subflow, now: Instant) {
        log(
            "connect_abandoned", now: now, ("subflow", .number(Int(attempt.id.rawValue))),
            ("tuple", .tuple(attempt.tcp.tuple)))
        events.append(.subflowClosed(attempt.id, attempt.tcp.tuple))
    }

    /// The first subflow is not where the policy wants to be: it stands back as soon as that path is
    /// joined.
    mutating func rankFirstSubflow(_ index: Int) {
        let address = subflows[index].tcp.tuple.local.address
        guard isOpener, let preferredAddress, address != preferredAddress else { return }
        switch configuration.policy {
        case .backup, .ios:
            subflows[index].isBackupForPeer = true
            mib.count(.prioritySent)
            subflows[index].signal(.priority(isBackup: true, addressID: nil))
        case .multimob: subflows[index].isSpared = true
        case .full, .redundant, .singlePath, .acceptOnly: break
        }
    }

    /// The address that the policy prefers: that of the first attempt, whoever answered.
    var preferredAddress: IPAddress? { paths.preferredAddress ?? initialLocalAddress }
}
