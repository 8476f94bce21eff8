internal import NetworkPrimitives

/// Whether a run did what it should.
package enum RunOutcome: String, Hashable, Sendable, CaseIterable {
    case completed
    case failed
}

/// A number, or why it is not known.
package enum Measured: Hashable, Sendable {
    case value(Double)
    case unknown(String)

    package var value: Double? {
        if case .value(let value) = self { value } else { nil }
    }

    package var reason: String? {
        if case .unknown(let reason) = self { reason } else { nil }
    }
}

/// When what happened, in milliseconds from `t0`.
package struct Timeline: Hashable, Sendable {
    private var moments: [Milestone: Measured] = [:]

    package init() {}

    /// The moment, `nil` if it is not known. Setting `nil` forgets it.
    package subscript(_ milestone: Milestone) -> Double? {
        get { moments[milestone]?.value }
        set { moments[milestone] = newValue.map(Measured.value) }
    }

    /// Says why a moment is not known.
    package mutating func setUnknown(_ milestone: Milestone, because reason: String) {
        moments[milestone] = .unknown(reason)
    }

    /// Why it is not known, `nil` if it is.
    package func reason(_ milestone: Milestone) -> String? {
        switch moments[milestone] {
        case .value: nil
        case .unknown(let reason): reason
        case nil: RunResult.notMeasured
        }
    }

    /// The known moments in the order of time, those of one time in the order of their meaning.
    package var inOrder: [(milestone: Milestone, milliseconds: Double)] {
        let known = Milestone.allCases.compactMap { milestone in
            self[milestone].map { (milestone: milestone, milliseconds: $0) }
        }
        return known.stablySorted(by: \.milliseconds)
    }
}

/// A number for each path, in the order of the topology.
package struct PathNumber: Hashable, Sendable {
    /// The path: `wifi`.
    package var path: String
    package var value: Measured

    package init(_ path: String, _ value: Measured) {
        self.path = path
        self.value = value
    }
}

/// What one run yielded.
package struct RunResult: Hashable, Sendable {
    /// Octets of the workload in its direction.
    package struct Bytes: Hashable, Sendable {
        package var sent: Int?
        package var delivered: Int?
        /// Whether everything that was sent arrived as it was sent.
        package var isIntact: Bool?

        package init(sent: Int? = nil, delivered: Int? = nil, isIntact: Bool? = nil) {
            self.sent = sent
            self.delivered = delivered
            self.isIntact = isIntact
        }
    }

    /// The reason where nobody gave one.
    package static let notMeasured = "not measured"

    /// From 1.
    package var index: Int
    package var outcome: RunOutcome
    /// Why it failed.
    package var reason: String?
    package var seed: UInt64
    package var bytes = Bytes()
    package var timeline = Timeline()
    private var numbers: [Metric: Measured] = [:]
    package var pathShare: [PathNumber] = []
    package var radioTime: [PathNumber] = []
    /// Joules of each path's radio.
    package var energy: [PathNumber] = []
    /// Milliseconds in which each path's radio was not idle.
    package var radioOn: [PathNumber] = []
    package var harness = RunHarness()
    /// Capture files, relative to the output directory.
    package var captures: [String] = []

    package init(index: Int, seed: UInt64, outcome: RunOutcome = .completed, reason: String? = nil)
    {
        self.index = index
        self.seed = seed
        self.outcome = outcome
        self.reason = reason
    }

    /// The number, `nil` if it is not known. Setting `nil` forgets it.
    package subscript(_ metric: Metric) -> Double? {
        get { numbers[metric]?.value }
        set { numbers[metric] = newValue.map(Measured.value) }
    }

    /// Sets a number or the reason why there is none.
    package mutating func set(_ metric: Metric, _ measured: Measured) { numbers[metric] = measured }

    /// Says why a number is not known.
    package mutating func setUnknown(_ metric: Metric, because reason: String) {
        numbers[metric] = .unknown(reason)
    }

    /// Why it is not known, `nil` if it is.
    package func reason(_ metric: Metric) -> String? {
        switch numbers[metric] {
        case .value: nil
        case .unknown(let reason): reason
        case nil: Self.notMeasured
        }
    }

    /// Turns the result into a failure; the first reason stays.
    package mutating func fail(_ reason: String) {
        if outcome == .failed { return }
        outcome = .failed
        self.reason = reason
    }

    /// Takes the bytes from both ends and fails the run if something is missing or wrong.
    package mutating func judge(sender: WorkloadSummary?, receiver: WorkloadSummary?) {
        bytes.sent = sender?.bytesSent
        bytes.delivered = receiver?.bytesReceived
        if let sender, let receiver {
            bytes.isIntact =
                receiver.isIntact && sender.isIntact
                && sender.bytesSent == receiver.bytesReceived
                && receiver.bytesSent == sender.bytesReceived
        }
        if let offset = receiver?.firstMismatch {
            fail("octet \(offset) that the receiver got is not the one sent")
        } else if let offset = sender?.firstMismatch {
            fail("octet \(offset) that the sender got back is not the one sent")
        }
        if let failure = receiver?.failure ?? sender?.failure { fail(failure.description) }
        guard let sender, let receiver else {
            fail("no summary from the \(sender == nil ? "sender" : "receiver")")
            return
        }
        if sender.bytesSent != receiver.bytesReceived {
            fail("\(receiver.bytesReceived) of \(sender.bytesSent) octets were delivered")
        }
        if receiver.bytesSent != sender.bytesReceived {
            fail("\(sender.bytesReceived) of \(receiver.bytesSent) octets came back")
        }
        if !sender.isComplete || !receiver.isComplete {
            fail("the connection did not end in order")
        }
    }
}
