internal import DequeModule
internal import MPTCP
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

extension StackState {
    /// Four-tuple, else MP_JOIN token, else listener, else RST (RFC 9293, 3.10.7.1).
    mutating func receive(
        _ packet: UnsafeRawBufferPointer, verification: SegmentView.Verification,
        on interface: InterfaceID, now: Instant
    ) {
        counters.packetsReceived += 1
        let view: SegmentView
        do {
            view = try SegmentView(parsing: packet, verification: verification)
        } catch {
            switch error {
            case .badChecksum: counters.checksumErrors += 1
            case .notTCP: receiveError(packet, verification: verification, now: now)
            case .truncated, .badLength, .unsupported, .fragment: counters.malformed += 1
            }
            return
        }
        let tuple = view.receivedTuple
        if let (slot, id) = subflows[tuple] {
            let reuse = isNewSYN(view, slot, id)
            if !reuse {
                let isShort = isShortOfMemory
                let answersWithReset =
                    update(slot: slot, now: now) {
                        $0.receive(
                            view, packet: packet, on: id, isShortOfMemory: isShort, now: now)
                    } ?? true
                if answersWithReset { reset(view, on: interface) }
                return
            }
        }
        guard isLocal(tuple.local.address) else { return }
        let flags = view.header.flags
        guard flags.contains(.syn), flags.isDisjoint(with: [.ack, .rst]) else {
            reset(view, on: interface)
            return
        }
        if let request = view.header.joinRequest(configuration.connection.fastJoin) {
            receiveJoin(view, packet, tuple, request, on: interface, now: now)
        } else if listeners.contains(tuple.local.port) {
            let payload = UnsafeRawBufferPointer(rebasing: packet[view.payload])
            receiveSYN(view, payload, tuple, on: interface, now: now)
        } else {
            reset(view, on: interface)
        }
    }

    /// ICMP: the quoted segment says which subflow it is about.
    private mutating func receiveError(
        _ packet: UnsafeRawBufferPointer, verification: SegmentView.Verification, now: Instant
    ) {
        let error: ICMPError
        do {
            error = try ICMPError(parsing: packet, isVerified: verification == .checksum)
        } catch {
            if error == .badChecksum {
                counters.checksumErrors += 1
            } else {
                counters.malformed += 1
            }
            return
        }
        guard let (slot, id) = subflows[error.tuple] else {
            counters.outOfWindowErrors += 1
            return
        }
        switch update(slot: slot, now: now, { $0.receive(error, on: id, now: now) }) {
        case .outOfWindow, nil: counters.outOfWindowErrors += 1
        case .noted: counters.pathErrors += 1
        case .loweredMTU:
            counters.pathErrors += 1
            counters.loweredMTUs += 1
        }
    }

    /// RFC 6191: a SYN may reuse the tuple of a connection in TIME-WAIT.
    private mutating func isNewSYN(_ view: SegmentView, _ slot: Int, _ id: SubflowID) -> Bool {
        let flags = view.header.flags
        guard flags.contains(.syn), flags.isDisjoint(with: [.ack, .rst]) else { return false }
        return with(slot) { $0.isInTimeWait(id, olderThan: view.header) } ?? false
    }

    private func isLocal(_ address: IPAddress) -> Bool {
        interfaces.contains { $0.addresses.contains(address) }
    }

    /// Joins are found by token, whatever the port (RFC 8684, 3.2).
    private mutating func receiveJoin(
        _ view: SegmentView, _ packet: UnsafeRawBufferPointer, _ tuple: FourTuple,
        _ request: JoinRequest, on interface: InterfaceID, now: Instant
    ) {
        guard let slot = tokens[request.token], slots[slot].connection != nil else {
            mib.count(.joinNoTokenFound)
            reset(view, on: interface, MPTCPReset(.mptcpSpecific))
            return
        }
        guard !isShortOfMemory else {
            mib.count(.joinRejected)
            reset(view, on: interface, MPTCPReset(.lackOfResources, isTransient: true))
            return
        }
        let secrets = secrets.subflow(tuple, now: now)
        let mayVerify =
            request.needsVerification
            && verifications.admits(
                tuple.remote.address, configuration.connection.fastJoin, now: now)
        let refusal =
            update(slot: slot, now: now) {
                $0.acceptJoin(
                    tuple, syn: view.header,
                    payload: UnsafeRawBufferPointer(rebasing: packet[view.payload]),
                    packetLength: packet.count, mayVerify: mayVerify, on: interface,
                    secrets: secrets, now: now)
            } ?? MPTCPReset(.administrativelyProhibited)
        if let refusal { reset(view, on: interface, refusal) }
    }

    private mutating func receiveSYN(
        _ view: SegmentView, _ payload: UnsafeRawBufferPointer, _ tuple: FourTuple,
        on interface: InterfaceID, now: Instant
    ) {
        forgetSettledHandshakes()
        if halfOpen >= configuration.maximumHalfOpen { evictOldestHalfOpen() }
        guard !isShortOfMemory, slots.count - freeSlots.count < configuration.maximumConnections
        else {
            counters.droppedSYNs += 1
            return
        }
        let scheme = HandshakeScheme.offered(
            by: view.header.options, policy: configuration.connection.versions)
        var drawn = secrets.draw()
        let connection = Connection.accept(
            tuple, syn: view.header, on: interface, configuration: configuration.connection,
            identity: identity(scheme, &drawn),
            fastOpen: fastOpenAnswer(view.header, payload, scheme, from: tuple.remote.address),
            secrets: secrets.subflow(tuple, now: now), interfaces: interfaces,
            generator: drawn.connection, now: now)
        let slot = insert(connection)
        handshakes.append(handle(slot))
        collectEvents(slot)
        markReady(slot)
    }

