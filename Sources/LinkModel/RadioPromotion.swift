public import NetworkPrimitives

/// A link's radio that sleeps when nothing passes, as a phone's LTE does.
public struct RadioPromotion: Hashable, Sendable {
    /// How long the first frame after a sleep waits.
    public var delay: Duration
    /// How long the radio stays awake without traffic.
    public var tail: Duration

    /// A radio that takes `delay` to wake and falls asleep `tail` after the last frame.
    public init(delay: Duration, tail: Duration) {
        self.delay = delay
        self.tail = tail
    }
}

/// Whether the radio of a link is awake. Both directions share it: a frame of either wakes it, and
/// frames of both wait meanwhile.
public struct RadioState: Sendable {
    /// What kind of radio it is.
    public let promotion: RadioPromotion
    /// When it is, or was, ready for the first frame since it last slept.
    private var readyTime = Instant(nanoseconds: .min / 2)
    /// When it falls asleep if nothing passes until then.
    private var sleepTime = Instant(nanoseconds: .min / 2)

    /// A radio that sleeps.
    public init(_ promotion: RadioPromotion) { self.promotion = promotion }

    /// A frame comes; says from when on it can be sent.
    public mutating func pass(now: Instant) -> Instant {
        if now >= sleepTime { readyTime = now + promotion.delay }
        let start = max(now, readyTime)
        sleepTime = max(sleepTime, start + promotion.tail)
        return start
    }

    /// The link was cut: the radio has to begin anew.
    public mutating func sleep() { self = RadioState(promotion) }
}
