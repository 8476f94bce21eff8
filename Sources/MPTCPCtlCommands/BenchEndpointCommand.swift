internal import ArgumentParser
internal import Experiment
internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
internal import Scenario

/// One end of a benchmark. Started by `bench`, not by people.
struct BenchEndpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-endpoint", abstract: "One end of a benchmark (started by bench).",
        shouldDisplay: false)

    @Option var role: BenchmarkOrder.Role
    @Option var stack: EndpointKind
    @Option var kind: BenchmarkKind
    @Option(transform: IPAddress.read) var server: IPAddress
    @Option var port: UInt16
    @Option var ports: Int
    @Option(transform: IPAddress.read) var from: IPAddress?
    @Option(transform: DurationArgument.read) var duration: DurationArgument
    @Option var count: Int
    @Option var parallel: Int
    @Option var policy: SwitchPolicy

    func run() throws {
        let control = try EndpointControl(readsInput: true)
        let printer = try EventPrinter(.json, start: MonotonicClock.now())
        ProgramMemory.populate()
        var order = BenchmarkOrder(role, stack, kind, server: server, port: port)
        order.ports = ports
        order.local = from
        order.duration = duration.value
        order.count = count
        order.parallel = parallel
        order.policy = policy
        let endpoint = BenchmarkEndpoint(
            order, control: control.descriptor, commands: control.take,
            emit: { printer.print($0) })
        do {
            try endpoint.run()
        } catch {
            throw CommandFailure.environment("\(error)")
        }
    }
}

extension BenchmarkOrder.Role: ExpressibleByArgument {}
