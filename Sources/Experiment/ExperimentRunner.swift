internal import LinuxSystem
internal import NetworkPrimitives
internal import PacketCapture
package import Scenario
package import Topology

/// Why an experiment could not be run at all. A run that fails is a result, not an error.
package enum ExperimentError: Error, Hashable, Sendable {
    /// Options or files that cannot be: exit code 2.
    case usage(String)
    /// This machine, or this user, cannot do it: exit code 3.
    case environment(String)
    /// Somebody interrupted it before a run was complete.
    case interrupted
}

extension ExperimentError {
    /// Why an experiment without a single run has no result.
    init(_ end: ExperimentResult.EarlyEnd) {
        self =
            switch end {
            case .interrupted: .interrupted
            case .environment(let text): .environment(text)
            }
    }
}

extension ExperimentError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .usage(let text), .environment(let text): text
        case .interrupted: "interrupted"
        }
    }
}

/// Runs a scenario so many times in one of the two worlds and keeps what came of it.
package final class ExperimentRunner {
    /// Where the results go.
    package enum Output: Hashable, Sendable {
        /// `results/<time>-<testbed>-<mode>`, and `results/latest` leads there.
        case named
        case directory(String)
    }

    /// How far the work is.
    package enum Progress {
        case stage(String)
        case run(RunResult)
    }

    /// What is written beside the captures.
    package struct Documents {
        package var results: String
        package var report: String

        package init(results: String, report: String) {
            self.results = results
            self.report = report
        }
    }

    private let scenario: HandoverScenario
    private let topology: Topology
    private let version: String
    private let output: Output
    private let program: String?
    private let progress: (Progress) -> Void

    /// A runner for a checked scenario.
    ///
    /// - Parameters:
    ///   - program: The executable that has the `relay`, `serve` and `connect` subcommands; `nil` is
    ///     this one.
    ///   - progress: Is told how far it is.
    package init(
        scenario: HandoverScenario, topology: Topology, version: String, output: Output,
        program: String? = nil, progress: @escaping (Progress) -> Void
    ) {
        self.scenario = scenario
        self.topology = topology
        self.version = version
        self.output = output
        self.program = program
        self.progress = progress
    }

    /// Runs everything. `rendering` makes the documents of the finished result.
    package func run(
        rendering: (ExperimentResult) -> Documents
    ) throws(ExperimentError) -> ExperimentResult {
        if let problem = scenario.problem(on: topology) { throw .usage("\(problem)") }
        if case .directory(let path) = output {
            try ExperimentBackend.checkSight(of: path, scenario.backend)
        }
        let backend = try ExperimentBackend.resolve(scenario, topology)
        var directory = try OutputDirectory(
            output, name: "\(topology.name)-\(scenario.mode.rawValue)")
        var result: ExperimentResult
        do throws(ExperimentError) {
            result = try carryOut(backend, directory)
            if result.runs.isEmpty, let end = result.earlyEnd { throw ExperimentError(end) }
        } catch {
            directory.discard()
            throw error
        }
        keep(&result, in: &directory, rendering)
        return result
    }

    /// Writes the documents; whatever goes wrong now, the runs stay, and are told to whoever asked.
    private func keep(
        _ result: inout ExperimentResult, in directory: inout OutputDirectory,
        _ rendering: (ExperimentResult) -> Documents
    ) {
        do throws(ExperimentError) {
            repeat {
                result.outputDirectory = directory.name
                if directory.isElsewhere {
                    result.earlyEnd =
                        result.earlyEnd
                        ?? .environment("somebody else made the directory of --output meanwhile")
                }
                let documents = rendering(result)
                try directory.files.write(documents.results, to: "results.json")
                try directory.files.write(documents.report, to: "report.txt")
            } while try !directory.commit()
        } catch {
            result.outputDirectory = directory.keepUnfinished()
            result.earlyEnd = result.earlyEnd ?? .environment("\(error)")
            return
        }
        do {
            try directory.setLatest()
        } catch {
            progress(.stage("\(error)"))
        }
    }

    private func carryOut(
        _ backend: ExperimentBackend, _ directory: borrowing OutputDirectory
    ) throws(ExperimentError) -> ExperimentResult {
        let interruption = try Interruption()
        let keeper = RunKeeper(
            scenario: scenario, topology: topology, files: directory.files, version: version,
            backend: backend)
        var runs: [RunResult] = []
        var linkEmulation = LinkEmulation.model
        func take(_ index: Int, _ seed: UInt64, _ record: RunRecord) throws(ExperimentError) {
            let result = try keeper.keep(record, index: index, seed: seed)
            runs.append(result)
            progress(.run(result))
        }
        var earlyEnd: ExperimentResult.EarlyEnd?
        var environment = RunEnvironment.here(version: version)
        do throws(ExperimentError) {
            switch backend {
            case .simulation:
                let world = SimulatedWorld(scenario: scenario, topology: topology)
                for index in 1...scenario.runs {
                    try interruption.check()
                    let seed = scenario.runSeed(index)
                    try take(index, seed, world.run(seed: seed))
                }
            case .namespaces(let emulation):
                linkEmulation = emulation
                progress(.stage("building the testbed '\(topology.name)'"))
                let world = try NamespaceWorld(
                    topology: topology, emulation: emulation, interruption: interruption,
                    program: program)
                defer { world.tearDown() }
                try world.check(scenario)
                environment.details += world.details
                for index in 1...scenario.runs {
                    progress(.stage("run \(index)/\(scenario.runs)"))
                    let seed = scenario.runSeed(index)
                    let record = try world.run(
                        scenario, index: index, seed: seed, files: directory.files)
                    try take(index, seed, record)
                }
            }
        } catch {
            keeper.discard(index: runs.count + 1)
            switch error {
            case .usage: throw error
            case .environment(let text): earlyEnd = .environment(text)
            case .interrupted: earlyEnd = .interrupted
            }
        }
        var result = ExperimentResult(
            scenario: scenario, backend: backend.name, linkEmulation: linkEmulation,
            environment: environment, runs: runs)
        result.earlyEnd = earlyEnd
        return result
    }
}

