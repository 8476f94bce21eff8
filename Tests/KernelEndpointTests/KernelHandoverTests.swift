import KernelEndpoint
import LinuxSystem
import NetworkPrimitives
import Scenario
import Testing

@Suite(
    "Handovers of the kernel's MPTCP",
    .enabled("needs root and a kernel with MPTCP") { KernelNamespace.isPossible })
struct KernelHandoverTests {
    /// Records at 0, 20, ... 980 ms; wifi goes down at 300 ms, in break-before-make lte comes up at
    /// 400 ms. Every record arrives although the path on which the connection began is gone.
    @Test(arguments: HandoverMode.allCases, Direction.allCases)
    func connectionMovesToTheNewPath(_ mode: HandoverMode, _ direction: Direction) throws {
        var scenario = HandoverScenario()
        scenario.mode = mode
        scenario.client = .kernel
        scenario.server = .kernel
        scenario.kernelPathManagement = .endpointDelete
        let plan = KernelHandoverPlan(
            scenario, oldAddress: TwoPaths.wifi, newAddress: TwoPaths.lte)
        let paths = try TwoPaths()
        try paths.up(1)
        if mode == .makeBeforeBreak { try paths.up(2) }

        let ready = try WakeDescriptor()
        let server = Background(in: paths.host) {
            try KernelPathManager().prepare()
            let before = try KernelCounters.current()
            let runner = try KernelWorkloadRunner()
            try runner.listen(on: TwoPaths.server)
            ready.wake()
            let outcomes = try runner.run(connections: 1, timeout: .seconds(20))
            return (outcomes, try KernelCounters.current().since(before))
        }
        let poll = try EventPoll()
        try poll.add(ready.rawValue, token: 1)
        _ = try poll.wait(until: MonotonicClock.now() + .seconds(10))
        try paths.client.run {
            try KernelPathManager().prepare()
            try KernelPathManager().perform(plan.beforeStart)
        }
        let network = Background(in: paths.client) {
            try pause(.milliseconds(300))
            try paths.down(1)
            try KernelPathManager().perform(plan.atBreak)
            if mode == .breakBeforeMake {
                try pause(.milliseconds(100))
                try paths.up(2)
                try KernelPathManager().perform(plan.atMake)
            }
        }
        let workload = Workload(.stream, direction, duration: .seconds(1))
        let client = try paths.client.run {
            let runner = try KernelWorkloadRunner()
            try runner.connect(from: TwoPaths.wifi, to: TwoPaths.server, workload: workload)
            return try runner.run(timeout: .seconds(20))
        }
        try network.value()
        let (served, counters) = try server.value()

        let near = try #require(client.first)
        let far = try #require(served.first)
        #expect(near.isMPTCP && far.isMPTCP)
        #expect(near.summary.failure == nil && far.summary.failure == nil)
        let receiver = direction == .upload ? far.summary : near.summary
        let sender = direction == .upload ? near.summary : far.summary
        // A download starts with the record that is next when the preamble arrives.
        #expect((49...50).contains(receiver.recordsReceived))
        var result = RunResult(index: 1, seed: 1)
        result.judge(sender: sender, receiver: receiver)
        #expect(result.reason == nil)
        #expect(counters[.joinAckReceived] == 1)
        #expect(counters[.fallbackFailed] == 0 && counters[.mappingMismatch] == 0)
        if mode == .makeBeforeBreak { #expect(counters[.addressRemovedReceived] == 1) }
    }

    @Test func planOfAScenarioThatTellsTheKernelNothing() {
        var scenario = HandoverScenario()
        scenario.client = .kernel
        func plan() -> KernelHandoverPlan {
            KernelHandoverPlan(scenario, oldAddress: TwoPaths.wifi, newAddress: TwoPaths.lte)
        }
        let regular = KernelHandoverPlan.Step.add(KernelPathEndpoint(TwoPaths.lte, [.subflow]))
        let backup = KernelHandoverPlan.Step.add(
            KernelPathEndpoint(TwoPaths.lte, [.subflow, .backup]))
        #expect(plan().beforeStart == [] && plan().atBreak == [] && plan().atMake == [regular])
        scenario.mode = .makeBeforeBreak
        #expect(plan().beforeStart == [backup] && plan().atBreak == [] && plan().atMake == [])
        scenario.requestedPolicy = .full
        #expect(plan().beforeStart == [regular])
        // The break is the path manager's doing.
        scenario.breakKind = .addressRemoved
        #expect(plan().atBreak == [.giveUp(TwoPaths.wifi)])
        scenario.requestedPolicy = .singlePath
        #expect(plan().beforeStart == [] && plan().atBreak == [regular, .giveUp(TwoPaths.wifi)])
        scenario.isNull = true
        #expect(plan().atBreak == [])
        scenario.client = .swift
        #expect(plan().beforeStart == [] && plan().atMake == [])
    }

    /// From IPv6 to IPv4 there is no other way than to an address that the server announces.
    @Test func planAcrossFamilies() {
        var scenario = HandoverScenario()
        scenario.client = .kernel
        scenario.mode = .makeBeforeBreak
        let plan = KernelHandoverPlan(
            scenario, oldAddress: .v6(0x2001_0db8 << 32, 2), newAddress: TwoPaths.lte)
        #expect(
            plan.beforeStart == [
                .add(KernelPathEndpoint(TwoPaths.lte, [.subflow, .backup, .laminar]))
            ])
    }
}
