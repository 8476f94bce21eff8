public import NetworkPrimitives
internal import TCP
internal import WireFormat

/// The path manager: when to join, when to give up a path (mptcp-behaviour, 12 and 15).
extension Connection {
    /// The host's interfaces changed: link events of rtnetlink in one world, scheduled ones in the
    /// other.
    public mutating func interfacesChanged(_ current: [StackInterface], now: Instant) {
        let before = interfaces
        interfaces = current
        guard closeReason == nil else { return }
        var arrived: [StackInterface] = []
        for interface in current where interface.isUp {
            let old = before.first { $0.id == interface.id }
            let isNew = old.map { !$0.isUp || $0.addresses != interface.addresses } ?? true
            if isNew {
                arrived.append(interface)
                paths.forgetFailures(of: interface.addresses)
            }
        }
        for index in subflows.indices {
            let address = subflows[index].tcp.tuple.local.address
            let isThere = current.contains { $0.isUp && $0.addresses.contains(address) }
            if !isThere { loseSubflow(index, now: now) }
            learnOffload(index)
        }
        reapSubflows(now: now)
        adaptToInterfaces(now: now)
        tryElsewhere(now: now)
        managePaths(arrived: arrived, now: now)
    }

    /// The owner wants an address to be given up while its path still works.
    public mutating func giveUp(address: IPAddress, now: Instant) {
        guard !paths.givenUp.contains(address), closeReason == nil else { return }
        paths.givenUp.append(address)
        let affected = subflows.indices.filter {
            subflows[$0].tcp.tuple.local.address == address
        }
        if isOpener, !isEstablished {
            // The peer has heard of no address yet.
            for index in affected { subflows[index].tcp.discard() }
            return tryElsewhere(now: now)
        }
        guard !affected.isEmpty, !isFallback else { return }
        mib.count(.subflowRemoved, times: affected.count)
        let id = paths.localAddressID(of: address, initial: initialLocalAddress)
        log("address_given_up", now: now, ("address", .address(address)))
        paths.remove(id)
        tellRemovals(now: now)
        for index in affected {
            retireSubflow(index, now: now)
            // With no other subflow the removal goes on the dying one, as in Linux.
            if !subflows.contains(where: \.isUsable) { paths.signalRemovals(on: &subflows[index]) }
        }
        managePaths(now: now)
    }

    /// The interface under a subflow is gone: no packet leaves there any more.
    private mutating func loseSubflow(_ index: Int, now: Instant) {
        guard subflows[index].tcp.state != .closed else { return }
        let tuple = subflows[index].tcp.tuple
        log(
            "subflow_lost", now: now, ("subflow", .number(Int(subflows[index].id.rawValue))),
            ("tuple", .tuple(tuple)))
        wasClosedByPeer = false
        wasRefused = false
        guard !isFallback else { return }
        if !isEstablished, subflows[index].kind == .capable { return }
        mib.count(.subflowRemoved)
        reinjectEverything(of: index, now: now)
        if subflows[index].isFullyEstablished { paths.remove(subflows[index].localAddressID) }
        subflows[index].isRetired = true
        subflows[index].tcp.discard()
        tellRemovals(now: now)
    }

    private mutating func tellRemovals(now: Instant) {
        var timeout: Int64 = 0
        for index in subflows.indices where subflows[index].isUsable {
            paths.signalRemovals(on: &subflows[index])
            timeout = max(timeout, subflows[index].tcp.rtt.timeout)
        }
        // With nobody to tell, the next subflow is told when it comes.
        guard timeout > 0 else { return }
        mib.count(.removeAddressSent, times: paths.removals.count)
        guard configuration.repeatsRemovals else {
            paths.forgetRemovals()
            return
        }
        paths.armRemovalRepeat(at: now + .nanoseconds(max(timeout, 200_000_000)))
    }

    // MARK: Opening

    /// Opens what the policy wants and does not have.
    mutating func managePaths(arrived: [StackInterface] = [], now: Instant) {
        guard isOpener, isEstablished, !isFallback, closeReason == nil,
            isConfirmed, data.failure == nil,
            !isOver || !peerKnowsEnd && !subflows.contains(where: \.isAlive)
        else { return }
        switch configuration.policy {
        case .acceptOnly: return
        case .full, .backup, .redundant, .ios:
            for interface in interfaces { openJoins(on: interface, now: now) }
        case .singlePath:
            // The arrival of an interface is the event (break-before-make), or the loss of the
            // last path.
            for interface in arrived { openJoins(on: interface, now: now) }
            openJoinIfNeeded(now: now)
        case .multimob:
            // The first path is the one to be on: it is joined when it is back.
            for interface in arrived
            where preferredAddress.map(interface.addresses.contains) ?? false {
                openJoins(on: interface, now: now)
            }
            openJoinIfNeeded(now: now)
        }
    }

