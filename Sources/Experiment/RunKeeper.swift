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
    let directory: OutputDirectory
    let version: String
    let backend: ExperimentBackend

    /// `runs/001`
    static func directory(_ index: Int) -> String {
        let number = String(index)
        return "runs/" + String(repeating: "0", count: max(0, 3 - number.count)) + number
    }

    /// Leaves nothing of a run that did not end.
    func discard(index: Int) { directory.remove(Self.directory(index)) }

    /// Writes the captures of a simulated run, if any are wanted.
    func writeCaptures(of record: inout RunRecord, index: Int) throws(ExperimentError) {
        if scenario.captures == .none { return }
        try record.writeCaptures(
            points: CapturePoint.names(
                clientInterfaces: topology.paths.map(\.interface),
                serverInterface: topology.server.interface),
            servers: topology.server.subnets.map(\.address), snapLength: scenario.snapLength,
            to: directory.prepare, directory: Self.directory(index))
    }

    /// Takes in a run: analysis, comparison with the endpoints' own account, files.
    func keep(
        _ record: RunRecord, index: Int, seed: UInt64
    ) throws(ExperimentError) -> RunResult {
        var result = RunResult(index: index, seed: seed)
        if let failure = record.failure { result.fail(failure) }
        let isUpload = scenario.direction == .upload
        result.judge(
            sender: isUpload ? record.clientSummary : record.serverSummary,
            receiver: isUpload ? record.serverSummary : record.clientSummary)
        measure(record, into: &result)
        let path = Self.directory(index)
        try directory.write(
            record.events.map { $0.line + "\n" }.joined(), to: "\(path)/events.jsonl")
        let keepsCaptures =
            switch scenario.captures {
            case .all: true
            case .failed: result.outcome == .failed
            case .none: false
            }
        if keepsCaptures {
            result.captures = record.captureFiles
            if !result.captures.isEmpty { try merge(record, into: &result) }
        } else {
            for file in record.captureFiles { directory.remove(file) }
        }
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
            breakTime: record.breakTime.map(captureTime), makeTime: record.makeTime.map(captureTime)
        )
        let measurement = result.measure(report, scenario, paths: measuredPaths, moments: moments)
        result.measureRadios(
            record.packets, radios(breakTime: record.breakTime.map(captureTime)))
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

    private func radios(breakTime: Int64?) -> [MeasuredRadio] {
        topology.paths.enumerated().map { index, path in
            MeasuredRadio(
                path: path.name, interface: path.interface, point: index,
                offTime: index == 0 && scenario.breakKind == .linkDown ? breakTime : nil)
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

    private func ways(of path: Int) -> NewPath {
        let path = topology.paths[path]
        let isV6 = path.clientAddress.isV6
        return NewPath(
            promotion: path.promotion?.delay ?? .zero,
            up: .init(delay: path.up.oneWayDelay, rate: path.up.rate, isV6: isV6),
            down: .init(delay: path.down.oneWayDelay, rate: path.down.rate, isV6: isV6))
    }
}
