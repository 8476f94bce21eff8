internal import KernelEndpoint
internal import LinuxSystem
internal import NetworkPrimitives
internal import Scenario
internal import Testbed
internal import Topology

/// What a testbed and the kernel below it have dropped, and how late they were, at one moment.
struct HarnessCounters: Hashable {
    /// Of each path, both ways: frames that the emulation had no room for, or could not send.
    var refused: [Int] = []
    /// The latest frame since the run began.
    var lateness: Duration?
    /// Packets for which the kernel's backlog had no room, on the whole machine.
    var backlogDrops: Int64 = 0
    /// Packets that the testbed's own interfaces dropped on arrival: for that reason, or because the
    /// host had no use for them.
    var arrivalDrops: Int64 = 0

    init() {}

    /// Those of now.
    init(of testbed: TestbedController) throws {
        let statistics = try testbed.linkStatistics()
        refused = statistics.map { ($0.up.refused ?? 0) + ($0.down.refused ?? 0) }
        lateness = statistics.flatMap { [$0.up.maximumLateness, $0.down.maximumLateness] }
            .compactMap { $0 }.max()
        backlogDrops = try PacketBacklog.dropped()
        for host in TestbedHost.allCases {
            arrivalDrops += try NamespaceThread.run(in: testbed.namespace(host)) {
                try PacketBacklog.arrivalDrops()
            }
        }
    }

    /// What came between two moments.
    func harness(since before: HarnessCounters) -> RunHarness {
        var harness = RunHarness()
        harness.lateness =
            lateness.map { .value($0.milliseconds) }
            ?? .unknown("netem does not tell how late it is")
        harness.backlogDrops = .value(Double(backlogDrops - before.backlogDrops))
        return harness
    }

    /// The loss that nobody planned, of which the testbed is sure that it was its own; `nil` for none.
    func loss(since before: HarnessCounters, paths: [String]) -> String? {
        for (path, counts) in zip(paths, zip(refused, before.refused)) where counts.0 > counts.1 {
            return "the link of path '\(path)' refused \(counts.0 - counts.1) frames"
        }
        // The backlog belongs to the machine. What others' packets suffered is no failure.
        let own = min(backlogDrops - before.backlogDrops, arrivalDrops - before.arrivalDrops)
        return own > 0
            ? "the kernel's packet backlog (net.core.netdev_max_backlog) dropped \(own) of the "
                + "testbed's packets" : nil
    }
}
