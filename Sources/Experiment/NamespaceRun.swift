internal import KernelEndpoint
internal import LinuxSystem
internal import NetworkPrimitives
internal import PacketCapture
internal import Scenario
internal import Testbed
internal import Topology
internal import TraceAnalysis

/// One run in namespaces: captures, endpoint processes, and the events of the time line.
final class NamespaceRun {
    private let scenario: HandoverScenario
    private let topology: Topology
    private let testbed: TestbedController
    private let index: Int
    private let port: UInt16
    private let seed: UInt64
    private let program: String?
    private let pair: EndpointPair
    private let kernelPlan: KernelHandoverPlan
    private var captures: [LiveCapture] = []
    private var record = RunRecord()
    /// What has become of each path.
    private var paths: [PathStatus]

    private struct PathStatus {
        var isUp: Bool
        var isPrepared = false
        var isKnownToKernel = false
    }

    /// What the links and the kernel had dropped before this run.
    private var before = HarnessCounters()

    /// How long endpoints may take to be there.
    private static let startLimit = Duration.seconds(10)
    /// How long before an interface comes up its link is mended.
    private static let preparation = Duration.milliseconds(5)

    /// How long the kernel may take to close sockets whose process has ended, and how often to look.
    private static let closingLimit = Duration.milliseconds(500)
    private static let closingPoll = Duration.milliseconds(5)

    /// - Parameters:
    ///   - index: The number that its files have, from 1.
    ///   - port: Of the server. One of its own for each run on a testbed: what an earlier one left in
    ///     the kernel cannot answer.
    init(
        scenario: HandoverScenario, topology: Topology, testbed: TestbedController, index: Int,
        port: UInt16, seed: UInt64, interruption: Interruption, program: String? = nil
    ) throws(ExperimentError) {
        self.scenario = scenario
        self.topology = topology
        self.testbed = testbed
        self.index = index
        self.port = port
        self.seed = seed
        self.program = program
        // A handover is from the first path to the second: what else there is stays out of it, unless
        // a link change brings it in.
        paths = topology.paths.indices.map { index in
            PathStatus(isUp: index == 0 || index == 1 && scenario.mode == .makeBeforeBreak)
        }
        kernelPlan = KernelHandoverPlan(
            scenario, oldAddress: topology.paths[0].clientAddress,
            newAddress: topology.paths[1].clientAddress)
        do {
            pair = try EndpointPair(interruption)
        } catch {
            throw .environment("\(error)")
        }
    }

    /// Plays the run and reads its captures. A run that cannot go on fails; the experiment goes on.
    func play(_ files: ResultFiles) throws(ExperimentError) -> RunRecord {
        record.captureClockOffset = WallClock.offsetFromMonotonic()
        let captureFiles: [String]
        do {
            try prepareNetwork()
            captureFiles = try startCaptures(files)
        } catch let error as ExperimentError {
            throw error
        } catch {
            throw .environment("run \(index): \(error)")
        }
        defer { pair.terminate() }
        do {
            try startEndpoints()
            try playEvents()
            try awaitEnd()
        } catch let error as ExperimentError {
            throw error
        } catch {
            record.failure = "\(error)"
        }
        try checkHarness()
        if record.failure != nil { collectDebug(files) }
        pair.terminate()
        try finishCaptures(captureFiles, files)
        let change = WallClock.offsetFromMonotonic() - record.captureClockOffset
        if let story = Self.clockStory(change) { record.failure = record.failure ?? story }
        collectEvents()
        return record
    }

    // MARK: Network and captures

    private func prepareNetwork() throws {
        try testbed.restore(seed: seed)
        for (index, path) in paths.enumerated() where !path.isUp { try testbed.prepareDown(index) }
        try testbed.prepareKernelEnds(client: scenario.client, server: scenario.server)
        try tellKernel(kernelPlan.beforeStart)
        paths[1].isKnownToKernel = !kernelPlan.beforeStart.isEmpty
        before = try HarnessCounters(of: testbed)
    }

    /// What the harness did to the run: noted, and a failure where it lost what nobody wanted lost.
    private func checkHarness() throws(ExperimentError) {
        let now: HarnessCounters
        do {
            now = try HarnessCounters(of: testbed)
        } catch {
            throw .environment("run \(index): \(error)")
        }
        record.harness = now.harness(since: before)
        if let loss = now.loss(since: before, paths: topology.paths.map(\.name)) {
            record.failure = record.failure ?? loss
        }
    }

