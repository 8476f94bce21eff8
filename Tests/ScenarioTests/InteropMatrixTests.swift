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
}
