internal import ArgumentParser
internal import Scenario

extension HandoverMode: ExpressibleByArgument {}
extension BreakKind: ExpressibleByArgument {}
extension JoinVariant: ExpressibleByArgument {}
extension EndpointKind: ExpressibleByArgument {}
extension Backend: ExpressibleByArgument {}
extension PathPolicy: ExpressibleByArgument {}
extension SchedulerName: ExpressibleByArgument {}
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
