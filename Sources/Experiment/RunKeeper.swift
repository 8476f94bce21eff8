internal import LinkModel
internal import LinuxSystem
internal import NetworkPrimitives
internal import PacketCapture
internal import Scenario
internal import Topology
internal import TraceAnalysis
internal import WireFormat

/// Judges runs and keeps their files: captures, events.
struct RunKeeper {
    let scenario: HandoverScenario
    let topology: Topology
    let files: ResultFiles
    let version: String
    let backend: ExperimentBackend
    /// Whether the log of events stays where neither captures nor a failure ask for it.
    var keepsEveryLog = true

    /// `runs/001`
    static func directory(_ index: Int) -> String { "runs/" + number(index) }

    /// At least three digits, so that names stand in their order.
    static func number(_ index: Int) -> String {
        let number = String(index)
        return String(repeating: "0", count: max(0, 3 - number.count)) + number
    }

    /// Leaves nothing of a run that did not end.
    func discard(index: Int) { files.remove(Self.directory(index)) }

    /// Takes in a run: analysis, comparison with the endpoints' own account, files. The captures of
    /// a simulation are in memory: they are written if they are wanted, those of real networks
    /// removed if they are not.
    func keep(
        _ record: RunRecord, index: Int, seed: UInt64
    ) throws(ExperimentError) -> RunResult {
        var result = judge(record, index: index, seed: seed)
        let path = Self.directory(index)
        let keepsCaptures =
            switch scenario.captures {
            case .all: true
            case .failed: result.outcome == .failed
            case .none: false
            }
        guard keepsCaptures || keepsEveryLog || result.outcome == .failed else {
            files.remove(path)
            return result
        }
        try files.write(record.events.map { $0.line + "\n" }.joined(), to: "\(path)/events.jsonl")
        if keepsCaptures {
            result.captures =
                record.captureFiles.isEmpty
                ? try writeCaptures(of: record, to: path) : record.captureFiles
            if !result.captures.isEmpty { try merge(record, into: &result) }
        } else {
            for file in record.captureFiles { files.remove(file) }
        }
        return result
    }

    /// Writes the captures of a simulated run; returns their paths.
    private func writeCaptures(
        of record: RunRecord, to path: String
    ) throws(ExperimentError) -> [String] {
        try record.writeCaptures(
            points: CapturePoint.names(
                clientInterfaces: topology.paths.map(\.interface),
                serverInterface: topology.server.interface),
            servers: topology.server.subnets.map(\.address), snapLength: scenario.snapLength,
            to: files.prepare, directory: path)
    }

    /// What the run yielded, and whether it did what it should.
    private func judge(_ record: RunRecord, index: Int, seed: UInt64) -> RunResult {
        var result = RunResult(index: index, seed: seed)
        result.harness = record.harness
        if let failure = record.failure { result.fail(failure) }
        let isUpload = scenario.direction == .upload
        result.judge(
            sender: isUpload ? record.clientSummary : record.serverSummary,
            receiver: isUpload ? record.serverSummary : record.clientSummary)
        measure(record, into: &result)
        return result
    }

    /// Every number comes from the captures; what the endpoints say is compared with them, and a
    /// disagreement fails the run.
    private func measure(_ record: RunRecord, into result: inout RunResult) {
        guard let start = record.start else {
            let reason = record.failure ?? "the workload never began"
            result.setRadiosUnknown(topology.paths.map(\.name), because: reason)
            for metric in Metric.allCases { result.setUnknown(metric, because: reason) }
            for milestone in Milestone.allCases {
                result.timeline.setUnknown(milestone, because: reason)
            }
            return
        }
        var analyzer = TraceAnalyzer(points: capturePoints)
        for packet in record.packets { analyzer.add(packet) }
        let report = analyzer.finish()
        func captureTime(_ instant: Instant) -> Int64 {
            instant.nanoseconds + record.captureClockOffset
        }
        let moments = RunMoments(
            start: captureTime(start), end: captureTime(start + scenario.duration),
            breakTime: record.breakTime.map(captureTime),
            makeTime: record.makeTime.map(captureTime),
            firstRecord: record.firstRecord(scenario).map(captureTime),
            interfaceChanges: record.linkChanges.compactMap { measured in
                guard measured.change.kind == .up || measured.change.kind == .down else {
                    return nil
                }
                return .init(
                    time: captureTime(measured.time), path: measured.path,
                    isUp: measured.change.kind == .up)
            })
        let measurement = result.measure(report, scenario, paths: measuredPaths, moments: moments)
        result.measureRadios(record.packets, radios(moments))
        guard let measurement else {
            result.fail("the captures do not show the connection")
            return
        }
        let disagreements = CrossCheck.disagreements(
            report, measurement, events: record.events, scenario: scenario,
            clockOffset: record.captureClockOffset)
        if let first = disagreements.first {
            let more = disagreements.count > 1 ? " (and \(disagreements.count - 1) more)" : ""
            result.fail("captures and endpoints disagree: \(first)\(more)")
        }
    }

    /// A radio is on while its interface is up.
    private func radios(_ moments: RunMoments) -> [MeasuredRadio] {
        topology.paths.enumerated().map { index, path in
            MeasuredRadio(
                path: path.name, interface: path.interface, point: index,
                up: moments.upIntervals(path: index, of: measuredPaths, scenario))
        }
    }

    var capturePoints: [TracePoint] {
        let names = CapturePoint.names(
            clientInterfaces: topology.paths.map(\.interface),
            serverInterface: topology.server.interface)
        return names.enumerated().map { index, name in
            TracePoint(name, place: index < topology.paths.count ? .atClient : .atServer)
        }
    }

    var measuredPaths: MeasuredPaths {
        MeasuredPaths(
            all: topology.paths.map { .init($0.name, clientAddresses: [$0.clientAddress]) },
            old: 0, new: 1, newPath: ways(of: 1), oldPath: ways(of: 0))
    }

    private func ways(of path: Int) -> PathProfile {
        let path = topology.paths[path]
        let isV6 = path.clientAddress.isV6
        return PathProfile(
            promotion: path.promotion?.delay ?? .zero,
            up: .init(delay: path.up.oneWayDelay, rate: path.up.rate, isV6: isV6),
            down: .init(delay: path.down.oneWayDelay, rate: path.down.rate, isV6: isV6))
    }
}
