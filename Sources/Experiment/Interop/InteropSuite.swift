internal import KernelEndpoint
internal import LinuxSystem
internal import PacketCapture
package import Scenario
internal import Synchronization

/// Runs cells of the interoperability matrix, several at a time, each in namespaces of its own.
package final class InteropSuite: Sendable {
    /// How to run.
    package struct Configuration: Sendable {
        /// Conversations at a time.
        package var jobs = 4
        /// Where captures and events of the cells that fail go.
        package var output: String?
        package var version: String

        package init(version: String) { self.version = version }
    }

    private let configuration: Configuration
    private let cells: [InteropCell]
    private let state: Mutex<State>

    private struct State {
        var next = 0
        var results: [InteropResult?]
        var error: ExperimentError?
    }

    package init(_ cells: [InteropCell], _ configuration: Configuration) {
        self.cells = cells
        self.configuration = configuration
        state = Mutex(State(results: cells.map { _ in nil }))
    }

    /// The kernel's applications that can be had on this machine.
    package static var applications: [InteropCell.Application] {
        let isInstalled = (try? Executable.find("mptcpize")) != nil
        return isInstalled ? InteropCell.Application.allCases : [.sockets]
    }

    /// Runs every cell; `progress` is told of each, on any thread, one at a time.
    package func run(
        progress: @escaping @Sendable (InteropResult, Int) -> Void
    ) throws(ExperimentError) -> InteropReport {
        if let output = configuration.output { try ExperimentBackend.checkSight(of: output) }
        do {
            try Privileges.acquire()
        } catch {
            throw .environment("cannot build networks here: \(error)")
        }
        guard KernelSetting.isMPTCPAvailable else {
            throw .environment("the kernel has no MPTCP (net.mptcp.enabled)")
        }
        let interruption = try Interruption()
        try makeOutput()
        // A run without failures leaves no directory.
        defer { if let output = configuration.output { Directory.removeIfEmpty(output) } }
        do {
            try WorkerThreads.run(min(configuration.jobs, max(cells.count, 1))) { _ in
                self.work(interruption, progress)
            }
        } catch {
            throw .environment("\(error)")
        }
        let (results, error) = state.withLock { ($0.results, $0.error) }
        if let error { throw error }
        let notes =
            Self.applications.contains(.mptcpize)
            ? []
            : ["mptcpize is not installed: the kernel's applications are our own on its sockets"]
        return InteropReport(
            environment: RunEnvironment(
                kernel: Machine.kernelRelease, version: configuration.version),
            results: results.compactMap { $0 }, notes: notes)
    }

    /// Before the first cell: everything in the directory is ours, and it can be written.
    private func makeOutput() throws(ExperimentError) {
        guard let output = configuration.output else { return }
        if Directory.exists(output) {
            throw .usage("--output \(output): exists already; name a directory that does not")
        }
        do {
            try Directory.make(output)
        } catch {
            throw .usage("--output \(output): \(error); name a place where you may write")
        }
    }

    /// One thread: takes cells until there are no more.
    private func work(
        _ interruption: Interruption, _ progress: @Sendable (InteropResult, Int) -> Void
    ) {
        var networks: [InteropCell.Family: InteropNetwork] = [:]
        while let index = takeCell(interruption) {
            let cell = cells[index]
            let result: InteropResult
            if let lack = cell.lack {
                result = InteropResult(cell, .lacking, reasons: [lack])
            } else {
                do {
                    let network = try networks[cell.family] ?? InteropNetwork(family: cell.family)
                    networks[cell.family] = network
                    result = play(cell, index, on: network)
                    // What a failure leaves behind is not to meet the next conversation.
                    if result.outcome == .failed { networks[cell.family] = nil }
                } catch {
                    result = InteropResult(cell, .failed, reasons: ["\(error)"])
                }
            }
            state.withLock { state in
                state.results[index] = result
                progress(result, index)
            }
        }
    }

    private func takeCell(_ interruption: Interruption) -> Int? {
        state.withLock { state in
            do throws(ExperimentError) {
                try interruption.check()
            } catch {
                state.error = state.error ?? error
            }
            guard state.error == nil, state.next < cells.count else { return nil }
            state.next += 1
            return state.next - 1
        }
    }

    /// A port of its own for each: what an earlier one left in the kernel cannot answer.
    private static func port(_ index: Int) -> UInt16 { UInt16(5_001 + index % 25_000) }

    private func play(
        _ cell: InteropCell, _ index: Int, on network: InteropNetwork
    ) -> InteropResult {
        let directory = configuration.output.map { "\($0)/\(index + 1)" }
        var capture: LiveCapture?
        do {
            if let directory {
                try Directory.make(directory)
                capture = try LiveCapture(
                    InteropAddresses.routerInterface, in: network.router,
                    to: "\(directory)/server.pcap", .init(snapshotLength: 200))
            }
            let run = try InteropRun(cell, on: network, port: Self.port(index))
            let result = run.play()
            _ = try capture?.stop()
            if let directory {
                if result.outcome == .passed {
                    try Directory.remove(directory)
                } else {
                    let lines = run.events.map { $0.line + "\n" }.joined()
                    try TextFile.write(lines, to: "\(directory)/events.jsonl")
                }
            }
            return result
        } catch {
            return InteropResult(cell, .failed, reasons: ["\(error)"])
        }
    }
}
