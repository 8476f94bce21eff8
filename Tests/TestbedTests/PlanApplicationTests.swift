import LinuxSystem
import Testbed
import Testing
import Topology

/// Writes down what it is asked to do, and fails at one step.
private final class RecordingExecutor: PlanExecutor {
    struct Refusal: Error {}
    enum Action: Hashable {
        case perform(PlanStep)
        case undo(UndoStep)
    }

    var failAt: Int?
    private(set) var actions: [Action] = []

    func perform(_ step: PlanStep) throws {
        if actions.count == failAt { throw Refusal() }
        actions.append(.perform(step))
    }

    func undo(_ step: UndoStep) throws { actions.append(.undo(step)) }
}

@Suite("Applying plans")
struct PlanApplicationTests {
    @Test("a failure at step k undoes k-1 ... 1, for every k")
    func failureAtEveryStep() throws {
        let plan = TestbedPlan(try TestPrograms.topology("wifi-lte"), emulation: .relay)
        for failing in plan.steps.indices {
            let executor = RecordingExecutor()
            executor.failAt = failing
            var application = PlanApplication(executor) { $0.rawValue }
            let error = #expect(throws: TestbedError.self) { try application.apply(plan) }
            #expect(
                error?.operation == plan.steps[failing].commands { $0.rawValue }.first)
            let done = plan.steps[..<failing]
            let expected =
                done.map { RecordingExecutor.Action.perform($0) }
                + done.compactMap(\.undo).reversed().map { .undo($0) }
            #expect(executor.actions == expected, "step \(failing)")
            // Nothing is undone twice.
            application.undo()
            #expect(executor.actions == expected)
        }
    }

    @Test("all undone in reverse")
    func undo() throws {
        let plan = TestbedPlan(try TestPrograms.topology("multimob"), emulation: .netem)
        let executor = RecordingExecutor()
        var application = PlanApplication(executor) { $0.rawValue }
        try application.apply(plan)
        application.undo()
        let undone = executor.actions.dropFirst(plan.steps.count)
        #expect(Array(undone) == plan.steps.compactMap(\.undo).reversed().map { .undo($0) })
    }
}

@Suite("Names")
struct TestbedNameTests {
    @Test("of namespaces carry owner, suffix and host")
    func namespaces() throws {
        let owner = try #require(ProcessIdentity("4711.123456"))
        let name = TestbedName(owner: owner, suffix: "wifi-lte")
        #expect(name.namespace(.client) == "mptcpctl-4711.123456-wifi-lte-client")
        let parsed = try #require(TestbedName.parse(namespace: name.namespace(.links)))
        #expect(parsed.name == name && parsed.host == .links)
    }

    @Test(
        "that are not ours",
        arguments: [
            "client", "mptcpctl", "mptcpctl-", "mptcpctl-x-y-client", "mptcpctl-1.2-client",
            "mptcpctl-1.2--client", "mptcpctl-1.2-a-gateway", "xmptcpctl-1.2-a-client",
            "mptcpctl-1-a-client",
        ])
    func foreign(text: String) {
        #expect(TestbedName.parse(namespace: text) == nil)
    }

    @Test("owners of other things")
    func owners() {
        #expect(TestbedName.owner(of: "mptcpctl-1.2-stack") == ProcessIdentity("1.2"))
        #expect(TestbedName.owner(of: "mptcpctl-abcdef") == nil)
        #expect(TestbedName.owner(of: "filter") == nil)
    }
}
