public import NetworkPrimitives

/// How long a drop-tail queue may get.
public enum QueueLimit: Hashable, Sendable {
    /// So many packets wait at most.
    case packets(Int)
    /// So many octets wait at most.
    case bytes(Int)
    /// So much time the last packet waits at most.
    case time(Duration)
}

/// How packets get lost at random.
public enum LossModel: Hashable, Sendable {
    /// None.
    case none
    /// Each with this probability.
    case bernoulli(Double)
    /// Two states: the probabilities to leave the good and the bad one, and to lose a packet in each.
    case gilbertElliott(goodToBad: Double, badToGood: Double, lossInGood: Double, lossInBad: Double)

    /// The share of packets that get lost in the long run.
    public var meanShare: Double {
        switch self {
        case .none: return 0
        case .bernoulli(let probability): return probability
        case .gilbertElliott(let goodToBad, let badToGood, let lossInGood, let lossInBad):
            // One that never changes stays in the good state, where it begins.
            let change = goodToBad + badToGood
            let bad = change > 0 ? goodToBad / change : 0
            return lossInGood * (1 - bad) + lossInBad * bad
        }
    }
}

/// One direction of a link.
public struct LinkProfile: Hashable, Sendable {
    /// The line rate; `nil` is infinitely fast.
    public var rate: BitRate?
    /// Propagation delay.
    public var oneWayDelay: Duration
    /// Greatest deviation of the delay, evenly distributed to both sides.
    public var jitter = Duration.zero
    /// Whether jitter may reorder packets.
    public var reorders = false
    /// Random loss.
    public var loss = LossModel.none
    /// The queue before the line.
    public var queue = QueueLimit.packets(1_000)
    /// Probability that a packet arrives twice.
    public var duplication = 0.0
    /// Probability that one bit of a packet is flipped.
    public var corruption = 0.0

    /// A link of this rate and delay.
    public init(rate: BitRate?, oneWayDelay: Duration) {
        self.rate = rate
        self.oneWayDelay = oneWayDelay
    }
}

/// What becomes of a frame.
public enum Verdict: Hashable, Sendable {
    /// It arrives.
    case deliver(at: Instant)
    /// It arrives twice.
    case deliverTwice(at: Instant, and: Instant)
    /// It arrives with this bit flipped.
    case corrupt(at: Instant, bit: Int)
    /// It does not arrive.
    case drop(DropReason)
}

/// Why a frame does not arrive.
public enum DropReason: String, Hashable, Sendable {
    /// The queue was full.
    case queueFull = "queue-full"
    /// Lost at random.
    case loss
    /// The link is cut.
    case down
}