    /// Why captures and events are not on one time line when the wall clock has moved against the
    /// monotonic one by so many nanoseconds; `nil` when they are.
    ///
    /// NTP slews both clocks alike: only a step moves them apart. A reading is exact to some
    /// microseconds, and a tenth of a millisecond is less than any number of a run is good for.
    static func clockStory(_ change: Int64) -> String? {
        guard change.magnitude > 100_000 else { return nil }
        let milliseconds = Duration.nanoseconds(change).milliseconds
        return "the clock was set during the run, by \(milliseconds) ms: captures and events are "
            + "not on one time line"
    }

    private func startCaptures(_ files: ResultFiles) throws -> [String] {
        var names: [String] = []
        for point in testbed.capturePoints {
            let relative = "\(RunKeeper.directory(index))/\(point.name).pcap"
            captures.append(
                try LiveCapture(
                    point.interface, in: point.namespace, to: files.prepare(relative),
                    .init(
                        snapshotLength: scenario.snapLength == 0
                            ? CaptureWriter.wholePackets : scenario.snapLength)))
            names.append(relative)
        }
        return names
    }

    private func finishCaptures(
        _ names: [String], _ files: ResultFiles
    ) throws(ExperimentError) {
        do {
            for capture in captures {
                let statistics = try capture.stop()
                if statistics.dropped > 0, record.failure == nil {
                    record.failure =
                        "the capture on \(capture.interface) lost \(statistics.dropped) packets"
                }
            }
            record.captureFiles = names
            for (point, name) in names.enumerated() {
                try record.read(files.prepare(name), point: point)
            }
        } catch let error as ExperimentError {
            throw error
        } catch {
            throw .environment("run \(index): \(error)")
        }
    }

    // MARK: Endpoints

    private func startEndpoints() throws {
        let arguments = EndpointArguments(scenario, topology, port: port)
        try pair.connect(
            server: .init(
                arguments: arguments.server(seed: seed &+ 1), namespace: testbed.namespace(.server),
                program: program),
            client: .init(
                arguments: arguments.client(seed: seed), namespace: testbed.namespace(.client),
                program: program),
            within: Self.startLimit)
    }

    // MARK: The time line

    /// What is to be done when. Of two at one time the one that was planned first comes first.
    private struct Appointment {
        enum Deed {
            case breakOldPath
            /// The path's link and neighbours get ready; its interface is still down.
            case prepare(path: Int)
            case make
            case change(LinkStep)
        }

        var time: Instant
        var deed: Deed
    }

    private func playEvents() throws {
        guard let started = pair.client?.event(WorkloadEndpoint.startedEventName) else { return }
        record.start = started.time
        var agenda = linkAppointments(start: started.time)
        for event in scenario.events {
            guard case .afterStart = event.time, event.action == .breakOldPath else { continue }
            let instant = scenario.breakTime(
                start: started.time, phase: RecordPhase(event: started),
                delay: scenario.oldPathDelay(on: topology))
            Self.add(Appointment(time: instant, deed: .breakOldPath), to: &agenda)
        }
        while !agenda.isEmpty {
            let next = agenda.removeFirst()
            try pair.wait(until: next.time)
            switch next.deed {
            case .breakOldPath:
                let broken = try breakOldPath()
                for event in scenario.events {
                    guard case .afterBreak(let delay) = event.time, event.action == .newPathUp
                    else { continue }
                    let time = broken + delay
                    Self.add(
                        Appointment(time: time - Self.preparation, deed: .prepare(path: 1)),
                        to: &agenda)
                    Self.add(Appointment(time: time, deed: .make), to: &agenda)
                }
            case .prepare(let path):
                if !paths[path].isUp { try prepare(path) }
            case .make:
                let time = try raise(1, telling: kernelPlan.atMake)
                record.makeTime = time
                record.note("make", at: time)
            case .change(let step): try perform(step)
            }
        }
    }

    private static func add(_ appointment: Appointment, to agenda: inout [Appointment]) {
        let place = agenda.firstIndex { $0.time > appointment.time } ?? agenda.endIndex
        agenda.insert(appointment, at: place)
    }

    // MARK: Links

    private func linkAppointments(start: Instant) -> [Appointment] {
        var agenda: [Appointment] = []
        for step in LinkTimetable(scenario, topology).steps {
            let time = start + step.at
            if step.action == .setInterface(isUp: true) {
                Self.add(
                    Appointment(time: time - Self.preparation, deed: .prepare(path: step.path)),
                    to: &agenda)
            }
            Self.add(Appointment(time: time, deed: .change(step)), to: &agenda)
        }
        return agenda
    }

