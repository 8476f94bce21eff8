/// What the harness of a run in real time did to it that nobody asked for.
package struct RunHarness: Hashable, Sendable {
    /// How much later than due the relay sent a frame on, at worst, in milliseconds.
    package var lateness = Measured.unknown(RunResult.notMeasured)
    /// Packets that were dropped during the run because the kernel's packet backlog was full, on the
    /// whole machine.
    package var backlogDrops = Measured.unknown(RunResult.notMeasured)

    /// A lateness above it, in milliseconds, is worth a note: it is as much as the handovers of two
    /// good stacks may differ.
    package static let latenessLimit = 1.0

    package init() {}

    /// Of virtual time.
    package static let ofSimulation: RunHarness = {
        var harness = RunHarness()
        harness.lateness = .unknown("virtual time is never late")
        harness.backlogDrops = .unknown("a simulation uses no kernel")
        return harness
    }()
}

extension RunHarness {
    /// Names and their order are stable.
    var json: JSONValue {
        .members([
            "maximum_lateness_ms": JSONValue(rounding: lateness.value),
            "backlog_drops": backlogDrops.value.map { .integer(Int64($0)) } ?? .null,
        ])
    }

    /// For each null its path in the run and the reason.
    var nullReasons: [(path: String, reason: String?)] {
        [
            ("harness.maximum_lateness_ms", lateness.reason),
            ("harness.backlog_drops", backlogDrops.reason),
        ]
    }
}
