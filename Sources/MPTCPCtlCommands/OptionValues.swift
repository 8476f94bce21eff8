internal import ArgumentParser
internal import Scenario

extension HandoverMode: ExpressibleByArgument {}
extension BreakKind: ExpressibleByArgument {}
extension JoinVariant: ExpressibleByArgument {}
extension FastJoinProfileName: ExpressibleByArgument {}
extension ProvisionalName: ExpressibleByArgument {}
extension EndpointKind: ExpressibleByArgument {}
extension Backend: ExpressibleByArgument {}
extension PathPolicy: ExpressibleByArgument {}
extension SchedulerName: ExpressibleByArgument {}
extension Toggle: ExpressibleByArgument {}
extension CaptureChoice: ExpressibleByArgument {}
extension KernelPathManagement: ExpressibleByArgument {}

extension LinkEmulation: ExpressibleByArgument {
    /// `model` is what a result says of a simulation, not something to ask for.
    static var allValueStrings: [String] {
        allCases.filter { $0 != .model }.map(\.rawValue)
    }
}

/// `text` or `json`.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case text
    case json
}

extension PathPolicy {
    /// What the policies are, for the help of `--policy`.
    static let help = """
        single-path: another path is joined when the first is lost or the other comes up. backup: all are \
        joined, all but the first as backup. full: all are joined and used. redundant: all are joined, and \
        everything goes over each. multimob: another path is joined when the first is lost, the oracle or \
        the idle timer suspects it, or two timeouts in a row. ios: as backup, but data moves only when \
        the first path has a round trip above 600 ms and the backup has not, is in a timeout with new data \
        to send, or has a timeout above 1500 ms and the backup a lower one.
        """
}
