internal import LinuxSystem
package import Scenario
internal import Synchronization
internal import Topology

/// Runs a matrix of experiments: simulations on all cores, real networks one run after the other,
/// the cells in turn.
package final class ComparisonRunner: Sendable {
    /// Where the results go.
    package enum Output: Hashable, Sendable {
        /// `results/<time>-<testbed>-compare` or `results/<time>-<scenario>`, and `results/latest` leads there.
        case named
        case directory(String)
        /// Where an earlier comparison was interrupted.
        case resumed(String)
    }

    /// How to run, and what to make of it.
    package struct Configuration: Sendable {
        package var version: String
        package var output = Output.named
        /// Simulations at a time.
        package var workers = Machine.processorCount
        package var metrics: [Metric] = [.resume, .outage]
        package var assertions: [Assertion] = []
        package var baseline: (Baseline, RegressionThreshold)?

        package init(version: String) { self.version = version }
    }

    /// How far the work is.
    package enum Progress: Sendable {
        case stage(String)
        /// A run has just ended; `done` of `count` are.
        case run(RunResult, ComparisonCell, done: Int, count: Int)
    }

    /// How it ended.
    package enum Outcome: Sendable {
        case finished(ComparisonResult)
        /// Somebody interrupted it; so many runs are kept in the directory, if any.
        case interrupted(directory: String, done: Int, count: Int)
    }

    /// A file that is written beside the runs.
    package struct Document: Sendable {
        package var name: String
        package var text: String

        package init(_ name: String, _ text: String) {
            self.name = name
            self.text = text
        }
    }

    private struct State {
        /// What is known of the testbeds, once there is one.
        var details: [RunEnvironment.Detail] = []
        /// What each cell yielded, by the number of the run.
        var runs: [[RunResult?]]
        var done = 0
        /// The next of the jobs.
        var next = 0
        var error: ExperimentError?
    }

    private let plan: ComparisonPlan
    private let configuration: Configuration
    private let progress: @Sendable (Progress) -> Void
    private let state: Mutex<State>

    /// A runner for a checked matrix; `progress` is told how far it is, on any thread, one at a time.
    package init(
        _ plan: ComparisonPlan, _ configuration: Configuration,
        progress: @escaping @Sendable (Progress) -> Void
    ) {
        self.plan = plan
        self.configuration = configuration
        self.progress = progress
        state = Mutex(
            State(
                runs: plan.cells.map { _ in
                    [RunResult?](repeating: nil, count: plan.base.runs)
                }))
    }

    /// The seed of a comparison that was begun in a directory; `nil` where no run is finished, or the
    /// journal cannot be read, which `run` says.
    package static func seed(of directory: String) -> UInt64? {
        (try? ComparisonJournal.content(of: directory))?.entries.first?.seed
    }

    /// Runs everything that is not there yet. `rendering` makes the documents of the finished result.
    package func run(
        rendering: (ComparisonResult) -> [Document]
    ) throws(ExperimentError) -> Outcome {
        switch configuration.output {
        case .directory(let path), .resumed(let path):
            for cell in plan.cells {
                try ExperimentBackend.checkSight(of: path, cell.scenario.backend)
            }
        case .named: break
        }
        let places = try ComparisonPlaces(plan)
        let fingerprint = plan.fingerprint(
            version: configuration.version,
            places: places.backends.map(Self.place))
        let directory = try ComparisonDirectory(
            configuration.output,
            name: plan.story?.name ?? "\(plan.cells[0].topology.name)-compare")
        do throws(ExperimentError) {
            let interruption = try Interruption()
            let journal = try openJournal(in: directory, fingerprint)
            let work = Work(
                plan: plan, fingerprint: fingerprint, files: directory.files, journal: journal,
                interruption: interruption, version: configuration.version,
                backends: places.backends)
            do throws(ExperimentError) {
                try simulate(work, places)
                try playInNamespaces(work, places)
            } catch {
                guard error == .interrupted else { throw error }
                return interrupted(directory)
            }
            var result = finish(places, fingerprint)
            result.outputDirectory = directory.name
            for document in rendering(result) {
                try directory.files.write(document.text, to: document.name)
            }
            do throws(SystemError) {
                try directory.commit()
            } catch {
                progress(.stage("\(error)"))
            }
            return .finished(result)
        } catch {
            // What took hours stays, whatever went wrong.
            directory.leave(isEmpty: state.withLock { $0.done } == 0)
            throw error
        }
    }

    /// What the numbers of a cell depend on besides its scenario: real networks, on the kernel.
    private static func place(_ backend: ExperimentBackend) -> String {
        let name = "\(backend.name.rawValue) \(backend.linkEmulation.rawValue)"
        return backend == .simulation ? name : "\(name) \(Machine.kernelRelease)"
    }

    private var count: Int { plan.cells.count * plan.base.runs }

    private func interrupted(_ directory: ComparisonDirectory) -> Outcome {
        let done = state.withLock { $0.done }
        directory.leave(isEmpty: done == 0)
        return .interrupted(directory: directory.name, done: done, count: count)
    }

    // MARK: What is there already

    private func openJournal(
        in directory: ComparisonDirectory, _ fingerprint: String
    ) throws(ExperimentError) -> ComparisonJournal {
        let journal = try ComparisonJournal(directory.files)
        let content = journal.content
        guard content.entries.allSatisfy({ $0.fingerprint == fingerprint }) else {
            throw .usage(
                "--resume \(directory.name): the runs there are of another configuration; give the "
                    + "same options, with the same version, testbed files and backend")
        }
        state.withLock { state in
            for entry in content.entries {
                guard state.runs.indices.contains(entry.job.cell),
                    state.runs[entry.job.cell].indices.contains(entry.job.run - 1),
                    state.runs[entry.job.cell][entry.job.run - 1] == nil
                else { continue }
                state.runs[entry.job.cell][entry.job.run - 1] = entry.run
                state.done += 1
            }
        }
        try journal.cut()
        return journal
    }

    // MARK: Work

    /// What every run needs.
    private struct Work: Sendable {
        let plan: ComparisonPlan
        let fingerprint: String
        let files: ResultFiles
        let journal: ComparisonJournal
        let interruption: Interruption
        let version: String
        let backends: [ExperimentBackend]

        func keeper(_ cell: Int) -> RunKeeper {
            RunKeeper(
                scenario: plan.cells[cell].scenario, topology: plan.cells[cell].topology,
                files: files.inside(directory(cell)), version: version,
                backend: backends[cell], keepsEveryLog: false)
        }

        /// `cells/001`
        func directory(_ cell: Int) -> String {
            "cells/" + RunKeeper.number(plan.cells[cell].number)
        }
    }

    /// The jobs in a world that are still to do, in their order.
    private func jobs(where isThere: (Int) -> Bool) -> [ComparisonPlan.Job] {
        let runs = state.withLock { $0.runs }
        return plan.jobs.filter { isThere($0.cell) && runs[$0.cell][$0.run - 1] == nil }
    }

    private func simulate(_ work: Work, _ places: ComparisonPlaces) throws(ExperimentError) {
        let jobs = jobs { places.backends[$0] == .simulation }
        if jobs.isEmpty { return }
        do throws(SystemError) {
            try WorkerThreads.run(min(configuration.workers, jobs.count)) { _ in
                while let job = self.takeJob(of: jobs, work.interruption) {
                    self.simulate(job, work)
                }
            }
        } catch {
            throw .environment("\(error)")
        }
        if let error = state.withLock({ $0.error }) { throw error }
    }

    private func takeJob(
        of jobs: [ComparisonPlan.Job], _ interruption: Interruption
    ) -> ComparisonPlan.Job? {
        state.withLock { state in
            do throws(ExperimentError) {
                try interruption.check()
            } catch {
                state.error = state.error ?? error
            }
            guard state.error == nil, state.next < jobs.count else { return nil }
            state.next += 1
            return jobs[state.next - 1]
        }
    }

    private func simulate(_ job: ComparisonPlan.Job, _ work: Work) {
        let cell = plan.cells[job.cell]
        let world = SimulatedWorld(scenario: cell.scenario, topology: cell.topology)
        let seed = cell.scenario.runSeed(job.run)
        do throws(ExperimentError) {
            try keep(world.run(seed: seed), of: job, work)
        } catch {
            state.withLock { $0.error = $0.error ?? error }
        }
    }

    private func playInNamespaces(
        _ work: Work, _ places: ComparisonPlaces
    ) throws(ExperimentError) {
        defer { places.tearDown() }
        for job in jobs(where: { places.backends[$0] != .simulation }) {
            try work.interruption.check()
            let cell = plan.cells[job.cell]
            let world = try places.world(
                of: job.cell, places.backends[job.cell].linkEmulation, work.interruption,
                building: { progress(.stage($0)) })
            if !world.details.isEmpty { state.withLock { $0.details = world.details } }
            let keeper = work.keeper(job.cell)
            keeper.discard(index: job.run)
            do throws(ExperimentError) {
                let record = try world.run(
                    cell.scenario, index: job.run, seed: cell.scenario.runSeed(job.run),
                    files: keeper.files)
                try keep(record, of: job, work)
            } catch {
                keeper.discard(index: job.run)
                throw error
            }
        }
    }

    /// Judges a run, keeps it, and tells of it.
    private func keep(
        _ record: RunRecord, of job: ComparisonPlan.Job, _ work: Work
    ) throws(ExperimentError) {
        let cell = plan.cells[job.cell]
        var run = try work.keeper(job.cell).keep(
            record, index: job.run, seed: cell.scenario.runSeed(job.run))
        run.captures = run.captures.map { "\(work.directory(job.cell))/\($0)" }
        let entry = ComparisonJournal.Entry(
            fingerprint: work.fingerprint, seed: plan.base.seed, job: job, run: run)
        let line = entry.line
        // What counts is what is written: a resumed comparison yields the same to the last bit.
        let kept = RunResult(json: run.json) ?? run
        let failure = state.withLock { state -> ExperimentError? in
            do throws(ExperimentError) {
                try work.journal.append(line)
            } catch {
                return error
            }
            state.runs[job.cell][job.run - 1] = kept
            state.done += 1
            progress(.run(kept, cell, done: state.done, count: count))
            return nil
        }
        if let failure { throw failure }
    }

    // MARK: What came of it

    private func finish(_ places: ComparisonPlaces, _ fingerprint: String) -> ComparisonResult {
        var environment = RunEnvironment.here(version: configuration.version)
        let (runs, details) = state.withLock { ($0.runs, $0.details) }
        environment.details += details
        let experiments = plan.cells.indices.map { index in
            ExperimentResult(
                scenario: plan.cells[index].scenario, backend: places.backends[index].name,
                linkEmulation: places.backends[index].linkEmulation, environment: environment,
                runs: runs[index].compactMap { $0 })
        }
        return ComparisonResult(
            plan, metrics: configuration.metrics, environment: environment,
            fingerprint: fingerprint, experiments: experiments,
            assertions: configuration.assertions, baseline: configuration.baseline)
    }
}