extension RunEnvironment {
    /// This machine, with this version of the program.
    static func here(version: String) -> RunEnvironment {
        RunEnvironment(
            kernel: Machine.kernelRelease, version: version,
            details: [.init("cpus", String(Machine.processorCount))])
    }
}

/// What the machine allows, of what the scenario asks for.
enum ExperimentBackend: Hashable {
    case namespaces(LinkEmulation)
    case simulation

    var name: Backend {
        switch self {
        case .namespaces: .namespaces
        case .simulation: .simulation
        }
    }

    /// Throws when results cannot go to a place because networks, if any are built, are built where it
    /// is not seen.
    static func checkSight(
        of path: String, _ backend: Backend = .namespaces
    ) throws(ExperimentError) {
        guard backend != .simulation, Privileges.hide(path) else { return }
        throw .usage(
            "--output \(path): without privileges networks are built where /run is another one; "
                + "name a directory that is not below /run")
    }

    /// The backend in use; enters a user namespace where that is what makes it possible.
    static func resolve(
        _ scenario: HandoverScenario, _ topology: Topology
    ) throws(ExperimentError) -> ExperimentBackend {
        if scenario.backend == .simulation { return .simulation }
        do {
            try Privileges.acquire()
        } catch {
            let hasKernel = scenario.client == .kernel || scenario.server == .kernel
            guard scenario.backend == .auto, !hasKernel else {
                throw .environment(
                    "cannot build networks here: \(error); run as root, or allow user namespaces "
                        + "(sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces), or "
                        + "use --backend simulation")
            }
            return .simulation
        }
        return .namespaces(
            try NamespaceWorld.resolveEmulation(scenario.linkEmulation, for: topology))
    }
}

/// Ctrl-C and its like, as something that a loop can look at.
final class Interruption: Sendable {
    private let signals: SignalDescriptor

    init() throws(ExperimentError) {
        do {
            signals = try SignalDescriptor([2, 15, 1])
        } catch {
            throw .environment("\(error)")
        }
    }

    /// For an event loop.
    var descriptor: Int32 { signals.rawValue }

    /// Throws if somebody wants this to end.
    func check() throws(ExperimentError) {
        if (try? signals.next()) ?? nil != nil { throw .interrupted }
    }
}
