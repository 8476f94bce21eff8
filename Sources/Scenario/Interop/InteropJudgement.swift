/// What both ends and the kernel's counters say of one conversation.
package struct InteropEvidence: Sendable {
    package var client: WorkloadSummary?
    package var server: WorkloadSummary?
    package var clientEvents: [EventRecord] = []
    package var serverEvents: [EventRecord] = []
    /// What the kernel counted in this conversation: name and difference, in its order.
    package var counters: [JSONValue.Member] = []

    package init() {}

    subscript(_ counter: String) -> Int64 {
        counters.first { $0.name == counter }?.value.asInteger ?? 0
    }
}

/// Judges a conversation: every octet arrived or the end was visible, the kernel counted what the
/// cell is about and nothing that it is not about (kernel-peer.md, 19.5).
package struct InteropJudgement {
    private let cell: InteropCell
    private let evidence: InteropEvidence
    /// What is wrong.
    package private(set) var complaints: [String] = []

    package init(_ cell: InteropCell, _ evidence: InteropEvidence) {
        self.cell = cell
        self.evidence = evidence
        judgeProtocol()
        switch cell.end {
        case .close, .halfClose: judgeTransfer()
        case .ourAbort, .kernelAbort: judgeAbort()
        }
        if cell.end == .halfClose { judgeHalfClose() }
        judgeHandshakes()
        judgeSignal()
        judgeHealth()
    }

    private var kernelIsClient: Bool { cell.role == .server }
    private var ourEvents: [EventRecord] {
        kernelIsClient ? evidence.serverEvents : evidence.clientEvents
    }
    private var kernelEvents: [EventRecord] {
        kernelIsClient ? evidence.clientEvents : evidence.serverEvents
    }
    private var kernelSummary: WorkloadSummary? {
        kernelIsClient ? evidence.client : evidence.server
    }
    private var ourSummary: WorkloadSummary? {
        kernelIsClient ? evidence.server : evidence.client
    }
    private var isLossy: Bool { cell.loss != .none }
    /// Whether the host itself lost packets meanwhile, of this conversation or of another at the same
    /// time: its processors' queues were full. What was lost is repeated.
    private var hostDropped: Bool { evidence["SoftnetDropped"] > 0 }
    /// The kernel says once that an address is gone: the full queue of a path may have dropped it.
    private var removalWasDropped: Bool {
        cell.signal == .kernelRemoves && evidence[Self.queueDrops] > 0
            && !ourEvents.contains { $0.name == "address_removed_by_peer" }
    }

    /// What the queues of the paths dropped, among the kernel's counters.
    package static let queueDrops = "QueueDropped"

    private mutating func require(_ condition: Bool, _ complaint: @autoclosure () -> String) {
        if !condition { complaints.append(complaint()) }
    }

    // MARK: Both ends

    private mutating func judgeProtocol() {
        for (name, events) in [
            ("the client", evidence.clientEvents), ("the server", evidence.serverEvents),
        ] {
            let told = events.first { $0.name == WorkloadSummary.eventName }
            require(told != nil, "\(name) said nothing at its end")
            require(told?["is_mptcp"]?.asBool != false, "\(name)'s connection was not MPTCP")
        }
        let known = kernelEvents.first { $0.name == "connection-information" }
        if let checksum = known?["checksum"]?.asBool {
            require(
                checksum == (cell.checksum != .off),
                "the kernel \(checksum ? "uses" : "does not use") checksums")
        }
    }

    private mutating func judgeTransfer() {
        guard let client = evidence.client, let server = evidence.server else { return }
        for (name, summary) in [("client", client), ("server", server)] {
            if let failure = summary.failure { complaints.append("\(name): \(failure)") }
            require(summary.isIntact, "the \(name) received octets that nobody sent")
        }
        require(
            client.bytesSent == server.bytesReceived && server.bytesSent == client.bytesReceived,
            "sent \(client.bytesSent) and \(server.bytesSent) octets, received "
                + "\(server.bytesReceived) and \(client.bytesReceived)")
        require(client.bytesReceived > 0, "nothing was transferred")
    }

    private mutating func judgeAbort() {
        guard let ours = ourSummary, let kernels = kernelSummary else { return }
        require(ours.isIntact && kernels.isIntact, "octets arrived that nobody sent")
        require(kernels.failure != nil, "the kernel's application saw an orderly end")
        require(ours.failure != nil, "our application saw an orderly end")
        let counter = cell.end == .ourAbort ? "MPFastcloseRx" : "MPFastcloseTx"
        require(evidence[counter] > 0, "\(counter) is 0")
        if cell.end == .kernelAbort {
            require(
                ourEvents.contains { $0.name == "fastclose_received" },
                "we did not hear the fast close")
        }
    }

    /// The client's DATA_FIN came while the server still had much to send.
    private mutating func judgeHalfClose() {
        func time(_ name: String) -> EventRecord? { ourEvents.first { $0.name == name } }
        guard let sent = time("data_fin_sent"), let received = time("data_fin_received") else {
            complaints.append("a DATA_FIN is missing")
            return
        }
        let isHalf = kernelIsClient ? received.time < sent.time : sent.time < received.time
        require(isHalf, "the download was over before the client ended its direction")
    }

    // MARK: The kernel's counters

    private mutating func expect(
        _ counter: String, _ range: ClosedRange<Int64>, lossy: ClosedRange<Int64>? = nil
    ) {
        let value = evidence[counter]
        let range = isLossy ? lossy ?? (min(range.lowerBound, 1)...Int64.max) : range
        guard !range.contains(value) else { return }
        let wanted =
            range.lowerBound == range.upperBound
            ? "\(range.lowerBound)"
            : "\(range.lowerBound) or more"
                + (range.upperBound == .max ? "" : ", up to \(range.upperBound)")
        complaints.append("\(counter) is \(value), should be \(wanted)")
    }

    private mutating func judgeHandshakes() {
        var joins = Int64(cell.subflows.rawValue - 1)
        // The second address of our server draws one more from the kernel's client.
        if kernelIsClient, cell.signal == .weAdd || cell.signal == .weRemove { joins += 1 }
        if kernelIsClient {
            expect("MPCapableSYNTX", 1...1)
            expect("MPCapableSYNACKRX", 1...1, lossy: 1...1)
            expect("MPJoinSynAckRx", joins...joins, lossy: joins...(.max))
        } else {
            expect("MPCapableSYNRX", 1...1)
            expect("MPCapableACKRX", 1...1, lossy: 1...1)
            // Who has not heard that the address is gone joins it again.
            expect(
                "MPJoinAckRx", joins...(removalWasDropped ? .max : joins), lossy: joins...(.max))
        }
    }

    /// What is said is said when the losses are over; only ADD_ADDR goes out before.
    private mutating func judgeSignal() {
        let many = Int64(cell.subflows.rawValue)
        switch cell.signal {
        case .none: break
        case .weAdd:
            expect("AddAddr", 1...1)
            expect("EchoAddTx", 1...1)
        case .kernelAdds:
            expect("AddAddrTx", 1...1)
            expect("EchoAdd", 1...1)
        case .weRemove:
            // On each subflow that is left, and twice again: it is never acknowledged.
            expect("RmAddr", 1...(3 * (many + 1)), lossy: 1...(3 * (many + 1)))
        case .kernelRemoves:
            expect("RmAddrTx", 1...1, lossy: 1...1)
            let isHeard = ourEvents.contains { $0.name == "address_removed_by_peer" }
            require(isHeard || removalWasDropped, "we did not hear REMOVE_ADDR")
        case .ourPriority:
            expect("MPPrioRx", 1...many, lossy: 1...many)
        case .kernelPriority:
            // The kernel may say it again when it closes.
            expect("MPPrioTx", 1...(2 * many), lossy: 1...(2 * many))
        }
    }

    /// Counters of what goes wrong are 0, unless this cell is about them.
    private mutating func judgeHealth() {
        let isAbort = cell.end == .ourAbort || cell.end == .kernelAbort
        for counter in evidence.counters {
            guard let value = counter.value.asInteger, value != 0 else { continue }
            let name = counter.name
            if Self.isFault(name) { complaints.append("\(name) is \(value)") }
            let isReset = name == "MPRstTx" || name == "MPRstRx"
            if isReset, !isAbort, value > knownResets(name) {
                complaints.append("\(name) is \(value)")
            }
            let isFastClose = name.hasPrefix("MPFastclose")
            if isFastClose, !isAbort { complaints.append("\(name) is \(value)") }
            let isRepetition = name == "MPTCPRetrans" || name == "DuplicateData"
            let mayRepeat =
                isLossy || hostDropped || isAbort || cell.signal == .weRemove
                || cell.signal == .kernelRemoves
            if isRepetition, !mayRepeat, value > knownRepetitions(name) {
                complaints.append("\(name) is \(value)")
            }
            // The second of two equal options may find the first in work (kernel-peer.md, 9.2).
            if name == "AddAddrDrop", value >= evidence["AddAddr"] {
                complaints.append("\(name) is \(value)")
            }
        }
    }

    /// A download as fast as it goes fills the queues of the paths until a sender takes one for dead:
    /// what we say that we reinjected may reach the kernel twice, and the kernel does the same.
    private func knownRepetitions(_ counter: String) -> Int64 {
        guard cell.end == .halfClose else { return 0 }
        return switch (counter, kernelIsClient) {
        case ("DuplicateData", true): Int64(ourEvents.count { $0.name == "reinjection" })
        case ("MPTCPRetrans", false): .max
        default: 0
        }
    }

    /// The kernel that gives up an address, or hears that its peer does, resets the subflows there on
    /// which data wait to be read (kernel-peer.md, 9.3), and so it does at the end with copies of
    /// what was lost that nobody needs any more.
    private func knownResets(_ counter: String) -> Int64 {
        guard counter == "MPRstTx" else { return resetsAfterTheEnd }
        return switch (cell.signal, kernelIsClient) {
        case (.weRemove, _), (.kernelRemoves, true): 1
        // Our joins all go to the address that is removed.
        case (.kernelRemoves, false): Int64(cell.subflows.rawValue - 1)
        default: isLossy && ourEvents.contains { $0.name == "reinjection" } ? 1 : 0
        }
    }

    /// When both directions have ended, our side waits a second for the kernel's FIN. It may be late:
    /// behind a hole, for which its timer has to run out, or, in a few of a thousand half-closed
    /// conversations, where the last DATA_ACK comes with our FIN: the kernel goes on with DATA_FIN.
    private var resetsAfterTheEnd: Int64 {
        guard isLossy || cell.end == .halfClose,
            let sent = ourEvents.last(where: { $0.name == "data_fin_sent" })?.time,
            let received = ourEvents.last(where: { $0.name == "data_fin_received" })?.time
        else { return 0 }
        return Int64(
            ourEvents.count { $0.name == "close_abandoned" && $0.time > max(sent, received) })
    }

    /// Whether a counter counts faults, whatever the conversation is about.
    package static func isFault(_ name: String) -> Bool {
        // The second of two equal options may find the first in work (kernel-peer.md, 9.2, 9.3).
        if name == "RmAddrDrop" || name == "AddAddrDrop" { return false }
        return name.hasSuffix("Err") || name.hasSuffix("Failed") || name.hasSuffix("Drop")
            || name.hasSuffix("Failure") || name.contains("Fallback") || name.hasPrefix("DSSNo")
            || name.contains("Corruption") || name.hasPrefix("MPFail") || name.hasPrefix("Infinite")
            || name.contains("Mismatch") || name == "MPJoinNoTokenFound"
            || name == "MPJoinRejected" || name == "NoDSSInWindow" || name == "MPCurrEstab"
    }
}