    /// Opens one subflow if none is left, or another one if somebody asked for it.
    private mutating func openJoinIfNeeded(now: Instant) {
        for interface in interfaces {
            guard paths.isAnotherWanted || !subflows.contains(where: \.isAlive) else { return }
            openJoins(on: interface, now: now)
        }
    }

    private mutating func openJoins(on interface: StackInterface, now: Instant) {
        guard interface.isUp else { return }
        for address in interface.addresses {
            let isTaken = subflows.contains {
                $0.tcp.tuple.local.address == address && $0.isAlive
            }
            guard !isTaken, !paths.givenUp.contains(address),
                !paths.failedAddresses.contains(address), hasRoomForSubflow,
                let (remote, remoteID) = joinDestination(isV6: address.isV6)
            else { continue }
            let isFirstAddress = address == preferredAddress
            let policy = configuration.policy
            openJoin(
                from: Endpoint(address, ephemeralPort()), to: remote, remoteAddressID: remoteID,
                isBackup: (policy == .backup || policy == .ios) && !isFirstAddress,
                interface: interface.id, now: now)
            subflows[subflows.count - 1].isSpared = policy == .multimob && !isFirstAddress
            paths.isAnotherWanted = false
        }
    }

    /// The peer's first address unless it refused joins there (C flag), removed it, or it is of the
    /// other family, else an announced one.
    private func joinDestination(isV6: Bool) -> (Endpoint, AddressID)? {
        if !peerDeniesInitialAddress, !paths.isPeerInitialRemoved,
            remoteEndpoint.address.isV6 == isV6
        {
            return (remoteEndpoint, .initial)
        }
        return paths.remoteAddresses.first { $0.endpoint.address.isV6 == isV6 }
            .map { ($0.endpoint, $0.id) }
    }

    /// A port that no subflow of this connection has, if there is one.
    mutating func ephemeralPort() -> UInt16 {
        let ports = configuration.ephemeralPorts
        let start = Int(generator.next() % UInt64(ports.count))
        for step in 0..<ports.count {
            let port = ports.lowerBound + UInt16((start + step) % ports.count)
            let isTaken = subflows.contains { $0.tcp.tuple.local.port == port }
            if !isTaken, port != paths.initialTuple?.local.port { return port }
        }
        return ports.lowerBound
    }

    /// The tuple of a join that was not sent yet belongs to another connection of this host: the
    /// join takes another port.
    public mutating func changePort(of id: SubflowID) {
        guard let index = index(of: id), subflows[index].isOpener,
            subflows[index].tcp.synTransmissions == 0
        else { return }
        let tuple = subflows[index].tcp.tuple
        subflows[index].portChanges += 1
        guard subflows[index].portChanges < 32 else {
            subflows[index].tcp.discard()
            return
        }
        let local = Endpoint(tuple.local.address, ephemeralPort())
        subflows[index].tcp = TCPConnection.connect(
            FourTuple(local: local, remote: tuple.remote),
            configuration: subflows[index].tcp.configuration,
            initialSequence: subflows[index].tcp.initialSequence,
            timestampOffset: UInt32(truncatingIfNeeded: generator.next()), now: .zero)
        events.append(.subflowOpened(id, subflows[index].tcp.tuple))
    }

    /// A join failed, or the peer closed what it opened: its address is left alone until its interface comes up again, or until a
    /// retry, if the peer or the failure allows one (RFC 8684, 3.6, T flag).
    mutating func noteFailedJoin(_ index: Int, mayRetry: Bool, now: Instant) {
        paths.noteFailedJoin(from: subflows[index].tcp.tuple.local.address)
        if !subflows.contains(where: { $0.isUsable && !$0.isSuspect }) {
            paths.isAnotherWanted = true
        }
        if mayRetry || subflows[index].peerReset?.isTransient == true {
            paths.scheduleRetry(now: now)
        }
    }

    // MARK: The peer's addresses

    /// REMOVE_ADDR (RFC 8684, 3.4.2): nothing is scheduled there any more and what is missing goes
    /// elsewhere at once; a probe decides whether the subflow is closed.
    mutating func removeRemoteAddress(_ id: AddressID, now: Instant) {
        mib.count(.removeAddressReceived)
        let wasKnown = paths.remoteAddresses.contains { $0.id == id }
        paths.remoteAddresses.removeAll { $0.id == id }
        if id == .initial { paths.isPeerInitialRemoved = true }
        // Its subflows may be closed already: FIN took a faster path.
        if wasKnown, !subflows.contains(where: { $0.remoteAddressID == id && !$0.isRetired }) {
            log("address_removed_by_peer", now: now, ("id", .number(Int(id.rawValue))))
        }
        for index in subflows.indices
        where subflows[index].remoteAddressID == id && !subflows[index].isRetired {
            log(
                "address_removed_by_peer", now: now, ("id", .number(Int(id.rawValue))),
                ("subflow", .number(Int(subflows[index].id.rawValue))))
            subflows[index].isRetired = true
            reinjectEverything(of: index, now: now)
            subflows[index].tcp.requestProbe()
            subflows[index].removalProbe = RemovalProbe(subflows[index].tcp.rtt, now: now)
        }
    }

