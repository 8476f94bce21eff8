internal import NetworkPrimitives
internal import WireFormat

/// The analysis of one connection.
struct ConnectionAnalysis {
    let group: FlowGroup
    let table: FlowTable
    let points: [TracePoint]
    /// For each subflow the places of upload and download.
    private let uploads: [DirectionPlace?]
    private let downloads: [DirectionPlace?]
    /// All packets in the order of their first sightings.
    private let packets: [ConnectionPacket]

    init(_ group: FlowGroup, in table: FlowTable, points: [TracePoint]) {
        self.group = group
        self.table = table
        self.points = points
        let geometry = FlowGeometry(points: points)
        func places(isFromClient: Bool) -> [DirectionPlace?] {
            group.flows.map { flow in
                let fromFirst =
                    (isFromClient == flow.isOpenedByClient) == flow.facts.isFirstOpener
                return geometry.place(
                    of: flow.facts.flow, fromFirst: fromFirst, isFromClient: isFromClient,
                    in: table)
            }
        }
        let uploads = places(isFromClient: true)
        let downloads = places(isFromClient: false)
        var packets: [ConnectionPacket] = []
        for (index, flow) in group.flows.enumerated() {
            for number in table.flows[flow.facts.flow].packets {
                let isFromClient = flow.isFromClient(table.packets[number])
                let place = isFromClient ? uploads[index] : downloads[index]
                let times = PacketTimes(
                    sent: place.flatMap { table.time(of: number, at: $0.sendPoint) },
                    arrived: place.flatMap { table.time(of: number, at: $0.receivePoint) })
                let hasBothEnds = place.map { $0.sendPoint != $0.receivePoint } ?? false
                packets.append(
                    ConnectionPacket(
                        number: number, flow: index, isFromClient: isFromClient, times: times,
                        firstTime: table.firstTime(of: number),
                        isMissingAtSender: hasBothEnds && times.sent == nil))
            }
        }
        packets.sort { ($0.firstTime, $0.number) < ($1.firstTime, $1.number) }
        self.uploads = uploads
        self.downloads = downloads
        self.packets = packets
    }

    /// The result.
    func trace(index: Int) -> ConnectionTrace {
        var fallback = handshakeFallback()
        let isLinear = !group.isMultipath || fallback != nil
        let upload = StreamAnalysis(
            group, packets: packets, table: table, isFromClient: true, isLinear: isLinear)
        let download = StreamAnalysis(
            group, packets: packets, table: table, isFromClient: false, isLinear: isLinear)
        if fallback == nil, let time = upload.infiniteMapping ?? download.infiniteMapping {
            fallback = FallbackTrace(cause: .infiniteMapping, time: time)
        }
        let first = group.flows.first
        let tuple = first?.tuple
        let unknownEnd = Endpoint(.v4(0), 0)
        var subflows = group.flows.indices.map { subflow($0) }
        for index in subflows.indices {
            subflows[index].client.remove(upload.resegmented[index])
            subflows[index].server.remove(download.resegmented[index])
        }
        var result = ConnectionTrace(
            index: index, kind: kind, client: tuple?.local ?? unknownEnd,
            server: tuple?.remote ?? unknownEnd, isClientKnown: first?.facts.isOpenerKnown ?? false,
            clientKey: known(group.clientKey), serverKey: known(group.serverKey),
            clientToken: known(group.token(isClient: true)),
            serverToken: serverToken, usesChecksums: checksums, subflows: subflows, joins: joins(),
            upload: upload.trace, download: download.trace, signals: signals(),
            fallback: fallback, firstTime: packets.first?.firstTime ?? 0,
            lastTime: lastTime(of: nil))
        result.upload.show(at: subflows.map(\.uploadPlace))
        result.upload.showAcknowledgments(at: subflows.map(\.downloadPlace))
        result.download.show(at: subflows.map(\.downloadPlace))
        result.download.showAcknowledgments(at: subflows.map(\.uploadPlace))
        return result
    }

    private var kind: ConnectionProtocol {
        guard group.isMultipath else { return .tcp }
        return switch group.version {
        case .v1: .mptcpV1
        case .v0: .mptcpV0
        case nil: .mptcpUnknownVersion
        }
    }

    private static let keysMissing = "keys not in the captures"

    private func known<Value>(_ value: Value?) -> Known<Value> {
        Known(value, orUnknown: group.isMultipath ? Self.keysMissing : "plain TCP")
    }

    /// From the key, else from a join.
    private var serverToken: Known<Token> {
        if let token = group.token(isClient: false) { return .value(token) }
        for flow in group.flows where flow.isOpenedByClient {
            if let token = flow.facts.joinRequest?.token { return .value(token) }
        }
        return known(nil)
    }

