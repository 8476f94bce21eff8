internal import DequeModule
public import NetworkPrimitives
public import TCP
internal import WireFormat

/// A packet that was written into the caller's buffer.
public struct Transmit: Sendable {
    /// The interface on which the packet should leave.
    public var interface: InterfaceID
    /// The packet's source address.
    public var source: IPAddress
    /// The packet's destination address.
    public var destination: IPAddress
    /// Octets of the IP packet.
    public var length: Int
    /// What is still to be done to it; `nil` when it is complete.
    public var offload: PacketOffload?
    /// Its last octets, if they were not written into the buffer (`SendOffload.gathersPayload`).
    public var payload: LentBytes?

    /// A packet of this length.
    public init(
        interface: InterfaceID, source: IPAddress, destination: IPAddress, length: Int,
        offload: PacketOffload? = nil, payload: LentBytes? = nil
    ) {
        self.offload = offload
        self.payload = payload
        self.interface = interface
        self.source = source
        self.destination = destination
        self.length = length
    }
}

/// What whoever sends a packet is to do to it: finish the TCP checksum, and cut it if it is larger
/// than the link takes.
public struct PacketOffload: Hashable, Sendable {
    /// Where the TCP header begins, in the IP packet.
    public var transportStart: Int
    /// Octets of the IP and the TCP header.
    public var headerLength: Int
    /// Payload octets of each piece; 0 when it is not to be cut.
    public var segmentSize: Int
}

extension Connection {
    /// Writes the next packet into `buffer`, which has room for the largest MTU; `nil` when there
    /// is nothing to send now.
    public mutating func pollTransmit(
        now: Instant, into buffer: UnsafeMutableRawBufferPointer
    ) -> Transmit? {
        schedule(now: now)
        advanceClosing(now: now)
        for index in subflows.indices {
            guard let (polled, carriesSignal) = pollSegment(index, now: now) else { continue }
            var segment = polled
            decorate(&segment, index, carriesSignal: carriesSignal)
            let tuple = subflows[index].tcp.tuple
            let offload = offload(of: segment, index)
            let payload = offload == nil ? nil : lentPayload(of: segment, index)
            let length = segment.header.encodePacket(
                source: tuple.local.address, destination: tuple.remote.address, ecn: segment.ecn,
                deviceFinishesChecksum: offload != nil, payloadLength: segment.payload.count,
                into: buffer
            ) {
                if segment.header.flags.contains(.syn) {
                    // What the SYN carries is not the subflow's yet (RFC 8684, B).
                    data.sent.copy(offered(index) ?? segment.payload, to: $0)
                } else if payload == nil {
                    subflows[index].tcp.sendBuffer.copy(segment.payload, to: $0)
                }
            }
            if subflows[index].pendingSince != nil {
                chargeEarlyAnswer(index, length: length, hasPayload: !segment.payload.isEmpty)
            }
            return Transmit(
                interface: subflows[index].interface, source: tuple.local.address,
                destination: tuple.remote.address, length: length, offload: offload,
                payload: payload)
        }
        return nil
    }

    private func offload(of segment: OutgoingSegment, _ index: Int) -> PacketOffload? {
        guard subflows[index].offload.finishesChecksums else { return nil }
        let isV6 = subflows[index].tcp.tuple.local.address.isV6
        let mss = subflows[index].tcp.effectiveMSS
        // The peer's MSS is not known when the SYN leaves, and a SYN is one packet.
        let isCut = segment.payload.count > mss && !segment.header.flags.contains(.syn)
        return PacketOffload(
            transportStart: isV6 ? IPv6Header.length : IPv4Header.minimumLength,
            headerLength: segment.header.packetLength(isV6: isV6, payload: 0),
            segmentSize: isCut ? mss : 0)
    }

    /// The payload where it lies, if whoever sends the packet fetches it and that is worth it.
    private func lentPayload(of segment: OutgoingSegment, _ index: Int) -> LentBytes? {
        guard subflows[index].offload.gathersPayload,
            segment.payload.count >= Self.leastLent, !segment.header.flags.contains(.syn)
        else { return nil }
        return subflows[index].tcp.sendBuffer.lend(segment.payload)
    }

    /// Fewer octets are copied sooner than fetched.
    private static let leastLent = 8_192

    /// Notes what the subflow's interface does for its packets.
    mutating func learnOffload(_ index: Int) {
        let id = subflows[index].interface
        guard let interface = interfaces.first(where: { $0.id == id }) else { return }
        subflows[index].offload = interface.offload
    }

