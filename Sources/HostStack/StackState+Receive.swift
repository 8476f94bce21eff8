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
            if error == .badChecksum {
                counters.checksumErrors += 1
            } else {
                counters.malformed += 1
            }
            return
        }
        let tuple = view.receivedTuple
        if let (slot, id) = subflows[tuple] {
            let reuse = isNewSYN(view, slot, id)
            if !reuse {
                let answersWithReset =
                    update(slot: slot, now: now) {
                        $0.receive(view, packet: packet, on: id, now: now)
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
        if let token = view.header.joinToken {
            receiveJoin(view, tuple, token, on: interface, now: now)
        } else if listeners.contains(tuple.local.port) {
            receiveSYN(view, tuple, on: interface, now: now)
        } else {
            reset(view, on: interface)
        }
    }

    /// RFC 6191: a SYN may reuse the tuple of a connection in TIME-WAIT.
    private mutating func isNewSYN(_ view: SegmentView, _ slot: Int, _ id: SubflowID) -> Bool {
        let flags = view.header.flags
        guard flags.contains(.syn), flags.isDisjoint(with: [.ack, .rst]) else { return false }
        return slots[slot].connection?.isInTimeWait(id, olderThan: view.header) ?? false
    }

    private func isLocal(_ address: IPAddress) -> Bool {
        interfaces.contains { $0.addresses.contains(address) }
    }

    /// Joins are found by token, whatever the port (RFC 8684, 3.2).
    private mutating func receiveJoin(
        _ view: SegmentView, _ tuple: FourTuple, _ token: Token, on interface: InterfaceID,
        now: Instant
    ) {
        guard let slot = tokens[token], slots[slot].connection != nil else {
            counters.joinsWithoutToken += 1
            reset(view, on: interface, MPTCPReset(.mptcpSpecific))
            return
        }
        let secrets = secrets(for: tuple, now: now)
        let isAccepted =
            update(slot: slot, now: now) {
                $0.acceptJoin(
                    tuple, syn: view.header, on: interface, secrets: secrets, now: now)
            } ?? false
        if !isAccepted { reset(view, on: interface, MPTCPReset(.administrativelyProhibited)) }
    }

    private mutating func receiveSYN(
        _ view: SegmentView, _ tuple: FourTuple, on interface: InterfaceID, now: Instant
    ) {
        forgetSettledHandshakes()
        if halfOpen >= configuration.maximumHalfOpen { evictOldestHalfOpen() }
        guard slots.count - freeSlots.count < configuration.maximumConnections else {
            counters.droppedSYNs += 1
            return
        }
        let connection = Connection.accept(
            tuple, syn: view.header, on: interface, configuration: configuration.connection,
            localKey: freshKey(), secrets: secrets(for: tuple, now: now), interfaces: interfaces,
            generator: generator.split(), now: now)
        halfOpen += 1
        let slot = insert(connection)
        handshakes.append(handle(slot))
        collectEvents(slot)
        markReady(slot)
    }

    /// RFC 4987, 3.4: under a flood the oldest half-open connection gives way. Whoever answers within
    /// the time in which `maximumHalfOpen` SYNs come still gets in.
    private mutating func evictOldestHalfOpen() {
        while let oldest = handshakes.popFirst() {
            guard let slot = index(oldest), isHalfOpen(slot) else { continue }
            counters.evictedHalfOpen += 1
            halfOpen -= 1
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

    private func isHalfOpen(_ slot: Int) -> Bool {
        !slots[slot].isAccepted && slots[slot].connection?.closeReason == nil
    }

    mutating func connect(
        to remote: Endpoint, from local: IPAddress?, now: Instant
    ) throws(StackError) -> ConnectionHandle {
        let candidates = interfaces.filter(\.isUp).flatMap { interface in
            interface.addresses.map { (interface.id, $0) }
        }
        guard
            let (interface, address) = candidates.first(where: {
                local == nil ? $0.1.isV6 == remote.address.isV6 : $0.1 == local
            })
        else { throw .noSourceAddress(remote) }
        guard slots.count - freeSlots.count < configuration.maximumConnections else {
            throw .tooManyConnections
        }
        let tuple = FourTuple(
            local: Endpoint(address, try freePort(address, remote)), remote: remote)
        let connection = Connection.open(
            tuple, on: interface, configuration: configuration.connection, localKey: freshKey(),
            secrets: secrets(for: tuple, now: now), interfaces: interfaces,
            generator: generator.split(), now: now)
        let slot = insert(connection)
        collectEvents(slot)
        markReady(slot)
        return handle(slot)
    }

    private mutating func freePort(
        _ address: IPAddress, _ remote: Endpoint
    ) throws(StackError) -> UInt16 {
        let ports = configuration.ephemeralPorts
        let start = Int(generator.next() % UInt64(ports.count))
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

extension SegmentHeader {
    /// The token of SYN+MP_JOIN.
    fileprivate var joinToken: Token? {
        for option in options.mptcp {
            if case .join(.syn(_, _, let token, _)) = option { return token }
        }
        return nil
    }
}
