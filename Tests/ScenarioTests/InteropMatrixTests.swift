import NetworkPrimitives
import Scenario
import Testing

@Suite("The interoperability matrix")
struct InteropMatrixTests {
    private static let all = InteropMatrix.all()

    @Test func cellsAreUniqueAndPossible() {
        let names = Self.all.cells.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(Self.all.cells.allSatisfy { $0.contradiction == nil })
        // Without those that contradict themselves: 2 * 2 * 3 * 3 * 4 * 7 * 2 * 2.
        #expect(names.count > 3_500 && names.count < 4_032)
    }

    /// Any two values that can meet in a conversation do meet in the selection.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func selectionCoversAllPairs(_ seed: UInt64) {
        let possible = Self.all.cells.filter { $0.lack == nil }
        let selection = Self.all.selection(count: 50, seed: seed).cells
        let wanted = Set(possible.flatMap(InteropMatrix.pairs))
        let covered = Set(selection.flatMap(InteropMatrix.pairs))
        #expect(covered == wanted)
        #expect(selection.count == 50)
        #expect(Set(selection).count == selection.count)
    }

    @Test func selectionFollowsFromTheSeed() {
        let once = Self.all.selection(count: 50, seed: 4).cells
        #expect(Self.all.selection(count: 50, seed: 4).cells == once)
        #expect(Self.all.selection(count: 50, seed: 5).cells != once)
    }

    @Test func axesHaveNames() {
        for cell in Self.all.cells.prefix(10) {
            #expect(cell.values.count == InteropCell.axes.count)
        }
    }

    // MARK: Judgement

    private static let cell = InteropCell(
        role: .client, family: .v4, checksum: .off, subflows: .two, end: .close, signal: .none,
        loss: .none, application: .sockets)

    private func evidence(
        _ change: (inout InteropEvidence) -> Void = { _ in }
    ) -> InteropEvidence {
        var evidence = InteropEvidence()
        var summary = WorkloadSummary()
        summary.bytesSent = 100
        summary.bytesReceived = 100
        summary.isComplete = true
        evidence.client = summary
        evidence.server = summary
        let told = EventRecord(
            time: .zero, source: "client", name: WorkloadSummary.eventName,
            fields: [.init("is_mptcp", .bool(true))])
        evidence.clientEvents = [told]
        evidence.serverEvents = [told]
        evidence.counters = [
            .init("MPCapableSYNRX", 1), .init("MPCapableACKRX", 1), .init("MPJoinAckRx", 1),
        ]
        change(&evidence)
        return evidence
    }

    @Test func aCleanConversationPasses() {
        #expect(InteropJudgement(Self.cell, evidence()).complaints == [])
    }

    /// Each of these must not pass.
    @Test(arguments: [
        "DataCsumErr", "DSSNotMatching", "DSSNoMatchTCP", "MPCapableFallbackACK", "DssFallback",
        "FallbackFailed", "MPFailTx", "MPRstTx", "MPRstRx", "MPFastcloseRx", "MPTCPRetrans",
        "DuplicateData", "AddAddrTxDrop", "MPJoinAckHMacFailure", "MPCurrEstab",
        "DSSCorruptionReset", "NoDSSInWindow",
    ])
    func countersOfFaultsAreComplaints(_ counter: String) {
        // Of some a busy machine may cause a few.
        let judged = InteropJudgement(Self.cell, evidence { $0.counters.append(.init(counter, 9)) })
        #expect(judged.complaints == ["\(counter) is 9"])
    }

    @Test func whatIsMissingIsAComplaint() {
        func complaints(_ change: (inout InteropEvidence) -> Void) -> [String] {
            InteropJudgement(Self.cell, evidence(change)).complaints
        }
        #expect(complaints({ $0.server?.bytesReceived = 99 }) != [])
        #expect(complaints({ $0.server?.firstMismatch = 5 }) != [])
        #expect(complaints({ $0.counters.removeLast() }) != [])
        #expect(complaints({ $0.serverEvents = [] }) != [])
        #expect(complaints({ $0.client?.failure = .connection("reset") }) != [])
        var cell = Self.cell
        cell.signal = .ourPriority
        #expect(
            InteropJudgement(cell, evidence()).complaints
                == ["MPPrioRx is 0, should be 1 or more, up to 2"])
    }

    /// What one of the stacks did, and its log or another counter says so, is no fault.
    @Test func repetitionsThatAreAccountedForPass() {
        var cell = Self.cell
        cell.role = .server
        cell.end = .halfClose
        func complaints(_ cell: InteropCell, reinjections: Int, _ counters: [(String, Int64)])
            -> [String]
        {
            let evidence = evidence { evidence in
                evidence.counters = [
                    .init("MPCapableSYNTX", 1), .init("MPCapableSYNACKRX", 1),
                    .init("MPJoinSynAckRx", 1),
                ]
                let names = [("data_fin_received", 1), ("data_fin_sent", 2)]
                evidence.serverEvents += names.map {
                    EventRecord(
                        time: .zero + .seconds($0.1), source: "server", name: $0.0, fields: [])
                }
                evidence.serverEvents += (0..<reinjections).map { _ in
                    EventRecord(time: .zero, source: "server", name: "reinjection", fields: [])
                }
                evidence.counters += counters.map { .init($0.0, .integer($0.1)) }
            }
            return InteropJudgement(cell, evidence).complaints
        }
        #expect(complaints(cell, reinjections: 3, [("DuplicateData", 3)]) == [])
        #expect(complaints(cell, reinjections: 2, [("DuplicateData", 3)]) != [])
        #expect(complaints(cell, reinjections: 0, [("AddAddr", 2), ("AddAddrDrop", 1)]) == [])
        #expect(complaints(cell, reinjections: 0, [("AddAddr", 1), ("AddAddrDrop", 1)]) != [])
        cell.end = .close
        #expect(complaints(cell, reinjections: 3, [("DuplicateData", 3)]) != [])
    }

    /// Nothing that is said after the losses may be lost, and nothing may be reset.
    @Test(arguments: ["MPRstTx", "MPRstRx", "MPJoinRejected"])
    func lossExcusesNoReset(_ counter: String) {
        var cell = Self.cell
        cell.loss = .onePercent
        let judged = InteropJudgement(cell, evidence { $0.counters.append(.init(counter, 1)) })
        #expect(judged.complaints == ["\(counter) is 1"])
        cell.signal = .ourPriority
        #expect(InteropJudgement(cell, evidence()).complaints.first?.hasPrefix("MPPrioRx") == true)
    }

    /// The kernel resets a subflow whose address goes while data wait to be read there, once each.
    @Test func removalsExcuseOneResetEach() {
        for (signal, allowed) in [
            (InteropCell.Signal.kernelRemoves, Int64(2)), (.weRemove, 1), (.kernelAdds, 0),
        ] {
            var cell = Self.cell
            cell.signal = signal
            cell.subflows = .three
            func complaints(_ resets: Int64) -> [String] {
                let judged = InteropJudgement(
                    cell, evidence { $0.counters.append(.init("MPRstTx", .integer(resets))) })
                return judged.complaints.filter { $0.hasPrefix("MPRstTx") }
            }
            #expect(complaints(allowed) == [])
            #expect(complaints(allowed + 1) != [])
        }
    }

    private func event(_ name: String, at seconds: Int) -> EventRecord {
        EventRecord(time: .zero + .seconds(seconds), source: "client", name: name, fields: [])
    }

    /// A FIN that does not come when both directions have ended, where losses or a removal can delay
    /// it: our log says that we reset the subflow then.
    @Test func resetsAfterTheEndAreExcused() {
        func complaints(
            _ loss: InteropCell.Loss, resetAt time: Int?, _ resets: Int64
        ) -> [String] {
            var cell = Self.cell
            cell.loss = loss
            let evidence = evidence {
                $0.clientEvents += [
                    event("data_fin_sent", at: 2), event("data_fin_received", at: 3),
                ]
                if let time { $0.clientEvents.append(event("close_abandoned", at: time)) }
                $0.counters.append(.init("MPRstRx", .integer(resets)))
            }
            return InteropJudgement(cell, evidence).complaints
        }
        #expect(complaints(.onePercent, resetAt: 4, 1) == [])
        #expect(complaints(.onePercent, resetAt: 4, 2) == ["MPRstRx is 2"])
        #expect(complaints(.onePercent, resetAt: 1, 1) == ["MPRstRx is 1"])
        #expect(complaints(.onePercent, resetAt: nil, 1) == ["MPRstRx is 1"])
        #expect(complaints(.none, resetAt: 4, 1) == ["MPRstRx is 1"])
    }

    /// Copies that nobody needs any more may wait on the kernel's subflow when it closes.
    @Test func copiesUnderLossExcuseOneReset() {
        func complaints(_ loss: InteropCell.Loss, reinjects: Bool, _ resets: Int64) -> [String] {
            var cell = Self.cell
            cell.loss = loss
            let evidence = evidence {
                if reinjects { $0.clientEvents.append(event("reinjection", at: 1)) }
                $0.counters.append(.init("MPRstTx", .integer(resets)))
            }
            return InteropJudgement(cell, evidence).complaints
        }
        #expect(complaints(.onePercent, reinjects: true, 1) == [])
        #expect(complaints(.onePercent, reinjects: true, 2) != [])
        #expect(complaints(.onePercent, reinjects: false, 1) != [])
        #expect(complaints(.none, reinjects: true, 1) != [])
    }

    /// REMOVE_ADDR comes, unless the queue of a path dropped something.
    @Test func removalsAreHeardUnlessAQueueDroppedThem() {
        func complaints(isHeard: Bool, drops: Int64, joins: Int64) -> [String] {
            var cell = Self.cell
            cell.signal = .kernelRemoves
            let evidence = evidence {
                if isHeard { $0.clientEvents.append(event("address_removed_by_peer", at: 1)) }
                $0.counters = [
                    .init("MPCapableSYNRX", 1), .init("MPCapableACKRX", 1),
                    .init("MPJoinAckRx", .integer(joins)), .init("RmAddrTx", 1),
                    .init(InteropJudgement.queueDrops, .integer(drops)),
                ]
            }
            return InteropJudgement(cell, evidence).complaints
        }
        #expect(complaints(isHeard: true, drops: 0, joins: 1) == [])
        #expect(complaints(isHeard: false, drops: 0, joins: 1) == ["we did not hear REMOVE_ADDR"])
        #expect(complaints(isHeard: false, drops: 5, joins: 2) == [])
        #expect(complaints(isHeard: true, drops: 5, joins: 2) != [])
    }

    /// What the host itself lost may be sent again; nothing else is excused by it.
    @Test func whatTheHostDroppedIsRepeated() {
        func complaints(_ counters: [(String, Int64)]) -> [String] {
            let evidence = evidence { evidence in
                evidence.counters += counters.map { .init($0.0, .integer($0.1)) }
            }
            return InteropJudgement(Self.cell, evidence).complaints
        }
        #expect(complaints([("DuplicateData", 3), ("SoftnetDropped", 1)]) == [])
        #expect(complaints([("MPRstRx", 1), ("SoftnetDropped", 1)]) == ["MPRstRx is 1"])
    }

    /// A selection is made among the cells that are asked for.
    @Test func filteredMatricesAreSelectedFrom() {
        let some = Self.all.filter { $0.signal == .weRemove && $0.family == .v6 }
        let selection = some.selection(count: 10, seed: 1).cells
        #expect(selection.allSatisfy { $0.signal == .weRemove && $0.family == .v6 })
        #expect(selection.count < some.cells.count)
    }
}