    /// RFC 8684, 3.1: used if either side asks for them.
    private var checksums: Known<Bool> {
        guard let facts = group.flows.first?.facts, facts.isCapable else {
            return known(nil as Bool?)
        }
        if let ack = facts.capableACK { return .value(ack.flags.contains(.checksumRequired)) }
        guard let syn = facts.capableSYN, let synACK = facts.capableSYNACK else {
            return .unknown("handshake not whole in the captures")
        }
        return .value(syn.flags.union(synACK.flags).contains(.checksumRequired))
    }

    /// Whether the handshake of the first subflow ended as TCP though it began as MPTCP.
    private func handshakeFallback() -> FallbackTrace? {
        guard let facts = group.flows.first?.facts, facts.isCapable, !facts.hasDSS else {
            return nil
        }
        func fallback(_ cause: FallbackTrace.Cause, _ packet: Int?) -> FallbackTrace {
            FallbackTrace(
                cause: cause,
                time: packet.map { table.firstTime(of: $0) } ?? packets.first?.firstTime ?? 0)
        }
        if facts.capableSYN != nil, facts.capableSYNACK == nil, let synACK = facts.synACKs.first {
            return fallback(.synACKWithoutOption, synACK)
        }
        if facts.capableACK == nil, let third = facts.thirdACK {
            return fallback(.thirdPacketWithoutOption, third)
        }
        let data = packets.first { packet in
            let segment = table.packets[packet.number].segment
            return segment.payload > 0 && !segment.flags.contains(.syn)
                && segment.capable?.dataLength == nil
        }
        return data.map { fallback(.dataWithoutMapping, $0.number) }
    }

    /// The last sighting of a subflow's packets, or of all.
    private func lastTime(of flow: Int?) -> Int64 {
        var last = Int64.min
        for packet in packets where flow == nil || packet.flow == flow {
            last = max(last, packet.times.arrived ?? packet.firstTime, packet.firstTime)
        }
        return last
    }
}

// MARK: - Subflows

extension ConnectionAnalysis {
    private func subflow(_ index: Int) -> SubflowTrace {
        let flow = group.flows[index]
        let facts = flow.facts
        let numbers = table.flows[facts.flow].packets
        return SubflowTrace(
            index: index, tuple: flow.tuple, kind: kind(of: facts), membership: flow.membership,
            isOpenedByClient: flow.isOpenedByClient, client: end(of: flow, isClient: true),
            server: end(of: flow, isClient: false),
            points: Set(numbers.flatMap { table.points(of: $0) }).sorted(),
            uploadPlace: capturePlace(index, isFromClient: true),
            downloadPlace: capturePlace(index, isFromClient: false),
            handshakeRoundTrip: handshakeRoundTrip(index),
            synACKArrival: synACKArrival(index), reset: reset(of: index),
            firstTime: numbers.first.map { table.firstTime(of: $0) } ?? 0,
            lastTime: lastTime(of: index))
    }

    private func kind(of facts: FlowFacts) -> SubflowKind {
        if facts.isJoin { return .join }
        if facts.isCapable { return .capable }
        return facts.hasDSS ? .midstream : .tcp
    }

    private func end(of flow: GroupedFlow, isClient: Bool) -> SubflowTrace.End {
        let facts = flow.end(isClient: isClient)
        var result = SubflowTrace.End(
            packets: facts.packetCount, payload: facts.payload, hasFIN: facts.hasFIN)
        result.maximumSegmentSize = facts.maximumSegmentSize
        result.windowScale = facts.windowScale
        if flow.facts.isCapable { result.addressID = .initial }
        let said =
            isClient == flow.isOpenedByClient
            ? flow.facts.joinRequest.map { ($0.isBackup, $0.addressID) } : flow.facts.joinAnswer
        if let (isBackup, id) = said {
            result.addressID = id
            result.isBackup = isBackup
        }
        return result
    }

    private func capturePlace(_ index: Int, isFromClient: Bool) -> CapturePlace {
        let flow = group.flows[index]
        guard let place = isFromClient ? uploads[index] : downloads[index] else { return .none }
        if place.sendPoint != place.receivePoint {
            return .bothEnds(send: place.sendPoint, receive: place.receivePoint)
        }
        let point = place.sendPoint
        switch points[point].place {
        case .atClient: return .onePoint(point, isFromClient ? .sender : .receiver)
        case .atServer: return .onePoint(point, isFromClient ? .receiver : .sender)
        case .unknown: break
        }
        let isSenderOpener = isFromClient == flow.isOpenedByClient
        return switch openerShare(of: flow.facts, at: point) {
        case nil: .onePoint(point, .unknown)
        case .some(let share) where share < 0.2:
            .onePoint(point, isSenderOpener ? .sender : .receiver)
        case .some(let share) where share > 0.8:
            .onePoint(point, isSenderOpener ? .receiver : .sender)
        default: .onePoint(point, .between)
        }
    }

