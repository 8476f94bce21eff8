/// What `mptcpctl bench` measures; each with our own stack at both ends and with the kernel's.
package enum BenchmarkKind: String, Hashable, Sendable, CaseIterable {
    /// Octets a second of one bulk transfer.
    case goodput
    /// Octets a second of one bulk transfer at random loss; the kernel's are of its TCP.
    case recovery
    /// Connections a second: connect, one request and its reply, close.
    case connections
    /// From a request to its reply on an idle link.
    case latency
    /// What an idle connection costs, and what many of them cost an active one.
    case memory
}

/// One line of a benchmark: the same thing measured in turn on both stacks.
package struct BenchmarkLine: Hashable, Sendable {
    /// Which of two numbers is the better one.
    package enum Preference: String, Hashable, Sendable {
        case higher
        case lower
    }

    package var kind: BenchmarkKind
    /// What is measured, as a name for programs: `two-subflows`.
    package var variant: String
    /// What is measured, in words.
    package var name: String
    package var unit: String
    package var preference: Preference
    /// One number for each round.
    package private(set) var swift: [Double] = []
    package private(set) var kernel: [Double] = []

    package init(
        _ kind: BenchmarkKind, _ variant: String, _ name: String, unit: String,
        better preference: Preference
    ) {
        self.kind = kind
        self.variant = variant
        self.name = name
        self.unit = unit
        self.preference = preference
    }

    /// Adds what a round yielded.
    package mutating func add(_ value: Double, _ stack: EndpointKind) {
        switch stack {
        case .swift: swift.append(value)
        case .kernel: kernel.append(value)
        }
    }

    /// Ours divided by the kernel's, round by round.
    package var ratios: [Double] {
        zip(swift, kernel).compactMap { $1 > 0 ? $0 / $1 : nil }
    }

    /// Rounds on both stacks that yield no ratio, because the kernel's number is not positive.
    package var uncountedRounds: Int { min(swift.count, kernel.count) - ratios.count }

    /// Median and spread of the two stacks and of the ratio; `nil` where nothing was measured.
    package var statistics: (swift: Statistics?, kernel: Statistics?, ratio: Statistics?) {
        (
            Statistics(swift, seed: 1), Statistics(kernel, seed: 1),
            Statistics(ratios, seed: 1)
        )
    }
}

/// Everything that a run of `mptcpctl bench` yielded.
package struct BenchmarkResult: Hashable, Sendable {
    package var rounds: Int
    package var environment: RunEnvironment
    package var lines: [BenchmarkLine] = []
    /// Why it did not go on; `nil` if everything was measured.
    package var failure: String?

    package init(rounds: Int, environment: RunEnvironment) {
        self.rounds = rounds
        self.environment = environment
    }
}
