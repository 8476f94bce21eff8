internal import NetworkPrimitives

/// A change of a path's link while a run is under way.
package struct LinkChange: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// The interface comes up.
        case up
        /// The interface goes down; the endpoint is told.
        case down
        /// Everything is dropped in silence.
        case cut
        /// ... and delivered again.
        case mend
        /// One way, both directions.
        case delay(Duration)
        /// Share 0...1, both directions.
        case loss(Double)
        /// Both directions.
        case rate(bitsPerSecond: Int)
    }

    /// After the start of the workload.
    package var at: Duration
    /// Length of a linear ramp from the present value; zero is a step (delay, loss, rate only).
    package var over: Duration
    /// Name of the path in the topology.
    package var path: String
    package var kind: Kind

    package init(at: Duration, over: Duration = .zero, path: String, kind: Kind) {
        self.at = at
        self.over = over
        self.path = path
        self.kind = kind
    }
}

// MARK: - In words

extension LinkChange.Kind {
    /// What changes: the name in events and results.
    package var name: String {
        switch self {
        case .up: "up"
        case .down: "down"
        case .cut: "cut"
        case .mend: "mend"
        case .delay: "delay"
        case .loss: "loss"
        case .rate: "rate"
        }
    }

    /// Whether it is on or off, and nothing between.
    var isSwitch: Bool { member == nil }

    /// The value that is set, with its unit in the name; `nil` where nothing is but on and off.
    package var member: JSONValue.Member? {
        switch self {
        case .up, .down, .cut, .mend: nil
        case .delay(let delay): .init("delay_ms", JSONValue(rounding: delay.milliseconds))
        case .loss(let share): .init("loss", JSONValue(rounding: share))
        case .rate(let rate): .init("rate_bps", .integer(Int64(rate)))
        }
    }

    /// `down`, `delay 500ms`, `loss 25%`, `rate 10000000 bit/s`.
    package var text: String {
        switch self {
        case .up, .down, .cut, .mend: name
        case .delay(let delay): "delay \(OptionText.text(delay))"
        case .loss(let share): "loss \(JSONValue(rounding: share * 100).compact)%"
        case .rate(let rate): "rate \(rate) bit/s"
        }
    }
}

extension LinkChange {
    /// Whether it is a ramp.
    package var isRamp: Bool { over != .zero }

    /// `wifi delay 500ms over 10s`, without its time.
    package var text: String {
        "\(path) \(kind.text)" + (isRamp ? " over \(OptionText.text(over))" : "")
    }

    /// The fields of its event: path, kind, value, length of a ramp.
    package var fields: [JSONValue.Member] {
        [.init("path", .string(path)), .init("kind", .string(kind.name))]
            + (kind.member.map { [$0] } ?? [])
            + (isRamp ? [.init("over_ms", JSONValue(rounding: over.milliseconds))] : [])
    }

    /// The event when it begins, and the one when a ramp is over.
    package static let eventName = "link-change"
    package static let endEventName = "link-change-end"
}

// MARK: - Validation

extension LinkChange {
    /// Far more than any link has.
    private static let longestDelay = Duration.seconds(60)
    /// netem takes no less.
    private static let lowestRate = 8

    /// What is wrong with it in a run of this length, whatever the topology; `nil` if nothing is.
    func problem(in duration: Duration) -> String? {
        if at < .zero { return "it must not come before the start of the workload" }
        if at >= duration {
            return "at \(OptionText.text(at)) the workload is over, which takes "
                + OptionText.text(duration)
        }
        if over < .zero { return "the length of a ramp must not be negative" }
        if over > duration - at {
            return "it ends after the workload, at \(OptionText.text(at + over))"
        }
        switch kind {
        case .up, .down, .cut, .mend:
            return isRamp ? "'\(kind.name)' happens at once: it has no ramp" : nil
        case .delay(let delay):
            return (.zero...Self.longestDelay).contains(delay)
                ? nil : "a delay lies between 0 and \(OptionText.text(Self.longestDelay))"
        case .loss(let share):
            return (0...1).contains(share) ? nil : "a loss is a share between 0 and 1"
        case .rate(let rate):
            return rate >= Self.lowestRate ? nil : "a rate is at least \(Self.lowestRate) bit/s"
        }
    }
}