    /// Which part of the round trip lies between the point and the opener: SYN/ACK to third ACK is
    /// the way there and back, SYN to SYN/ACK the way on the listener's side.
    private func openerShare(of facts: FlowFacts, at point: Int) -> Double? {
        guard facts.syns.count == 1, facts.synACKs.count == 1, let third = facts.thirdACK,
            let syn = table.time(of: facts.syns[0], at: point),
            let synACK = table.time(of: facts.synACKs[0], at: point),
            let ack = table.time(of: third, at: point), ack > syn
        else { return nil }
        return Double(ack - synACK) / Double(ack - syn)
    }

    private func handshakeRoundTrip(_ index: Int) -> Known<Int64> {
        let facts = group.flows[index].facts
        guard let syn = facts.syns.first, !facts.synACKs.isEmpty else {
            return .unknown("handshake not whole in the captures")
        }
        if facts.syns.count > 1 { return .unknown("SYN was retransmitted") }
        guard let sent = times(of: syn, index).sent else { return .unknown(Self.openerMissing) }
        return synACKArrival(index).map { $0 - sent }
    }

    private static let openerMissing = "not captured at the opener"

    private func synACKArrival(_ index: Int) -> Known<Int64> {
        let arrivals = group.flows[index].facts.synACKs.map { times(of: $0, index).arrived }
        if arrivals.isEmpty { return .unknown("no SYN/ACK in the captures") }
        return Known(arrivals.compactMap(\.self).min(), orUnknown: Self.openerMissing)
    }

    private func reset(of index: Int) -> SubflowTrace.Reset? {
        let flow = group.flows[index]
        let ends = [true, false].compactMap { isClient in
            flow.end(isClient: isClient).reset.map { (isClient: isClient, reset: $0) }
        }
        let first = ends.min { $0.reset.packet < $1.reset.packet }
        return first.map { end in
            SubflowTrace.Reset(
                isFromClient: end.isClient, time: table.firstTime(of: end.reset.packet),
                reason: end.reset.reason)
        }
    }

    /// The times of a packet of a subflow.
    private func times(of packet: Int, _ flow: Int) -> PacketTimes {
        let isFromClient = group.flows[flow].isFromClient(table.packets[packet])
        let place = isFromClient ? uploads[flow] : downloads[flow]
        let times = PacketTimes(
            sent: place.flatMap { table.time(of: packet, at: $0.sendPoint) },
            arrived: place.flatMap { table.time(of: packet, at: $0.receivePoint) })
        return times.shown(at: capturePlace(flow, isFromClient: isFromClient))
    }
}

// MARK: - Joins

extension ConnectionAnalysis {
    private func joins() -> [JoinTrace] {
        group.flows.indices.filter { group.flows[$0].facts.isJoin }.map { join($0) }
    }

    private func join(_ index: Int) -> JoinTrace {
        let flow = group.flows[index]
        let facts = flow.facts
        let fourth = fourthACK(of: index)
        // As published no ACK of the join has an option, and there is no fourth.
        let isAsPublished = facts.multimobSYNACK != nil
        let thirds = isAsPublished ? facts.thirdACK.map { [$0] } ?? [] : facts.joinACKs
        var result = JoinTrace(
            subflow: index, isFromClient: flow.isOpenedByClient,
            token: .unknown("SYN not in the captures"),
            syns: facts.syns.map { times(of: $0, index) },
            synACK: facts.synACKs.first.map { times(of: $0, index) },
            thirdACK: thirds.first.map { times(of: $0, index) },
            thirdACKRepetitions: max(thirds.count - 1, 0),
            fourthACK: fourth.map { times(of: $0, index) }, synACKHMAC: .unknown(Self.keysMissing),
            thirdACKHMAC: .unknown(Self.keysMissing),
            outcome: outcome(
                of: facts, isEstablished: fourth != nil || isAsPublished && !thirds.isEmpty))
        if let request = facts.joinRequest {
            result.token = .value(request.token)
            result.openerAddressID = request.addressID
            result.openerBackup = request.isBackup
        }
        result.fastJoin = facts.fastJoin(table)
        if let answer = facts.joinAnswer {
            result.listenerAddressID = answer.addressID
            result.listenerBackup = answer.isBackup
        }
        verify(&result, flow)
        return result
    }

