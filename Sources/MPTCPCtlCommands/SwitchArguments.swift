internal import ArgumentParser
internal import MPTCP
internal import NetworkPrimitives
internal import Scenario

/// What has a connection look for another path.
struct SwitchArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Judge paths by losses, retransmissions and timeouts; on with --policy multimob.",
            discussion: """
                A path that is too bad and gets worse is potentially failed: data goes elsewhere \
                until something comes in on it, and the client joins another path if it has no \
                other. Each connection has an oracle of its own.
                """))
    var oracle: Toggle?

    @Option(
        parsing: .unconditional, help: "From one look of the oracle to the next (default: 500ms).",
        transform: DurationArgument.read)
    var oraclePeriod: DurationArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Share of what is on its way that may be lost (default: 25).", valueName: "percent"),
        transform: PercentArgument.read)
    var oracleLoss: PercentArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Share of what is sent that may be sent again (default: 50).", valueName: "percent"),
        transform: PercentArgument.read)
    var oracleRetransmission: PercentArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The longest retransmission timeout (default: 1500ms).",
            discussion: """
                A longer one has another path joined, but data still goes over the first.
                """), transform: DurationArgument.read)
    var oracleTimeout: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "Say with a reserved flag of the DSS that nothing follows; on with --policy multimob.",
            discussion: """
                A client to which data was announced that does not come for 500 ms, or for the \
                server's timeout, which it asks for, joins another path. Both ends have to have it, \
                and say so in an experimental MPTCP option; a peer that does not never sees the flag. \
                A sender whose records leave one by one announces none of them.
                """))
    var idleSignal: Toggle?

    @Option(
        help: ArgumentHelp(
            "Repeat REMOVE_ADDR, which nobody acknowledges (default: on).",
            discussion: "off is for comparison: when it is lost, the peer goes on sending there."))
    var removalRepeat: Toggle?

    /// The option that was given first, if any was.
    var firstGiven: String? {
        let given: [(String, Bool)] = [
            ("--oracle", oracle != nil), ("--oracle-period", oraclePeriod != nil),
            ("--oracle-loss", oracleLoss != nil),
            ("--oracle-retransmission", oracleRetransmission != nil),
            ("--oracle-timeout", oracleTimeout != nil), ("--idle-signal", idleSignal != nil),
            ("--removal-repeat", removalRepeat != nil),
        ]
        return given.first { $0.1 }?.0
    }

    func apply(to options: inout SwitchOptions) {
        if let oracle { options.requestedOracle = oracle }
        if let idleSignal { options.requestedIdleSignal = idleSignal }
        if let oraclePeriod { options.oraclePeriod = oraclePeriod.value }
        if let oracleLoss { options.oracleLoss = oracleLoss.value }
        if let oracleRetransmission { options.oracleRetransmission = oracleRetransmission.value }
        if let oracleTimeout { options.oracleTimeout = oracleTimeout.value }
        if let removalRepeat { options.removalRepeat = removalRepeat }
    }

    /// Sets what was given; the rest is as the policy has it.
    func apply(to configuration: inout ConnectionConfiguration) {
        switch oracle {
        case .on: configuration.oracle = configuration.oracle ?? OracleThresholds()
        case .off: configuration.oracle = nil
        case nil: break
        }
        if let oraclePeriod { configuration.oracle?.period = oraclePeriod.value }
        if let oracleLoss { configuration.oracle?.loss = oracleLoss.value / 100 }
        if let oracleRetransmission {
            configuration.oracle?.retransmission = oracleRetransmission.value / 100
        }
        if let oracleTimeout { configuration.oracle?.timeout = oracleTimeout.value }
        if let idleSignal { configuration.signalsIdle = idleSignal == .on }
        if let removalRepeat { configuration.repeatsRemovals = removalRepeat == .on }
    }

    mutating func validate() throws {
        var options = SwitchOptions()
        apply(to: &options)
        if let problem = options.thresholdProblems.first {
            throw ValidationError(problem.description)
        }
    }
}
