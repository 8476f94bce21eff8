internal import KernelEndpoint
internal import LinuxSystem
internal import NetworkPrimitives
internal import PacketCapture
internal import Scenario
internal import Testbed
internal import Topology
internal import TraceAnalysis

/// Runs in real network namespaces, in real time. The testbed stands for all runs of an experiment,
/// or of several on the same topology; endpoints, captures and ports are new for each.
final class NamespaceWorld {
    private let topology: Topology
    private let testbed: TestbedController
    private let interruption: Interruption
    private let program: String?
    /// How many runs it has seen.
    private var runs = 0

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
        topology: Topology, emulation: LinkEmulation, interruption: Interruption,
        program: String? = nil
    ) throws(ExperimentError) {
        self.topology = topology
        self.interruption = interruption
        self.program = program
        do {
            testbed = try TestbedController.build(
                topology, emulation: emulation == .netem ? .netem : .relay, program: program)
        } catch {
            throw .environment("cannot build the testbed: \(error)")
        }
    }

    /// What a reader must know of it to judge the numbers.
    var details: [RunEnvironment.Detail] {
        testbed.hasRealTimePriority.map {
            [.init("relay_priority", $0 ? "real-time" : "ordinary")]
        } ?? []
    }

    /// Takes the testbed down.
    func tearDown() { testbed.tearDown() }

    /// Throws if it lacks what an endpoint of the scenario needs.
    func check(_ scenario: HandoverScenario) throws(ExperimentError) {
        for (kind, host) in [(scenario.client, TestbedHost.client), (scenario.server, .server)]
        where kind == .kernel {
            let isAvailable: Bool
            do {
                isAvailable = try NamespaceThread.run(in: testbed.namespace(host)) {
                    KernelSetting.isMPTCPAvailable
                }
            } catch {
                throw .environment("cannot enter the testbed: \(error)")
            }
            guard isAvailable else {
                throw .environment(
                    "the kernel has no MPTCP (net.mptcp.enabled); use --\(host.rawValue) swift")
            }
        }
    }

    /// Runs once.
    func run(
        _ scenario: HandoverScenario, index: Int, seed: UInt64, files: ResultFiles
    ) throws(ExperimentError) -> RunRecord {
        let port = EndpointProfile.serverPort + UInt16(runs % 1_000)
        runs += 1
        let run = try NamespaceRun(
            scenario: scenario, topology: topology, testbed: testbed, index: index, port: port,
            seed: seed, interruption: interruption, program: program)
        return try run.play(files)
    }
}
