internal import LinkModel
internal import NetworkPrimitives
package import Topology

extension HandoverScenario {
    /// One way on the path that breaks, as the workload's bytes go.
    package func oldPathDelay(on topology: Topology) -> Duration {
        let path = topology.paths[0]
        return direction == .upload ? path.up.oneWayDelay : path.down.oneWayDelay
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