    /// The subflow's next segment, and whether it was made for a signal or DATA_FIN alone.
    private mutating func pollSegment(
        _ index: Int, now: Instant
    ) -> (segment: OutgoingSegment, carriesSignal: Bool)? {
        subflows[index].tcp.receiveWindow = receiveWindow(index)
        if fastOpen != nil { offerEarlyData(index) }
        if subflows[index].fastJoin != nil { makeOffer(index, now: now) }
        if subflows[index].isFourthPacketPending {
            // kernel-peer, 7.2: nothing may overtake the fourth packet of a join.
            subflows[index].isFourthPacketPending = false
            if let segment = subflows[index].tcp.pollACK(now: now) { return (segment, false) }
        }
        if case .dss? = subflows[index].signals.first {
            // The mapping of what lies before all else on the subflow must not be overtaken.
            if let segment = subflows[index].tcp.pollACK(now: now) { return (segment, true) }
        }
        if isFallback, case .fail? = subflows[index].signals.first {
            // Linux hears MP_FAIL only before the infinite mapping, which comes with data; if it has
            // heard none after two minutes, it resets the subflow (kernel-peer, 5).
            if let segment = subflows[index].tcp.pollACK(now: now) { return (segment, true) }
        }
        let superSegment = subflows[index].superSegmentLimit
        if let segment = subflows[index].tcp.pollSegment(now: now, superSegment: superSegment) {
            return (segment, false)
        }
        // What the peer cannot understand yet has to wait, or it would be polled for ever.
        guard remoteKey != nil,
            subflows[index].isDataFINPending
                || subflows[index].isFullyEstablished && subflows[index].hasSignalToSend
        else { return nil }
        subflows[index].tcp.requestACK()
        return subflows[index].tcp.pollSegment(now: now).map { ($0, true) }
    }

    /// Adds the MPTCP options (mptcp-wire; kernel-peer, 3.2).
    private mutating func decorate(
        _ segment: inout OutgoingSegment, _ index: Int, carriesSignal: Bool
    ) {
        let flags = segment.header.flags
        if flags.contains(.rst) {
            if !isFallback {
                let options = resetOptions(index)
                segment.header.options.mptcp = options
                if scheme == .v1 { mib.count(.resetSent) }
            }
            return
        }
        if isFallback {
            decorateInFallback(&segment, index, carriesSignal: carriesSignal)
        } else if flags.contains(.syn) {
            decorateSYN(&segment, index)
        } else if !carriesSignal, let handshake = handshakeOption(for: segment, index) {
            segment.header.options.mptcp = [handshake]
            if subflows[index].fastJoin?.isAccepted == true {
                segment.header.options.dss = DSS(dataACK: .full(data.dataACK.rawValue))
            }
        } else if subflows[index].mayCarryData || subflows[index].kind == .capable {
            decorateEstablished(&segment, index, carriesSignal: carriesSignal)
        }
    }

    /// MP_TCPRST, and what else the subflow leaves with; version 0 knows MP_FAIL only.
    private func resetOptions(_ index: Int) -> [MPTCPOption] {
        let options = subflows[index].resetOptions
        switch scheme {
        case .v1: return options.isEmpty ? [.reset(MPTCPReset(.unspecified))] : options
        case .v0: return options.filter { if case .fail = $0 { true } else { false } }
        }
    }

    /// MP_CAPABLE of this version with the flags that it is sent with throughout.
    private var capableTemplate: MPCapable {
        var capable = MPCapable(version: scheme.version)
        if usesChecksum { capable.flags.insert(.checksumRequired) }
        if deniesInitialAddress { capable.flags.insert(.denyInitialAddress) }
        return capable
    }

    private mutating func decorateSYN(_ segment: inout OutgoingSegment, _ index: Int) {
        var capable = capableTemplate
        let transmissions = subflows[index].tcp.synTransmissions
        switch (subflows[index].kind, subflows[index].isOpener) {
        case (.capable, true):
            // mptcp-behaviour, 2.1 step 2: after some unanswered SYNs plain TCP is tried.
            if transmissions <= configuration.capableSYNs {
                if scheme == .v0 { capable.senderKey = localKey }
                segment.header.options.mptcp = [.capable(capable)]
            } else if transmissions == configuration.capableSYNs + 1 {
                mib.count(.capableSYNDropped)
            }
        case (.capable, false):
            capable.senderKey = localKey
            segment.header.options.mptcp = [.capable(capable)]
        case (.join, true):
            guard let remoteToken else { return }
            if let join = subflows[index].fastJoin?.multimob, transmissions == 1,
                let option = multimobOption(join, index)
            {
                segment.header.options.mptcp = [option]
                return
            }
            segment.header.options.mptcp = [
                .join(
                    .syn(
                        isBackup: subflows[index].isBackupForPeer,
                        addressID: subflows[index].localAddressID, token: remoteToken,
                        nonce: subflows[index].localNonce))
            ]
            if let option = offerOption(index) { segment.header.options.mptcp.append(option) }
        case (.join, false):
            guard let remoteKey else { return }
            if let answer = multimobAnswer(index) {
                segment.header.options.mptcp = [answer]
                return
            }
            let hmac = localJoinHMAC(index, remoteKey)
            segment.header.options.mptcp = [
                .join(
                    .synACK(
                        isBackup: subflows[index].isBackupForPeer,
                        addressID: subflows[index].localAddressID, hmac: hmac.high,
                        nonce: subflows[index].localNonce))
            ]
            if subflows[index].fastJoin?.isAccepted == true {
                segment.header.options.dss = DSS(dataACK: .full(data.dataACK.rawValue))
            }
        }
    }

