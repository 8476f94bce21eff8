internal import KernelEndpoint
internal import LinuxSystem
internal import NetworkPrimitives
internal import PacketCapture
internal import Scenario
internal import Testbed
internal import Topology
internal import TraceAnalysis

/// Runs in real network namespaces, in real time. The testbed stands for all runs of an experiment;
/// endpoints, captures and ports are new for each.
final class NamespaceWorld {
    private let scenario: HandoverScenario
    private let topology: Topology
    private let testbed: TestbedController
    private let interruption: Interruption

    /// netem where the kernel has it, else the relay.
    static func resolveEmulation(
        _ wanted: LinkEmulation, for topology: Topology
    ) throws(ExperimentError) -> LinkEmulation {
        switch wanted {
        case .relay, .model: return .relay
        case .auto:
            return !topology.needsRelay && NetemLinkEmulator.isAvailable() ? .netem : .relay
        case .netem:
            if let path = topology.paths.first(where: { $0.promotion != nil }) {
                throw .usage(
                    "--link-emulation netem: path '\(path.name)' has a 'promotion', and netem has no "
                        + "radio that sleeps; use relay or auto")
            }
            guard NetemLinkEmulator.isAvailable() else {
                throw .environment(
                    "--link-emulation netem: this kernel has no sch_netem; use relay or auto")
            }
            return .netem
        }
    }

    /// Builds the testbed.
    init(
        scenario: HandoverScenario, topology: Topology, emulation: LinkEmulation,
        interruption: Interruption
    ) throws(ExperimentError) {
        self.scenario = scenario
        self.topology = topology
        self.interruption = interruption
        do {
            testbed = try TestbedController.build(
                topology, emulation: emulation == .netem ? .netem : .relay)
            try prepareKernelEndpoints()
        } catch {
            throw .environment("cannot build the testbed: \(error)")
        }
    }

    /// Takes the testbed down.
    func tearDown() { testbed.tearDown() }

    private func prepareKernelEndpoints() throws {
        for (kind, host) in [(scenario.client, TestbedHost.client), (scenario.server, .server)]
        where kind == .kernel {
            try NamespaceThread.run(in: testbed.namespace(host)) {
                guard KernelSetting.isMPTCPAvailable else {
                    throw ExperimentError.environment(
                        "the kernel has no MPTCP (net.mptcp.enabled); use --\(host.rawValue) swift")
                }
            }
        }
    }

    /// Runs once.
    func run(
        index: Int, seed: UInt64, directory: OutputDirectory
    ) throws(ExperimentError) -> RunRecord {
        let run = try NamespaceRun(
            scenario: scenario, topology: topology, testbed: testbed, index: index, seed: seed,
            interruption: interruption)
        return try run.play(directory)
    }
}
