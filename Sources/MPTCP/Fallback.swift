internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Why a connection fell back to plain TCP (mptcp-behaviour, 11.1).
enum FallbackCause: String, Sendable {
    /// SYN/ACK without MP_CAPABLE (rule 1).
    case noCapableAnswer = "syn-ack-without-mp-capable"
    /// Third packet without MP_CAPABLE (rule 2).
    case noCapableConfirmation = "ack-without-mp-capable"
    /// Data acknowledged without DATA_ACK (rule 3).
    case noDataACK = "ack-without-data-ack"
    /// Data without a mapping (rule 4).
    case noMapping = "data-without-mapping"
    /// The peer sent an infinite mapping (rule 8).
    case infiniteMapping = "infinite-mapping"
    /// SYNs with the option went unanswered.
    case unansweredSYN = "unanswered-syn"
}

extension Connection {
    /// Whether the connection may still become plain TCP: one subflow, everything in order on it.
    var mayFallBack: Bool { data.isContiguous && subflows.count == 1 && data.reinjected.isEmpty }

    /// From here on the one subflow's stream is the application's (RFC 8684, 3.7).
    mutating func fallBack(_ cause: FallbackCause, now: Instant) {
        guard !isFallback else { return }
        isFallback = true
        data.reinjections = RangeList()
        if let index = subflows.indices.first {
            // Constant distance between the two spaces: everything was sent in order here.
            let tcp = subflows[index].tcp
            let unsentEnd = tcp.sendBuffer.end
            data.fallbackSendShift = data.next - unsentEnd
            data.fallbackReceiveShift = data.received.end - tcp.receiveBuffer.start
            subflows[index].signals.removeAll()
            subflows[index].isDataFINPending = false
            subflows[index].isFullyEstablished = tcp.state.isSynchronized
        }
        log("fallback", now: now, ("cause", .text(cause.rawValue)))
    }

    /// In fallback the subflow's ACK is the DATA_ACK.
    mutating func acknowledgeInFallback(_ index: Int, now: Instant) {
        let offset = subflows[index].tcp.acknowledgedOffset + data.fallbackSendShift
        let before = data.acknowledged
        data.sent.discard(upTo: min(offset, data.next))
        if data.acknowledged > before { signalWritable() }
    }

    /// In fallback received bytes are the application's as they come.
    mutating func drainInFallback(_ index: Int, now: Instant) {
        let start = subflows[index].tcp.receiveBuffer.start
        let end = subflows[index].tcp.receiveBuffer.end
        if end > start {
            var offset = start + data.fallbackReceiveShift
            subflows[index].tcp.receiveBuffer.forEachPiece(of: start..<end) { piece in
                _ = data.received.insert(piece, at: offset)
                offset += piece.count
            }
            subflows[index].tcp.consume(upTo: end)
            signalReadable()
        }
        if subflows[index].tcp.hasReceivedFIN, !data.isPeerFinished {
            data.isPeerFinished = true
            events.append(.atEnd)
        }
    }
}