    /// RFC 8684, 3.2: the listener sends nothing but SYN/ACKs before it has the third ACK, so its first
    /// other segment in order tells the opener that the join is complete. Where the SYN asked for it,
    /// data may come sooner, and only an ACK without tells.
    private func fourthACK(of index: Int) -> Int? {
        let flow = group.flows[index]
        guard flow.facts.multimobSYNACK == nil else { return nil }
        let mayAnswerEarly = flow.facts.fastJoin(table)?.isTaken == true
        for number in table.flows[flow.facts.flow].packets {
            let observed = table.packets[number]
            let segment = observed.segment
            guard !flow.facts.isFromOpener(observed), !segment.isReset,
                !segment.flags.contains(.syn), segment.isAcknowledgment
            else { continue }
            if mayAnswerEarly {
                if segment.payload > 0 { continue }
            } else if let initial = flow.facts.listener.initialSequence,
                segment.sequence != initial + 1
            {
                continue
            }
            return number
        }
        return nil
    }

    private func outcome(of facts: FlowFacts, isEstablished: Bool) -> JoinTrace.Outcome {
        if isEstablished { return .established }
        if let reset = facts.listener.reset {
            return .refused(byListener: true, reset.reason)
        }
        if let reset = facts.opener.reset {
            return .refused(byListener: false, reset.reason)
        }
        // A SYN/ACK or an ACK from the middle of a capture says nothing about refusal.
        return facts.opener.hasSentData || facts.listener.hasSentData ? .established : .open
    }

    private func verify(_ join: inout JoinTrace, _ flow: GroupedFlow) {
        let facts = flow.facts
        guard let digest = group.digest, let clientKey = group.clientKey,
            let serverKey = group.serverKey
        else { return }
        let openerKey = flow.isOpenedByClient ? clientKey : serverKey
        let listenerKey = flow.isOpenedByClient ? serverKey : clientKey
        if let syn = facts.multimobSYN, let answer = facts.multimobSYNACK {
            let isValid = digest.isValid(
                answer, to: syn, senderKey: listenerKey, receiverKey: openerKey)
            join.synACKHMAC = isValid ? .valid : .invalid
            join.thirdACKHMAC = .unknown("as published the third ACK has none")
            return
        }
        guard case .syn(_, _, _, let openerNonce) = facts.joinSYN,
            case .synACK(_, _, let code, let listenerNonce) = facts.joinSYNACK
        else {
            join.synACKHMAC = .unknown("nonces not in the captures")
            join.thirdACKHMAC = join.synACKHMAC
            return
        }
        let fromListener = digest.joinHMAC(
            senderKey: listenerKey, receiverKey: openerKey, senderNonce: listenerNonce,
            receiverNonce: openerNonce)
        join.synACKHMAC = fromListener.high == code ? .valid : .invalid
        guard case .ack(let answer) = facts.joinACK else {
            join.thirdACKHMAC = .unknown("third ACK not in the captures")
            return
        }
        let fromOpener = digest.joinHMAC(
            senderKey: openerKey, receiverKey: listenerKey, senderNonce: openerNonce,
            receiverNonce: listenerNonce)
        join.thirdACKHMAC = fromOpener == answer ? .valid : .invalid
    }
}

// MARK: - Signals

extension ConnectionAnalysis {
    private func signals() -> [SignalTrace] {
        var result: [SignalTrace] = []
        for packet in packets {
            let segment = table.packets[packet.number].segment
            func note(_ content: SignalTrace.Content) {
                result.append(
                    SignalTrace(
                        content: content, subflow: packet.flow, isFromClient: packet.isFromClient,
                        times: times(of: packet.number, packet.flow)))
            }
            if segment.options.dss?.isDataFIN == true { note(.dataFIN) }
            for option in segment.options.mptcp {
                switch option {
                case .addAddress(let option): note(.addAddress(option))
                case .removeAddress(let identifiers): note(.removeAddress(identifiers))
                case .priority(let isBackup, let id): note(.priority(isBackup: isBackup, id))
                case .fail(let number): note(.fail(number))
                case .fastClose: note(.fastClose)
                case .reset(let reset): note(.reset(reset))
                case .fastJoin(.capabilities(let features, let units)):
                    note(.joinCapabilities(features, maximumPayloadUnits: units))
                case .fastJoin, .multimob, .capable, .join, .dss, .unknown: break
                }
            }
        }
        return result
    }
}
