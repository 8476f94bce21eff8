internal import NetworkPrimitives
package import Scenario
package import Topology

/// What an experiment would do, in words and in the equivalent commands of iproute2.
package enum ExperimentPlan {
    /// The text of `--dry-run`.
    package static func text(_ scenario: HandoverScenario, _ topology: Topology) -> String {
        let emulation: EmulationKind = scenario.linkEmulation == .netem ? .netem : .relay
        let plan = TestbedPlan(topology, emulation: emulation)
        var text = "# testbed \(topology.name): \(topology.description)\n"
        let commands = plan.commands { "mptcpctl-<owner>-\($0.rawValue)" }
        text += commands.map { $0 + "\n" }.joined()
        text += "# time line of each of \(scenario.runs) runs\n"
        for event in scenario.events { text += "#   \(line(event, scenario, topology))\n" }
        for change in scenario.linkChanges {
            text += "#   start + \(number(change.at)) ms: \(change.text)\n"
        }
        return text
    }

    private static func line(
        _ event: ScheduledEvent, _ scenario: HandoverScenario, _ topology: Topology
    ) -> String {
        let time =
            switch event.time {
            case .beforeStart: "before the start"
            case .afterStart(let delay): "start + \(number(delay)) ms"
            case .afterBreak(let delay): "t0 + \(number(delay)) ms"
            }
        let names = topology.paths.map(\.interface)
        let old = names.first ?? "the old path"
        let new = names.dropFirst().first ?? "the new path"
        let action =
            switch event.action {
            case .newPathUp: "\(new) is up"
            case .newPathDown: "\(new) is down"
            case .breakOldPath: "\(old) breaks: \(scenario.breakKind.rawValue)"
            case .stopWorkload: "the workload (\(scenario.workloadKind.rawValue)) ends"
            }
        return "\(time): \(action)"
    }

    private static func number(_ duration: Duration) -> String {
        let microseconds = duration.wholeNanoseconds / 1_000
        return microseconds % 1_000 == 0
            ? String(microseconds / 1_000) : String(Double(microseconds) / 1_000)
    }
}