    /// ADD_ADDR (RFC 8684, 3.4.1).
    mutating func receiveAddAddress(_ option: AddAddress, _ index: Int, now: Instant) {
        guard let remoteKey else { return }
        switch option.form {
        case .v0:
            if scheme == .v0 { learnAddress(option, now: now) }
        case _ where scheme == .v0: return
        case .echo:
            for position in paths.announcements.indices
            where paths.announcements[position].id == option.addressID
                && paths.announcements[position].address == option.address
                && !paths.announcements[position].isEchoed
            {
                paths.announcements[position].isEchoed = true
                mib.count(.echoReceived)
                sendAnnouncement(now: now)
            }
        case .announcement(let hmac):
            let expected = scheme.addressHMAC(option, localKey: remoteKey, remoteKey: localKey)
            guard expected ^ hmac == 0 else {
                counters.badAddressHMACs += 1
                return
            }
            var echo = option
            echo.form = .echo
            subflows[index].signal(.addAddress(echo))
            mib.count(.echoSent)
            learnAddress(option, now: now)
        }
    }

    private mutating func learnAddress(_ option: AddAddress, now: Instant) {
        log(
            "address_announced", now: now, ("id", .number(Int(option.addressID.rawValue))),
            ("address", .address(option.address)))
        mib.count(.addAddressReceived)
        if option.port != nil { mib.count(.portReceived) }
        let port = option.port ?? remoteEndpoint.port
        let isKnown = paths.remoteAddresses.contains { $0.id == option.addressID }
        if !isKnown, option.addressID != .initial, isJoinable(option.address),
            paths.remoteAddresses.count < 8
        {
            paths.remoteAddresses.append((option.addressID, Endpoint(option.address, port)))
            managePaths(now: now)
        } else if option.addressID == .initial, option.address == remoteEndpoint.address,
            paths.isPeerInitialRemoved
        {
            paths.isPeerInitialRemoved = false
            managePaths(now: now)
        } else {
            mib.count(.addAddressDropped)
        }
    }

    /// mptcp-behaviour, 12.3: the peer must not aim us at just anybody.
    private func isJoinable(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let value):
            value >> 24 != 127 && value >> 28 != 0xe && value != 0 && value != .max
                && value >> 16 != 0xa9fe
        case .v6(let high, let low):
            high >> 56 != 0xff && high >> 54 != 0x3fa && !(high == 0 && low <= 1)
        }
    }

    /// The listener announces its further addresses, one at a time (kernel-peer, 9.2).
    mutating func announceAddresses() {
        guard !isFallback, paths.announcements.isEmpty else { return }
        for address in configuration.announcedAddresses where address != initialLocalAddress {
            let id = paths.localAddressID(of: address, initial: initialLocalAddress)
            paths.announcements.append(PathState.Announcement(address: address, id: id))
        }
        sendAnnouncement(now: nil)
    }

    private mutating func sendAnnouncement(now: Instant?) {
        guard let remoteKey,
            let position = paths.announcements.firstIndex(where: {
                !$0.isEchoed && $0.attempts <= 3
            }),
            let index = subflows.firstIndex(where: \.isUsable)
        else { return }
        var option = AddAddress(
            addressID: paths.announcements[position].id,
            address: paths.announcements[position].address, port: configuration.announcedPort,
            form: .announcement(hmac: 0))
        if scheme == .v0 {
            // RFC 6824, 3.4.1: no echo; on every subflow, because it may be lost.
            option.form = .v0
            for other in subflows.indices where subflows[other].isUsable {
                subflows[other].signal(.addAddress(option))
                mib.count(.addAddressSent)
            }
            paths.announcements[position].isEchoed = true
            sendAnnouncement(now: now)
            return
        }
        let hmac = scheme.addressHMAC(option, localKey: localKey, remoteKey: remoteKey)
        option.form = .announcement(hmac: hmac)
        let attempts = paths.announcements[position].attempts
        // One that has had no opportunity to leave needs no repetition.
        if !subflows[index].signals.contains(.addAddress(option)) {
            subflows[index].signal(.addAddress(option))
            mib.count(.addAddressSent)
            paths.announcements[position].attempts += 1
        }
        let timeout = subflows[index].tcp.rtt.timeout << min(attempts, 6)
        let start = now ?? subflows[index].tcp.lastReceived
        paths.announcements[position].deadline = start + .nanoseconds(timeout)
    }

    mutating func handlePathDeadline(now: Instant) {
        if paths.takeRemovalRepeat(now: now) { tellRemovals(now: now) }
        if paths.takeRetry(now: now) { managePaths(now: now) }
        handleAttemptDeadline(now: now)
        for position in paths.announcements.indices {
            guard let deadline = paths.announcements[position].deadline, deadline <= now else {
                continue
            }
            paths.announcements[position].deadline = nil
            if !paths.announcements[position].isEchoed { sendAnnouncement(now: now) }
        }
    }
}
