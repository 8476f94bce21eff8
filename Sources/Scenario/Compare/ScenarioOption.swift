internal import Topology

/// What is wrong with a matrix of experiments, or with what it is compared with.
package struct ComparisonProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// In words, with a suggestion where there is one.
    package var description: String

    /// - Parameter suggestion: What was probably meant.
    package init(_ text: String, suggestion: String? = nil) {
        description = text + (suggestion.map { "; did you mean '\($0)'?" } ?? "")
    }
}

/// An option of `mptcpctl handover` that shapes what happens, so that a matrix can vary it.
package enum ScenarioOption: String, Hashable, Sendable, CaseIterable {
    case testbed
    case backend
    case linkEmulation = "link-emulation"
    case mode
    case breakKind = "break"
    case join
    case fastJoinProfile = "fast-join-profile"
    case provisional
    case client
    case server
    case workload
    case direction
    case size
    case interval
    case background
    case policy
    case scheduler
    case oracle
    case oraclePeriod = "oracle-period"
    case oracleLoss = "oracle-loss"
    case oracleRetransmission = "oracle-retransmission"
    case oracleTimeout = "oracle-timeout"
    case idleSignal = "idle-signal"
    case removalRepeat = "removal-repeat"
    case congestionControl = "congestion-control"
    case breakAt = "break-at"
    case makeAfter = "make-after"
    case duration
    case kernelPathManagement = "kernel-pm"
    case isNull = "null"

    /// Sets the option to a value as the command line writes it.
    package func set(
        _ text: String, in scenario: inout HandoverScenario
    ) throws(ComparisonProblem) {
        switch self {
        case .testbed: scenario.testbed = text
        case .backend: scenario.backend = try word(text)
        case .linkEmulation: scenario.linkEmulation = try word(text)
        case .mode: scenario.mode = try word(text)
        case .breakKind: scenario.breakKind = try word(text)
        case .join: scenario.join = try word(text)
        case .fastJoinProfile: scenario.fastJoinProfile = try word(text)
        case .provisional: scenario.provisional = try word(text)
        case .client: scenario.client = try word(text)
        case .server: scenario.server = try word(text)
        case .workload: scenario.workloadKind = try word(text)
        case .direction: scenario.direction = try word(text)
        case .size: scenario.size = try octets(text)
        case .interval: scenario.interval = try duration(text)
        case .background: scenario.background = try octets(text)
        case .policy: scenario.requestedPolicy = try word(text)
        case .scheduler: scenario.requestedScheduler = try word(text)
        case .oracle: scenario.switching.requestedOracle = try word(text)
        case .oraclePeriod: scenario.switching.oraclePeriod = try duration(text)
        case .oracleLoss: scenario.switching.oracleLoss = try percent(text)
        case .oracleRetransmission: scenario.switching.oracleRetransmission = try percent(text)
        case .oracleTimeout: scenario.switching.oracleTimeout = try duration(text)
        case .idleSignal: scenario.switching.requestedIdleSignal = try word(text)
        case .removalRepeat: scenario.switching.removalRepeat = try word(text)
        case .congestionControl: scenario.congestionControl = try word(text)
        case .breakAt: scenario.breakAt = try duration(text)
        case .makeAfter: scenario.makeAfter = try duration(text)
        case .duration: scenario.duration = try duration(text)
        case .kernelPathManagement: scenario.kernelPathManagement = try word(text)
        case .isNull: scenario.isNull = try flag(text)
        }
    }

    private func word<Word: CaseIterable & RawRepresentable>(
        _ text: String
    ) throws(ComparisonProblem) -> Word where Word.RawValue == String {
        if let word = Word(rawValue: text) { return word }
        let words = Word.allCases.map(\.rawValue)
        throw ComparisonProblem(
            "'\(text)' is no value of '\(rawValue)' (\(words.joined(separator: ", ")))",
            suggestion: Spelling.closest(to: text, among: words))
    }

    private func flag(_ text: String) throws(ComparisonProblem) -> Bool {
        if let flag = Bool(text) { return flag }
        throw ComparisonProblem("'\(text)' is no value of '\(rawValue)' (true, false)")
    }

    private func duration(_ text: String) throws(ComparisonProblem) -> Duration {
        if let duration = OptionText.duration(text) { return duration }
        throw ComparisonProblem(
            "'\(text)' is no value of '\(rawValue)': a time has its unit, as in 200ms or 4s")
    }

    private func percent(_ text: String) throws(ComparisonProblem) -> Double {
        if let percent = OptionText.percent(text) { return percent }
        throw ComparisonProblem(
            "'\(text)' is no value of '\(rawValue)': a share is written 25 or 25%")
    }

    private func octets(_ text: String) throws(ComparisonProblem) -> Int {
        if let octets = OptionText.octets(text) { return octets }
        throw ComparisonProblem(
            "'\(text)' is no value of '\(rawValue)': octets are written 200B, 64kB or 20MB")
    }
}
