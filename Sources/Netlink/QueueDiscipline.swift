package import NetworkPrimitives

/// What queues packets at the exit of an interface.
package enum QueueDiscipline: Hashable, Sendable {
    case netem(NetworkEmulation)
    case tokenBucket(TokenBucket)

    /// The kernel's name of it.
    package var kind: String {
        switch self {
        case .netem: "netem"
        case .tokenBucket: "tbf"
        }
    }

    /// What `tc` would be told.
    package var arguments: String {
        switch self {
        case .netem(let emulation): "netem \(emulation.arguments)"
        case .tokenBucket(let bucket):
            "tbf rate \(bucket.rate.bitsPerSecond)bit burst \(bucket.burst) limit \(bucket.limit)"
        }
    }
}

/// netem's parameters. Probabilities are 0...1.
package struct NetworkEmulation: Hashable, Sendable {
    package var delay: Duration
    package var jitter: Duration
    package var loss: Double
    /// Loss in bursts, instead of `loss`.
    package var burstLoss: BurstLoss?
    package var duplicate: Double
    package var corrupt: Double
    /// Share of packets sent at once, past the delay.
    package var reorder: Double
    package var rate: BitRate?
    /// Packets that may be waiting.
    package var limit: Int

    /// The Gilbert-Elliott model: two states, a probability to leave each and one to lose a packet
    /// in each.
    package struct BurstLoss: Hashable, Sendable {
        package var goodToBad: Double
        package var badToGood: Double
        package var lossInGood: Double
        package var lossInBad: Double

        package init(
            goodToBad: Double, badToGood: Double, lossInGood: Double, lossInBad: Double
        ) {
            self.goodToBad = goodToBad
            self.badToGood = badToGood
            self.lossInGood = lossInGood
            self.lossInBad = lossInBad
        }

        /// As `tc` orders them.
        var arguments: String {
            [goodToBad, badToGood, lossInBad, lossInGood]
                .map { " \($0 * 100)%" }.joined()
        }
    }

    package init(
        delay: Duration = .zero, jitter: Duration = .zero, loss: Double = 0,
        burstLoss: BurstLoss? = nil, duplicate: Double = 0, corrupt: Double = 0,
        reorder: Double = 0, rate: BitRate? = nil, limit: Int = 1000
    ) {
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.burstLoss = burstLoss
        self.duplicate = duplicate
        self.corrupt = corrupt
        self.reorder = reorder
        self.rate = rate
        self.limit = limit
    }

    var arguments: String {
        var words = "limit \(limit)"
        if delay > .zero || jitter > .zero {
            words += " delay \(delay.wholeNanoseconds / 1000)us"
            if jitter > .zero { words += " \(jitter.wholeNanoseconds / 1000)us" }
        }
        if loss > 0 { words += " loss \(loss * 100)%" }
        if let burstLoss { words += " loss gemodel\(burstLoss.arguments)" }
        if duplicate > 0 { words += " duplicate \(duplicate * 100)%" }
        if corrupt > 0 { words += " corrupt \(corrupt * 100)%" }
        if reorder > 0 { words += " reorder \(reorder * 100)%" }
        if let rate { words += " rate \(rate.bitsPerSecond)bit" }
        return words
    }
}

/// tbf's parameters.
package struct TokenBucket: Hashable, Sendable {
    package var rate: BitRate
    /// Octets that may go at line speed; at least the largest packet.
    package var burst: Int
    /// Octets that may be waiting.
    package var limit: Int

    package init(rate: BitRate, burst: Int, limit: Int) {
        self.rate = rate
        self.burst = burst
        self.limit = limit
    }
}

/// A queue discipline in place: a line of `tc -s qdisc show`.
package struct QueueStatistics: Hashable, Sendable {
    package var interface: InterfaceID
    package var kind: String
    /// Whether it is the interface's root.
    package var isRoot: Bool
    package var bytes: UInt64
    package var packets: UInt64
    package var drops: UInt64
    package var overlimits: UInt64
    package var queueLength: UInt64
    package var backlog: UInt64
}
