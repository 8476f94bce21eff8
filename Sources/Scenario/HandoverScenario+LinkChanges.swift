internal import NetworkPrimitives
internal import Topology

extension HandoverScenario {
    /// What is wrong with the link changes on a topology; `nil` if nothing is.
    func linkChangeProblem(on topology: Topology) -> ScenarioProblem? {
        let names = topology.paths.map(\.name)
        for change in linkChanges {
            guard names.contains(change.path) else {
                return ScenarioProblem(
                    "events",
                    "there is no path '\(change.path)', but \(names.joined(separator: ", "))")
            }
            guard change.at < duration else {
                return ScenarioProblem(
                    "events",
                    "what happens at \(OptionText.text(change.at)) comes after the end of the "
                        + "workload: it takes \(OptionText.text(duration))")
            }
        }
        return nil
    }
}
