internal import NetworkPrimitives
package import Scenario

/// `report.txt`, which is also what the command prints: labels, the time line of one run, the table
/// of all, what failed and what is not known.
package enum TextRenderer {
    /// The report. `assertions` are those of the command line, already looked at.
    package static func report(
        _ result: ExperimentResult, assertions: [AssertionResult] = []
    ) -> String {
        let parts = [
            header(result), timeline(result), table(result), noise(result), failures(result),
            disturbances(result), unknowns(result), checks(assertions), files(result),
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// One line about a run that has just ended, for the progress on stderr.
    package static func progress(_ run: RunResult, of count: Int) -> String {
        let head = "run \(run.index)/\(count) \(run.outcome.rawValue)"
        if run.outcome == .failed { return head + ": " + (run.reason ?? "no reason known") }
        let known = headlines.compactMap { metric in
            run[metric].map { "\(metric.rawValue) \(Figures.fixed($0, metric.places))" }
        }
        return known.isEmpty ? head : head + ": " + known.joined(separator: ", ")
    }

    // MARK: Labels

    private static func header(_ result: ExperimentResult) -> String {
        let scenario = result.scenario
        let broken = scenario.isNull ? "no break (noise floor)" : scenario.breakKind.rawValue
        var text = "Handover \(scenario.testbed): \(scenario.mode.rawValue), \(broken)\n"
        func add(_ label: String, _ value: String) { text += "  \(padded(label))\(value)\n" }
        add("backend", backend(result))
        add("client", endpoint(scenario.client, result))
        add("server", endpoint(scenario.server, result))
        add("workload", workload(scenario))
        add(
            "protocol",
            "policy \(scenario.policy.rawValue), scheduler \(scheduler(of: scenario)), "
                + "congestion control \(scenario.congestionControl.rawValue), "
                + "join \(scenario.join.rawValue)"
                + (scenario.fastJoinProfile == .compat
                    ? "" : " (\(scenario.fastJoinProfile.rawValue))"))
        if let switching = switching(scenario) { add("switching", switching) }
        for change in scenario.linkChanges {
            add("link", "\(change.text) at \(OptionText.text(change.at))")
        }
        let summary = result.summary
        add(
            "runs",
            "\(result.runs.count): \(summary.completed) completed, \(summary.failed) failed; "
                + "seed \(scenario.seed)")
        add("kernel", result.environment.kernel)
        for detail in result.environment.details { add(detail.name, detail.value) }
        return text
    }

    /// The kernel's scheduler is the kernel's business.
    private static func scheduler(of scenario: HandoverScenario) -> String {
        let kinds = [scenario.client, scenario.server]
        if !kinds.contains(.kernel) {
            let server = scenario.serverScheduler
            return scenario.scheduler == server
                ? server.rawValue
                : "\(scenario.scheduler.rawValue) (client) and \(server.rawValue) (server)"
        }
        return kinds.contains(.swift)
            ? "\(scenario.scheduler.rawValue) (swift), the kernel's (kernel)" : "the kernel's"
    }

    /// What has the client look for another path, and what is left out; `nil` where all is as usual.
    private static func switching(_ scenario: HandoverScenario) -> String? {
        var words: [String] = []
        let options = scenario.switching
        if scenario.oracle == .on {
            words.append(
                "oracle every \(OptionText.text(options.oraclePeriod)) (loss "
                    + "\(percent(options.oracleLoss)), retransmission "
                    + "\(percent(options.oracleRetransmission)), timeout "
                    + "\(OptionText.text(options.oracleTimeout)))")
        }
        if scenario.idleSignal == .on { words.append("idle signal") }
        if options.removalRepeat == .off { words.append("REMOVE_ADDR not repeated") }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    private static func percent(_ number: Double) -> String {
        number == number.rounded() ? "\(Int(number)) %" : "\(number) %"
    }

    private static func padded(_ label: String) -> String {
        label + String(repeating: " ", count: max(1, 11 - label.count))
    }

    private static func backend(_ result: ExperimentResult) -> String {
        let links =
            switch result.linkEmulation {
            case .auto: "unknown links"
            case .netem: "links by netem"
            case .relay: "links by the relay process"
            case .model: "links of the model"
            }
        switch result.backend {
        case .auto: return "unknown, \(links)"
        case .namespaces: return "netns (real time, network namespaces), \(links)"
        case .simulation: return "simulation (virtual time), \(links)"
        }
    }

    private static func endpoint(_ kind: EndpointKind, _ result: ExperimentResult) -> String {
        switch kind {
        case .swift: return "swift (mptcpctl \(result.environment.version))"
        case .kernel:
            let told = result.scenario.kernelPathManagement
            return "kernel \(result.environment.kernel) (path manager: \(told.rawValue))"
        }
    }

    private static func workload(_ scenario: HandoverScenario) -> String {
        let workload = scenario.workload(seed: scenario.seed)
        let length = "\(Figures.plain(scenario.duration.milliseconds)) ms"
        let interval = "\(Figures.plain(workload.interval.milliseconds)) ms"
        let name = "\(workload.kind.rawValue) \(workload.direction.rawValue)"
        switch workload.kind {
        case .bulk: return name + ", " + (workload.size > 0 ? "\(workload.size) B" : length)
        case .stream, .echo, .voice:
            return name + ", \(workload.size) B every \(interval), \(length)"
        case .interactive:
            let background =
                workload.background > 0 ? ", \(workload.background) B/s besides" : ""
            return name
                + ", bursts of \(workload.size) B every \(interval)\(background), \(length)"
        case .requestResponse:
            let pause = workload.interval == .zero ? "back to back" : "\(interval) between"
            return name
                + ", \(workload.requestSize) B -> \(workload.replySize) B, \(pause), \(length)"
        }
    }

    // MARK: Time line

    private static func timeline(_ result: ExperimentResult) -> String {
        guard !result.scenario.isNull, let run = result.runs.representative else { return "" }
        let moments = run.timeline.inOrder
        if moments.isEmpty { return "" }
        let which =
            run.outcome == .failed
            ? "failed" : result.runs.count == 1 ? "the only one" : "nearest to the median"
        var text = "Time line of run \(run.index) (\(which)), ms from t0\n"
        let figures = moments.map { Figures.fixed($0.milliseconds, 3) }
        let width = figures.map(\.count).max() ?? 0
        for (moment, figure) in zip(moments, figures) {
            let space = String(repeating: " ", count: width - figure.count)
            text += "  \(space)\(figure)  \(meaning(moment.milestone))\n"
        }
        for milestone in Milestone.allCases where run.timeline[milestone] == nil {
            let reason = run.timeline.reason(milestone) ?? RunResult.notMeasured
            let space = String(repeating: " ", count: max(0, width - 1))
            text += "  \(space)-  \(meaning(milestone)): \(reason)\n"
        }
        return text
    }

    private static func meaning(_ milestone: Milestone) -> String {
        switch milestone {
        case .breakOldPath, .make, .ready, .detected:
            "\(milestone.rawValue): \(milestone.meaning)"
        case .firstLackingByteArrived: "resume: \(milestone.meaning)"
        case .joinSYN, .joinSYNACK, .joinACK, .joinFourthACK, .firstReinjection,
            .firstDataOnNewPath, .firstDataACKOnNewPath:
            milestone.meaning
        }
    }

    // MARK: Table

    private static func table(_ result: ExperimentResult) -> String {
        let summary = result.summary
        let known = (headlines + Metric.allCases.filter { !headlines.contains($0) }).filter {
            summary[$0] != nil
        }
        if known.isEmpty { return "" }
        let ofPaths = [("energy_j", 2, summary.energy), ("radio_on_ms", 0, summary.radioOn)]
        var table = TextTable()
        table.add(["", "median", "p95", "min", "max", "95 % of median", "n"])
        for metric in known {
            guard let found = summary[metric] else { continue }
            table.add([metric.rawValue] + cells(found, metric.places))
            if metric == .resume, let ratios = ratios(result) {
                table.add(["resume / floor"] + cells(ratios, 2))
            }
        }
        for (name, places, numbers) in ofPaths {
            for number in numbers {
                guard let found = number.statistics else { continue }
                table.add(["\(name) \(number.path)"] + cells(found, places))
            }
        }
        return "Results of \(Figures.of(summary.completed, "run", "runs"))\n" + table.text
    }

    /// What comes first.
    private static let headlines: [Metric] = [
        .resume, .floor, .limit, .handover, .outage, .steadyGap,
    ]

    private static func cells(_ found: Statistics, _ places: Int) -> [String] {
        let figure = { (value: Double) in Figures.fixed(value, places) }
        return [
            figure(found.median), figure(found.p95), figure(found.minimum), figure(found.maximum),
            "\(figure(found.interval.lowerBound)) .. \(figure(found.interval.upperBound))",
            String(found.count),
        ]
    }

    /// How many times the floor a handover took: the headline.
    private static func ratios(_ result: ExperimentResult) -> Statistics? {
        let values: [Double] = result.runs.compactMap { run in
            guard run.outcome == .completed, let resume = run[.resume], let floor = run[.floor],
                floor > 0
            else { return nil }
            return resume / floor
        }
        return Statistics(values, seed: result.scenario.seed)
    }

    // MARK: What else must be said

    private static func noise(_ result: ExperimentResult) -> String {
        guard let noise = result.noiseFloor else { return "" }
        return "Noise floor: without a break the largest gap is "
            + "\(Figures.fixed(noise.median, 1)) ms (median), \(Figures.fixed(noise.maximum, 1)) ms "
            + "(max) in \(Figures.of(noise.count, "run", "runs"))\n"
    }

    private static func disturbances(_ result: ExperimentResult) -> String {
        var lines = Disturbances.lines(of: result.runs)
        switch result.earlyEnd {
        case .interrupted: lines.append("interrupted after run \(result.runs.count)")
        case .environment(let text): lines.append("ended after run \(result.runs.count): \(text)")
        case nil: break
        }
        if lines.isEmpty { return "" }
        return "Disturbances\n" + lines.map { "  \($0)\n" }.joined()
    }

    private static func failures(_ result: ExperimentResult) -> String {
        let failed = result.runs.filter { $0.outcome == .failed }
        if failed.isEmpty { return "" }
        return "Failed runs\n"
            + failed.map { "  run \($0.index): \($0.reason ?? "no reason known")\n" }.joined()
    }

    private static func unknowns(_ result: ExperimentResult) -> String {
        let good = result.runs.filter { $0.outcome == .completed }
        // Metrics that are unknown for one reason in the same number of runs share a line.
        var groups: [(names: [String], count: String, reason: String)] = []
        for metric in Metric.allCases {
            let reasons = good.compactMap { $0.reason(metric) }
            guard let reason = reasons.first else { continue }
            let count =
                reasons.count == good.count ? "" : " (\(reasons.count) of \(good.count) runs)"
            if let index = groups.firstIndex(where: { $0.reason == reason && $0.count == count }) {
                groups[index].names.append(metric.rawValue)
            } else {
                groups.append(([metric.rawValue], count, reason))
            }
        }
        if groups.isEmpty { return "" }
        return "Not known\n"
            + groups.map { "  \($0.names.joined(separator: ", "))\($0.count): \($0.reason)\n" }
            .joined()
    }

    private static func checks(_ assertions: [AssertionResult]) -> String {
        if assertions.isEmpty { return "" }
        return "Assertions\n"
            + assertions.map { result in
                let value = result.value.map(Figures.plain) ?? "not known"
                return
                    "  \(result.holds ? "holds" : "FAILS")  \(result.assertion.text)  (\(value))\n"
            }.joined()
    }

    private static func files(_ result: ExperimentResult) -> String {
        result.outputDirectory.map { "Files: \($0)\n" } ?? ""
    }
}
