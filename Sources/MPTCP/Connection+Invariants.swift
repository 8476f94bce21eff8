internal import DequeModule
internal import NetworkPrimitives
internal import TCP

extension Connection {
    /// Numbers that may only grow (mptcp-behaviour, 21, items 2 and 7).
    package struct Progress: Hashable, Sendable {
        /// Octets DATA_ACKed by the peer.
        package var acknowledged: Int
        /// Octets received in order.
        package var received: Int
        /// Where the window ends that the peer opened.
        package var sendWindowEnd: Int
        /// Where the window ends that this side opened.
        package var receiveWindowEnd: Int

        /// Whether nothing went back since `earlier`.
        package func continues(_ earlier: Progress) -> Bool {
            acknowledged >= earlier.acknowledged && received >= earlier.received
                && sendWindowEnd >= earlier.sendWindowEnd
                && receiveWindowEnd >= earlier.receiveWindowEnd
        }
    }

    /// How far the connection is.
    package var progress: Progress {
        Progress(
            acknowledged: data.acknowledged, received: data.received.end,
            sendWindowEnd: data.isWindowAcknowledged ? data.windowEnd : data.next,
            receiveWindowEnd: data.advertisedEnd)
    }

    /// What does not hold although it always must (mptcp-behaviour, 21); empty in a sound
    /// connection. For tests and fuzzers: it looks at every mapping.
    package var invariantViolations: [String] {
        var problems = subflows.flatMap { subflow in
            subflow.tcp.invariantViolations.map { "subflow \(subflow.id.rawValue): \($0)" }
        }
        func require(_ holds: Bool, _ what: @autoclosure () -> String) {
            if !holds { problems.append(what()) }
        }
        require(
            data.acknowledged <= data.next && data.next <= data.sent.end, "offsets out of order")
        require(data.sent.count <= configuration.sendBuffer, "send buffer too full")
        require(
            data.received.readableCount + data.received.outOfOrderCount <= data.receiveCapacity,
            "receive buffer too full")
        if data.isFINAcknowledged {
            require(data.acknowledged == data.sent.end, "DATA_FIN acknowledged before the data")
        }
        if isFallback {
            require(
                subflows.count <= 1 || !isEstablished, "several subflows after a fallback")
        } else {
            require(data.received.end <= data.advertisedEnd, "received beyond the window")
            // What the first SYN carries goes out before there is a window.
            require(!isEstablished || data.next <= data.windowEnd, "sent beyond the window")
            if let missing = firstByteNobodySends { problems.append("nobody sends \(missing)") }
        }
        for subflow in subflows {
            require(
                subflow.kind == .capable || subflow.isFullyEstablished || subflow.isRetired
                    || subflow.fastJoin.map { $0.maySendEarly || $0.isAccepted } == true
                    || subflow.tcp.sendBuffer.end == 0,
                "data on a join before its fourth packet")
            // The octets of a SYN lie before the stream.
            var end = -subflow.sentShift
            for mapping in subflow.sentMappings {
                require(
                    mapping.subflowEnd - mapping.data.count >= end,
                    "two mappings of the same subflow octets")
                end = mapping.subflowEnd
            }
        }
        return problems
    }

    /// The first octet that was mapped, is not DATA_ACKed, and is neither on a subflow nor queued.
    private var firstByteNobodySends: Int? {
        guard data.acknowledged < data.next, closeReason == nil else { return nil }
        var missing = RangeList()
        missing.insert(data.acknowledged..<data.next)
        for range in data.reinjections.ranges { missing.remove(range) }
        for subflow in subflows {
            for mapping in subflow.sentMappings where !missing.isEmpty {
                missing.remove(mapping.data)
            }
        }
        return missing.first?.lowerBound
    }
}