    /// RFC 7413, 4.1.2: data counts with a right cookie; whoever has none, or a wrong one, gets one.
    private func fastOpenAnswer(
        _ header: SegmentHeader, _ payload: UnsafeRawBufferPointer, _ scheme: HandshakeScheme?,
        from client: IPAddress
    ) -> FastOpenAnswer {
        var answer = FastOpenAnswer()
        guard configuration.fastOpen, scheme != .v0, let offered = header.options.fastOpenCookie
        else {
            return answer
        }
        let cookie = FastOpenOffer.cookie(for: client, secret: secrets.cookies)
        if offered != cookie {
            answer.cookie = cookie
        } else if halfOpen < configuration.maximumHalfOpen / 4 {
            answer.earlyData = Array(payload)
        }
        return answer
    }

    private func fastOpenOffer(
        _ scheme: HandshakeScheme?, to peer: IPAddress, now: Instant
    ) -> FastOpenOffer? {
        configuration.fastOpen && scheme != .v0 ? peers.fastOpen(to: peer, now: now) : nil
    }

    /// RFC 4987, 3.4: under a flood the oldest half-open connection gives way. Whoever answers within
    /// the time in which `maximumHalfOpen` SYNs come still gets in.
    private mutating func evictOldestHalfOpen() {
        while let oldest = handshakes.popFirst() {
            guard let slot = index(oldest), isHalfOpen(slot) else { continue }
            counters.evictedHalfOpen += 1
            leaveHalfOpen(slot)
            remove(slot)
            return
        }
    }

    private mutating func forgetSettledHandshakes() {
        while let oldest = handshakes.first {
            if let slot = index(oldest), isHalfOpen(slot) { return }
            handshakes.removeFirst()
        }
    }

    private mutating func isHalfOpen(_ slot: Int) -> Bool {
        // One that the application knows (Fast Open) is not taken from it.
        slots[slot].isHalfOpen && !slots[slot].isAccepted
            && with(slot) { $0.closeReason == nil } == true
    }

    mutating func connect(
        to remote: Endpoint, from local: IPAddress?, now: Instant
    ) throws(StackError) -> ConnectionHandle {
        guard let (interface, address) = source(local, for: remote.address) else {
            throw .noSourceAddress(remote)
        }
        guard slots.count - freeSlots.count < configuration.maximumConnections else {
            throw .tooManyConnections
        }
        var drawn = secrets.draw()
        let port = try freePort(address, remote, from: drawn.port)
        let tuple = FourTuple(local: Endpoint(address, port), remote: remote)
        let scheme = peers.scheme(
            for: remote.address, policy: configuration.connection.versions, now: now)
        if scheme == nil { mib.count(.capableSYNDisabled) }
        let connection = Connection.open(
            tuple, on: interface, configuration: configuration.connection,
            identity: identity(scheme, &drawn),
            fastOpen: fastOpenOffer(scheme, to: remote.address, now: now),
            secrets: secrets.subflow(tuple, now: now), interfaces: interfaces,
            generator: drawn.connection, now: now)
        let slot = insert(connection)
        collectEvents(slot)
        markReady(slot)
        return handle(slot)
    }

    /// An address of an interface that is up: this one, or the first of the peer's family.
    private func source(
        _ local: IPAddress?, for peer: IPAddress
    ) -> (InterfaceID, IPAddress)? {
        for interface in interfaces where interface.isUp {
            for address in interface.addresses
            where local.map({ $0 == address }) ?? (address.isV6 == peer.isV6) {
                return (interface.id, address)
            }
        }
        return nil
    }

    private func freePort(
        _ address: IPAddress, _ remote: Endpoint, from number: UInt64
    ) throws(StackError) -> UInt16 {
        let ports = configuration.ephemeralPorts
        let start = Int(number % UInt64(ports.count))
        for step in 0..<ports.count {
            let port = ports.lowerBound + UInt16((start + step) % ports.count)
            let tuple = FourTuple(local: Endpoint(address, port), remote: remote)
            if subflows[tuple] == nil { return port }
        }
        throw .noFreePort
    }

    /// RFC 9293, 3.10.7.1: the answer to a segment of no connection.
    private mutating func reset(
        _ view: SegmentView, on interface: InterfaceID, _ reason: MPTCPReset? = nil
    ) {
        let header = view.header
        guard !header.flags.contains(.rst) else { return }
        var answer = SegmentHeader(
            sourcePort: header.destinationPort, destinationPort: header.sourcePort,
            sequence: SequenceNumber(0), flags: .rst, window: 0)
        if header.flags.contains(.ack) {
            answer.sequence = header.acknowledgment
        } else {
            answer.flags = [.rst, .ack]
            answer.acknowledgment =
                header.sequence + header.sequenceLength(payload: view.payload.count)
        }
        if let reason { answer.options.mptcp = [.reset(reason)] }
        counters.resetsSent += 1
        guard resets.count < 256 else { return }
        resets.append((answer, view.receivedTuple, interface))
    }
}
