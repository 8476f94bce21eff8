internal import LinkModel
internal import NetworkPrimitives
package import Topology

extension HandoverScenario {
    /// One way on the path that breaks, as the workload's bytes go, when it is about to break.
    package func oldPathDelay(on topology: Topology) -> Duration {
        let path = topology.paths[0]
        var delay = direction == .upload ? path.up.oneWayDelay : path.down.oneWayDelay
        let changes = linkChanges.filter { $0.path == path.name && $0.at <= breakAt }
        for change in changes.sorted(by: { $0.at < $1.at }) {
            guard case .delay(let target) = change.kind else { continue }
            let share = change.isRamp ? min((breakAt - change.at) / change.over, 1) : 1
            delay += (target - delay) * share
        }
        return delay
    }

    /// What is wrong with running this on a topology; `nil` if nothing is.
    package func problem(on topology: Topology) -> ScenarioProblem? {
        guard topology.paths.count >= 2 else {
            return ScenarioProblem(
                "testbed '\(topology.name)'",
                "it has one path; a handover needs two under 'paths'")
        }
        if let problem = linkChangeProblem(on: topology) { return problem }
        // The kernel joins an announced address when it is announced, or never.
        let changesFamily =
            topology.serverAddress(path: 0).isV6 != topology.serverAddress(path: 1).isV6
        guard client == .kernel, !isNull, changesFamily,
            mode == .breakBeforeMake || policy == .singlePath
        else { return nil }
        return ScenarioProblem(
            "--client kernel",
            "the kernel cannot go from IPv6 to IPv4 or back on a path that it joins later; use "
                + "--mode make-before-break with --policy backup or full, or --client swift")
    }
}
