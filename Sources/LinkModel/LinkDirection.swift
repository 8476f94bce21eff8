internal import DequeModule
public import NetworkPrimitives

/// One direction of a link as arithmetic: the same in virtual and in real time.
///
/// `offer` a frame when it comes to the queue; the verdict says when it arrives. A carrier that
/// holds frames until then drops those whose `epoch` is not the link's any more.
public struct LinkDirection: Sendable {
    /// The profile. A change counts for frames offered from then on: those in the queue leave it
    /// when they would have, and when the delay falls later frames arrive behind them, not before,
    /// unless the profile reorders.
    public var profile: LinkProfile
    /// Whether frames get through.
    public private(set) var isUp = true
    /// Counts cuts: a frame inside the link at a cut never arrives.
    public private(set) var epoch = 0
    /// Counters.
    public private(set) var statistics = Statistics()

    /// What happened to frames so far.
    public struct Statistics: Hashable, Sendable {
        /// Frames offered.
        public var offered = 0
        /// Octets of frames that arrive.
        public var deliveredBytes = 0
        /// Frames that found the queue full.
        public var queueDrops = 0
        /// Frames lost at random.
        public var losses = 0
        /// Frames offered while the link was cut.
        public var downDrops = 0
    }

    private var generator: SeededGenerator
    private var lineFree = Instant(nanoseconds: .min / 2)
    private var lastArrival = Instant(nanoseconds: .min / 2)
    private var isBad = false
    /// When each frame in queue or on the line has left it, for limits in packets and octets.
    private var departures: Deque<(at: Instant, bytes: Int)> = []
    private var queuedBytes = 0

    /// A link in this profile whose chances follow from the generator.
    public init(profile: LinkProfile, generator: SeededGenerator) {
        self.profile = profile
        self.generator = generator
    }

    /// Has the chances follow from another generator, as those of a new link do.
    public mutating func reseed(_ generator: SeededGenerator) {
        self.generator = generator
        isBad = false
    }

    /// Cuts the link, or mends it. What is inside at a cut is lost.
    public mutating func setUp(_ isUp: Bool) {
        guard self.isUp != isUp else { return }
        self.isUp = isUp
        if !isUp {
            epoch += 1
            departures.removeAll(keepingCapacity: true)
            queuedBytes = 0
            lineFree = Instant(nanoseconds: .min / 2)
            // Nor does what was lost hold back what comes after the link is mended.
            lastArrival = Instant(nanoseconds: .min / 2)
        }
    }

    /// A frame of so many octets comes to the queue.
    ///
    /// - Parameter radioReady: until then nothing leaves the queue (`RadioState`).
    public mutating func offer(bytes: Int, radioReady: Instant? = nil, now: Instant) -> Verdict {
        statistics.offered += 1
        guard isUp else {
            statistics.downDrops += 1
            return .drop(.down)
        }
        while let first = departures.first, first.at <= now {
            departures.removeFirst()
            queuedBytes -= first.bytes
        }
        let start = max(now, radioReady ?? now)
        guard hasRoom(for: bytes, start: start) else {
            statistics.queueDrops += 1
            return .drop(.queueFull)
        }
        let departure: Instant
        if let rate = profile.rate {
            departure = max(start, lineFree) + rate.serialisation(bytes: bytes)
            lineFree = departure
            departures.append((departure, bytes))
            queuedBytes += bytes
        } else {
            departure = start
        }
        if isLost() {
            statistics.losses += 1
            return .drop(.loss)
        }
        statistics.deliveredBytes += bytes
        let arrival = arrival(of: departure)
        if chance(profile.duplication) {
            return .deliverTwice(at: arrival, and: self.arrival(of: departure))
        }
        if chance(profile.corruption) {
            return .corrupt(at: arrival, bit: Int(generator.next() % UInt64(max(bytes * 8, 1))))
        }
        return .deliver(at: arrival)
    }

    private func hasRoom(for bytes: Int, start: Instant) -> Bool {
        guard profile.rate != nil else { return true }
        // The frame on the line is not in the queue.
        let waiting = max(departures.count - 1, 0)
        let isIdle = departures.isEmpty
        switch profile.queue {
        case .packets(let limit): return isIdle || waiting < limit
        case .bytes(let limit):
            let onLine = departures.first?.bytes ?? 0
            return isIdle || queuedBytes - onLine + bytes <= limit
        case .time(let limit): return isIdle || lineFree - start <= limit
        }
    }

    private mutating func arrival(of departure: Instant) -> Instant {
        var arrival = departure + profile.oneWayDelay
        let jitter = profile.jitter.wholeNanoseconds
        if jitter > 0 {
            let spread = Int64(generator.next() % UInt64(2 * jitter + 1)) - jitter
            arrival = max(arrival + .nanoseconds(spread), departure)
        }
        if !profile.reorders { arrival = max(arrival, lastArrival) }
        lastArrival = max(lastArrival, arrival)
        return arrival
    }

    private mutating func isLost() -> Bool {
        switch profile.loss {
        case .none: return false
        case .bernoulli(let probability): return chance(probability)
        case .gilbertElliott(let goodToBad, let badToGood, let lossInGood, let lossInBad):
            if chance(isBad ? badToGood : goodToBad) { isBad.toggle() }
            return chance(isBad ? lossInBad : lossInGood)
        }
    }

    private mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && generator.unitInterval() < probability
    }
}
