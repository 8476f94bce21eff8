package import LinuxSystem
internal import NetworkPrimitives
package import Topology

/// A testbed that stands: four namespaces, their links, and what may happen to those. Use from one
/// thread at a time.
package final class TestbedController {
    package let topology: Topology
    package let plan: TestbedPlan
    package let name: TestbedName
    let executor: KernelPlanExecutor
    private var application: PlanApplication
    /// What the transmit queues of the links' ends were last told.
    var queueLength = 1_000
    private let held: [TestbedHost: NetworkNamespace]

    /// Where packets are captured.
    package struct CapturePoint: Sendable {
        /// The file's name without its ending: `client-wifi0`.
        package var name: String
        package var namespace: NetworkNamespace
        package var interface: String
    }

    /// Builds a testbed and checks it. When a step fails, those before it are undone.
    ///
    /// - Parameters:
    ///   - suffix: Tells testbeds of one process apart.
    ///   - seed: Where random loss and jitter of the relay come from.
    ///   - program: The executable that has the `relay` subcommand; `nil` is this one.
    package static func build(
        _ topology: Topology, emulation: EmulationKind, suffix: String = RandomBytes.suffix(),
        seed: UInt64 = RandomBytes.next(), program: String? = nil
    ) throws(TestbedError) -> TestbedController {
        guard let owner = ProcessIdentity.current() else {
            throw TestbedError("read /proc/self/stat", "is /proc mounted?")
        }
        let name = TestbedName(owner: owner, suffix: suffix)
        let executor = KernelPlanExecutor(name: name, seed: seed, program: program)
        let plan = TestbedPlan(topology, emulation: emulation)
        var application = PlanApplication(executor, namespaces: name.namespace)
        try application.apply(plan)
        do throws(TestbedError) {
            let testbed = try TestbedController(plan, name, executor, application)
            let problems = try testbed.verify()
            guard problems.isEmpty else {
                throw TestbedError("check the testbed", problems.joined(separator: "; "))
            }
            return testbed
        } catch {
            application.undo()
            throw error
        }
    }

    /// A testbed that another process built and keeps: it can be looked at, its links cannot be
    /// changed, and it stands when this object goes.
    static func attach(
        _ name: TestbedName, _ plan: TestbedPlan
    ) throws(TestbedError) -> TestbedController {
        let executor = KernelPlanExecutor(name: name, seed: 0, program: nil)
        try executor.attach()
        return try TestbedController(
            plan, name, executor, PlanApplication(executor, namespaces: name.namespace))
    }

    private init(
        _ plan: TestbedPlan, _ name: TestbedName, _ executor: KernelPlanExecutor,
        _ application: PlanApplication
    ) throws(TestbedError) {
        topology = plan.topology
        self.plan = plan
        self.name = name
        self.executor = executor
        self.application = application
        var held: [TestbedHost: NetworkNamespace] = [:]
        for host in TestbedHost.allCases { held[host] = try executor.namespace(host) }
        self.held = held
    }

    /// Takes everything down. May be called again.
    ///
    /// - Returns: What could not be taken down.
    @discardableResult
    package func tearDown() -> [TestbedError] { application.undo() }

    deinit { application.undo() }

    /// The namespace of a host, for as long as this object lives.
    package func namespace(_ host: TestbedHost) -> NetworkNamespace {
        guard let namespace = held[host] else {
            preconditionFailure("every host has a namespace from the start")
        }
        return namespace
    }

    /// One per path at the links' end that leads to the client, and the router's interface to the
    /// server: all stay up when the client's interfaces go down.
    package var capturePoints: [CapturePoint] {
        let links = plan.links.map { link in
            CapturePoint(
                name: "client-\(link.path.interface)", namespace: namespace(.links),
                interface: link.clientEnd)
        }
        return links + [
            CapturePoint(
                name: "server-\(topology.server.interface)", namespace: namespace(.router),
                interface: topology.server.routerInterface)
        ]
    }

    /// Whether the links' process has real-time priority; `nil` where there is none.
    package var hasRealTimePriority: Bool? { executor.emulator?.hasRealTimePriority }

    /// Counters of the links.
    package func linkStatistics() throws(TestbedError) -> [LinkStatistics] {
        try emulator.statistics()
    }

    var emulator: any LinkEmulator {
        get throws(TestbedError) {
            guard let emulator = executor.emulator else {
                throw TestbedError("emulate links", "the testbed is down")
            }
            return emulator
        }
    }
}
