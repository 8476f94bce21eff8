internal import KernelEndpoint
internal import LinuxSystem
internal import NetworkPrimitives
internal import Scenario
internal import StackRuntime

/// Runs an endpoint on one of the two stacks and says how it went. It makes the descriptors first,
/// because they belong to the process's first thread.
struct EndpointSession {
    let options: EndpointOptions
    let control: EndpointControl
    let printer: EventPrinter

    init(_ options: EndpointOptions) throws(CommandFailure) {
        self.options = options
        control = try EndpointControl(readsInput: options.control)
        do {
            printer = try EventPrinter(
                options.format, start: MonotonicClock.now(), details: options.events,
                showsStatistics: options.stats)
        } catch {
            throw .usage("--events: \(error)")
        }
        ProgramMemory.populate()
    }

    // MARK: Our stack

    /// Runs a driver's workloads to their end; the kernel may speak again afterwards.
    func run(
        _ configuration: StackDriver.Configuration, connections limit: Int? = nil,
        _ start: (StackWorkloadRunner) throws(StackDriverError) -> Void
    ) throws(CommandFailure) {
        let driver: StackDriver
        do {
            driver = try StackDriver(configuration)
        } catch {
            throw Self.failure(error)
        }
        defer { driver.close() }
        let runner = StackWorkloadRunner(driver) { printer.print($0) }
        runner.statisticsInterval = options.statsInterval?.value
        let outcomes: [StackWorkloadOutcome]
        do throws(StackDriverError) {
            try start(runner)
            outcomes = try runner.run(
                control: control.descriptor, commands: control.take, connections: limit,
                timeout: options.timeout?.value)
        } catch {
            throw Self.failure(error)
        }
        try judge(outcomes.map(\.summary))
    }

    private static func failure(_ error: StackDriverError) -> CommandFailure {
        switch error {
        case .portInUse(let port):
            .usage("port \(port) is in use; choose another one with --port")
        case .noInterface, .noAddress, .tooManyConnections: .usage(error.description)
        case .noRoute: .failed(error.description)
        case .notPermitted, .noInterfaces, .noFreePorts, .silencer, .netlink, .device, .system:
            .environment(error.description)
        }
    }

    // MARK: The kernel's stack

    /// Runs workloads on kernel sockets to their end.
    func runKernel(
        as role: WorkloadEndpoint.Role, connections limit: Int? = nil,
        _ start: (KernelWorkloadRunner, KernelSocketOptions) throws(SystemError) -> Void
    ) throws(CommandFailure) {
        guard KernelSetting.isMPTCPAvailable else {
            throw .environment(
                "the kernel has no MPTCP, or net.mptcp.enabled is 0 in this namespace")
        }
        if options.fastOpen, !KernelFastOpen.isAllowed(role) {
            throw .environment(
                "\(KernelFastOpen.settingName) does not allow Fast Open to a \(role.rawValue) here; "
                    + "set it with `sysctl -w \(KernelFastOpen.settingName)=3`")
        }
        var socketOptions = KernelSocketOptions()
        socketOptions.fastOpen = options.fastOpen
        socketOptions.congestionControl = options.congestionControl?.rawValue
        socketOptions.usesMPTCP = !options.plainTCP
        let outcomes: [KernelWorkloadOutcome]
        do throws(SystemError) {
            let runner = try KernelWorkloadRunner { printer.print($0) }
            runner.statisticsInterval = options.statsInterval?.value
            try start(runner, socketOptions)
            outcomes = try runner.run(
                until: control.descriptor, commands: takeKernelCommands, connections: limit,
                timeout: options.timeout?.value)
        } catch {
            throw Self.failure(error, port: options.port)
        }
        try judge(outcomes.map(\.summary))
    }

    /// Tells the kernel's path manager what the commands say, and returns them.
    private func takeKernelCommands() -> [EndpointCommand] {
        let commands = control.take()
        for command in commands {
            do throws(SystemError) {
                switch command {
                case .stop, .abort: continue
                case .giveUpAddress(let address): try KernelPathManager().giveUp(address)
                case .setBackup(let address, let isBackup):
                    let manager = try KernelPathManager()
                    let known = try manager.endpoints().first { $0.address == address }
                    guard let known else {
                        Terminal.error("no MPTCP endpoint of the kernel has \(address)")
                        continue
                    }
                    try manager.setBackup(isBackup, identifier: known.identifier)
                }
            } catch {
                Terminal.error(error.description)
            }
        }
        return commands
    }

    private static func failure(_ error: SystemError, port: UInt16) -> CommandFailure {
        if error.isAddressInUse {
            return .usage("port \(port) is in use; choose another one with --port")
        }
        if error.isUnreachable { return .failed(error.description) }
        return .environment(error.description)
    }

    // MARK: The end

    private func judge(_ summaries: [WorkloadSummary]) throws(CommandFailure) {
        do {
            try printer.finish()
        } catch {
            throw .environment("--events \(options.events ?? ""): \(error)")
        }
        if let failure = summaries.lazy.compactMap(\.failure).first {
            throw .failed(failure.description)
        }
        if let damaged = summaries.lazy.compactMap(\.firstMismatch).first {
            throw .failed("the octet at offset \(damaged) is not the one that was sent")
        }
        if control.wasInterrupted { throw .interrupted }
    }
}