    private func perform(_ step: LinkStep) throws {
        let time: Instant
        switch step.action {
        case .setInterface(isUp: true):
            if paths[step.path].isUp { try testbed.mend(step.path) }
            time = try raise(step.path, telling: kernelJoin(step.path))
        case .setInterface(isUp: false): time = try lower(step.path)
        case .setLink(isUp: true):
            time = MonotonicClock.now()
            // A link without its interface works again when that comes up.
            if paths[step.path].isUp { try testbed.mend(step.path) }
        case .setLink(isUp: false): time = try testbed.cut(step.path)
        case .setProfile(let up, let down):
            time = try testbed.change(step.path, up: up, down: down)
        }
        record.note(step, of: scenario, at: time)
    }

    private func prepare(_ path: Int) throws {
        try testbed.prepareUp(path)
        paths[path].isPrepared = true
    }

    /// The interface of a path comes up, if it is not; the kernel's path manager is told of a path
    /// that it has not known.
    private func raise(
        _ path: Int, telling steps: [KernelHandoverPlan.Step]
    ) throws -> Instant {
        if paths[path].isUp { return MonotonicClock.now() }
        if !paths[path].isPrepared { try prepare(path) }
        let time = try testbed.setLinkUp(path)
        paths[path].isUp = true
        if !paths[path].isKnownToKernel { try tellKernel(steps) }
        paths[path].isKnownToKernel = true
        return time
    }

    /// The connection begins on the first path, which needs no word.
    private func kernelJoin(_ path: Int) -> [KernelHandoverPlan.Step] {
        scenario.client == .kernel && path > 0
            ? [kernelPlan.join(topology.paths[path].clientAddress)] : []
    }

    private func lower(_ path: Int) throws -> Instant {
        paths[path].isUp = false
        paths[path].isPrepared = false
        return try testbed.setLinkDown(path)
    }

    private func breakOldPath() throws -> Instant {
        let address = topology.paths[0].clientAddress
        let broken: Instant
        switch scenario.breakKind {
        case .linkDown: broken = try lower(0)
        case .silent: broken = try testbed.cut(0)
        case .addressRemoved:
            broken = MonotonicClock.now()
            if scenario.client == .swift { pair.client?.command(.giveUpAddress(address)) }
        }
        try tellKernel(kernelPlan.atBreak)
        if kernelPlan.atBreak.count > 1 { paths[1].isKnownToKernel = true }
        record.breakTime = broken
        record.note("break", at: broken, [.init("kind", .string(scenario.breakKind.rawValue))])
        return broken
    }

    private func tellKernel(_ steps: [KernelHandoverPlan.Step]) throws {
        if steps.isEmpty { return }
        try NamespaceThread.run(in: testbed.namespace(.client)) {
            try KernelPathManager().perform(steps)
        }
    }

    private func awaitEnd() throws {
        guard let start = record.start else { return }
        try pair.awaitSuccess(until: start + scenario.duration + HandoverScenario.patience)
        try awaitKernelSockets()
    }

    /// The kernel goes on closing connections when their process has ended: the captures are to
    /// hold the last FIN and its ACK. A subflow on a dead path retries for minutes; it is not
    /// waited for longer than a live one may take.
    private func awaitKernelSockets() throws {
        let hosts = [TestbedHost.client, .server].filter { host in
            (host == .client ? scenario.client : scenario.server) == .kernel
        }
        _ = try pair.look(
            every: Self.closingPoll, until: MonotonicClock.now() + Self.closingLimit
        ) {
            let unfinished = try hosts.map { host in
                try NamespaceThread.run(in: testbed.namespace(host)) {
                    try KernelSockets.unfinished(port: port)
                }
            }
            return unfinished.allSatisfy { $0 == 0 }
        }
    }

    // MARK: What is left

    private func collectEvents() {
        record.clientSummary = pair.client?.summary
        record.serverSummary = pair.server?.summary
        record.events = (record.events + pair.events).stablySorted(by: \.time)
    }

    private func collectDebug(_ files: ResultFiles) {
        let collection = DebugCollection(
            files: files, path: "\(RunKeeper.directory(index))/debug")
        for (host, process) in [(TestbedHost.client, pair.client), (.server, pair.server)] {
            collection.collect(
                host.rawValue, in: testbed.namespace(host), errorText: process?.errorText ?? "")
        }
        collection.collect("router", in: testbed.namespace(.router), errorText: "")
    }
}