    private func localJoinHMAC(_ index: Int, _ remoteKey: Key) -> HMAC160 {
        scheme.joinHMAC(
            localKey: localKey, remoteKey: remoteKey, localNonce: subflows[index].localNonce,
            remoteNonce: subflows[index].remoteNonce)
    }

    /// What the opener repeats until the peer has answered: MP_CAPABLE on every segment that starts
    /// behind the SYN (mptcp-behaviour, 2.1 step 5), MP_JOIN on the third packet (4.1).
    private func handshakeOption(for segment: OutgoingSegment, _ index: Int) -> MPTCPOption? {
        guard subflows[index].isOpener, !subflows[index].isFullyEstablished, let remoteKey
        else { return nil }
        switch subflows[index].kind {
        case .capable:
            guard segment.header.sequence == subflows[index].tcp.firstSequence else { return nil }
            // RFC 6824, 3.1: in version 0 data has its DSS from the start.
            if scheme == .v0, !segment.payload.isEmpty { return nil }
            var capable = capableTemplate
            capable.senderKey = localKey
            capable.receiverKey = remoteKey
            if let mapping = segment.mapping {
                capable.dataLength = mapping.length
                capable.checksum = mapping.checksum
            }
            return .capable(capable)
        case .join:
            // Data that follows at once has no room for it.
            guard segment.payload.isEmpty else { return nil }
            return .join(.ack(hmac: localJoinHMAC(index, remoteKey)))
        }
    }

    /// DSS with DATA_ACK on every segment, and what else waits for a pure ACK.
    private mutating func decorateEstablished(
        _ segment: inout OutgoingSegment, _ index: Int, carriesSignal: Bool
    ) {
        guard remoteKey != nil else { return }
        var dss = DSS(dataACK: .full(data.dataACK.rawValue))
        if let mapping = segment.mapping {
            dss.mapping = DSSMapping(
                dataSequenceNumber: .full(mapping.dataSequenceNumber.rawValue),
                subflowSequenceNumber: mapping.subflowSequenceNumber, length: mapping.length,
                checksum: mapping.checksum)
            dss.isIdle = mapping.isIdle
        } else if carriesSignal, subflows[index].isFullyEstablished,
            subflows[index].hasSignalToSend, let signal = subflows[index].signals.popFirst()
        {
            if case .addAddress = signal {
                // kernel-peer, 2.2: ADD_ADDR stands alone.
                segment.header.options.mptcp = [signal]
                // With an IPv6 address and a port it has no room beside timestamps. RFC 7323, 3.2
                // wants them on every segment; like Linux, which leaves them out here and takes
                // segments without them, this side does.
                if !segment.header.options.fits { segment.header.options.timestamps = nil }
                return
            }
            if case .dss(let signal) = signal {
                dss.mapping = signal.mapping
            } else {
                segment.header.options.mptcp = [signal]
            }
        } else if carriesSignal, subflows[index].isDataFINPending {
            subflows[index].isDataFINPending = false
            let dsn = data.dataSequenceNumber(at: data.next)
            // RFC 8684, 3.3.3: alone it has relative sequence number 0 and length 1.
            let checksum =
                usesChecksum
                ? DSSMapping.checksum(
                    dataSequenceNumber: dsn, subflowSequenceNumber: 0, length: 1,
                    payloadSum: InternetChecksum()) : nil
            dss.mapping = DSSMapping(
                dataSequenceNumber: .full(dsn.rawValue), subflowSequenceNumber: 0, length: 1,
                checksum: checksum)
            dss.isDataFIN = true
        }
        segment.header.options.dss = dss
    }
}
