internal import LinuxSystem
internal import NetworkPrimitives
internal import PacketCapture
internal import Scenario
internal import Topology
internal import TraceAnalysis

/// All captures of a run in one file, with the time line beside the packets that it is about.
extension RunKeeper {
    /// The file's name in the directory of a run.
    static let mergedName = "merged.pcapng"

    /// Writes `runs/001/merged.pcapng` from the captures of the run and adds it to them.
    func merge(_ record: RunRecord, into result: inout RunResult) throws(ExperimentError) {
        let points = capturePoints
        var story = CaptureStory(
            result.timeline,
            breakTime: record.breakTime.map { $0.nanoseconds + record.captureClockOffset },
            linkChanges: record.linkChanges.map {
                ($0.time.nanoseconds + record.captureClockOffset, $0.change)
            },
            paths: measuredPaths, servers: topology.server.subnets.map(\.address))
        var sources: [CaptureMerger.Source] = []
        for (index, file) in result.captures.enumerated() {
            sources.append(
                CaptureMerger.Source(
                    file: try files.prepare(file),
                    interface: CaptureInterface(
                        name: points[index].name, summary: summary(ofPoint: index))))
        }
        let file = "\(Self.directory(result.index))/\(Self.mergedName)"
        do {
            try CaptureMerger.merge(
                sources, into: files.prepare(file), section: section(of: result)
            ) { packet, source, isLast in
                story.comments(
                    on: TracePacket(
                        time: packet.time, point: source, bytes: packet.ipPacket ?? []),
                    at: points[source].place, isLast: isLast)
            }
        } catch let error as ExperimentError {
            throw error
        } catch {
            throw .environment("\(error)")
        }
        result.captures.append(file)
    }

    private func summary(ofPoint index: Int) -> String {
        guard topology.paths.indices.contains(index) else {
            let addresses = topology.server.subnets.map { "\($0.address)" }
            return "the server's end, \(addresses.joined(separator: " and "))"
        }
        let path = topology.paths[index]
        return "the client's end of path \(path.name), \(path.clientAddress)"
    }

    private func section(of result: RunResult) -> CaptureSection {
        var backend = backend.name.rawValue
        if case .namespaces(let emulation) = self.backend { backend += ", \(emulation.rawValue)" }
        let failure = result.reason.map { ": \($0)" } ?? ""
        let comment = """
            mptcpctl handover \(scenario.testbed): \(scenario.mode.rawValue), \
            \(scenario.isNull ? "no break" : scenario.breakKind.rawValue)
            seed \(scenario.seed); run \(result.index) with seed \(result.seed), \
            \(result.outcome.rawValue)\(failure)
            backend \(backend); client \(scenario.client.rawValue), \
            server \(scenario.server.rawValue)
            workload \(scenario.workloadKind.rawValue) \(scenario.direction.rawValue); \
            join \(scenario.join.rawValue), policy \(scenario.policy.rawValue), \
            scheduler \(scenario.scheduler.rawValue), \
            congestion control \(scenario.congestionControl.rawValue)
            """
        return CaptureSection(
            comment: comment, system: "Linux \(Machine.kernelRelease)",
            application: "mptcpctl \(version)")
    }
}
