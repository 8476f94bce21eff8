internal import LinkModel
internal import NetworkPrimitives

/// Reads the two directions of a link: what stands at the path counts for both, what stands under
/// `up` or `down` for that one only.
struct LinkProfileReader {
    /// What a link can be told, besides `rtt`.
    static let keys = [
        "rate", "rtt", "delay", "jitter", "reorder", "loss", "queue", "duplication", "corruption",
        "up", "down", "promotion",
    ]

    static func read(
        _ fields: inout FieldReader, mtu: Int
    ) throws(TopologyError) -> (up: LinkProfile, down: LinkProfile) {
        if fields.has("rtt"), fields.has("delay") {
            throw fields.error("rtt", "'rtt' and 'delay' say the same: one of them must go")
        }
        var shared = LinkProfileReader()
        try shared.readValues(&fields)
        if let rtt = try fields.time("rtt", in: .zero...longestDelay * 2) {
            shared.delay = rtt / 2
        }
        var directions: [LinkProfileReader] = []
        var readers: [FieldReader] = []
        for key in ["up", "down"] {
            var direction = shared
            if var own = try fields.mapping(key) {
                try direction.readValues(&own)
                try own.finish(
                    foreign: [
                        "rtt": "'rtt' is of both directions: here stands 'delay'",
                        "promotion":
                            "both directions share the radio: 'promotion' stands at the path",
                    ])
                readers.append(own)
            } else {
                readers.append(fields)
            }
            directions.append(direction)
        }
        // The bandwidth-delay product takes the round trip, so both delays must be known.
        let up = try directions[0].delay(readers[0])
        let down = try directions[1].delay(readers[1])
        return (
            try directions[0].profile(readers[0], delay: up, roundTrip: up + down, mtu: mtu),
            try directions[1].profile(readers[1], delay: down, roundTrip: up + down, mtu: mtu)
        )
    }

    /// The radio of a path that sleeps.
    static func promotion(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> RadioPromotion? {
        guard var own = try fields.mapping("promotion") else { return nil }
        let delay = try own.time("delay", in: .milliseconds(1)...longestDelay)
        let tail = try own.time("tail", in: .milliseconds(1)...longestTail)
        try own.finish()
        guard let delay else { throw own.missing("delay") }
        guard let tail else { throw own.missing("tail") }
        return RadioPromotion(delay: delay, tail: tail)
    }

    private enum Queue {
        case limit(QueueLimit)
        case bandwidthDelayProducts(Double)
    }

    private enum Rate {
        case limited(BitRate)
        case unlimited
    }

    private var rate: Rate?
    private var delay: Duration?
    private var jitter = Duration.zero
    private var reorders = false
    private var loss = LossModel.none
    private var queue: Queue?
    private var duplication = 0.0
    private var corruption = 0.0

    private static let longestDelay = Duration.seconds(60)
    private static let longestTail = Duration.seconds(3_600)

    private mutating func readValues(_ fields: inout FieldReader) throws(TopologyError) {
        rate = try Self.rate(&fields) ?? rate
        delay = try fields.time("delay", in: .zero...Self.longestDelay) ?? delay
        jitter = try fields.time("jitter", in: .zero...Self.longestDelay) ?? jitter
        reorders = try fields.flag("reorder") ?? reorders
        loss = try Self.loss(&fields) ?? loss
        queue = try Self.queue(&fields) ?? queue
        duplication = try fields.share("duplication") ?? duplication
        corruption = try fields.share("corruption") ?? corruption
    }

    private func delay(_ fields: FieldReader) throws(TopologyError) -> Duration {
        guard let delay else {
            throw fields.missing("rtt", "; or 'delay' for each direction")
        }
        return delay
    }

    private func profile(
        _ fields: FieldReader, delay: Duration, roundTrip: Duration, mtu: Int
    ) throws(TopologyError) -> LinkProfile {
        guard let rate else {
            throw fields.missing("rate", "; 'unlimited' is a rate, too")
        }
        guard jitter <= delay else {
            throw fields.error("jitter", "must not be greater than the delay of one direction")
        }
        if reorders, jitter == .zero {
            throw fields.error("reorder", "needs 'jitter': without it nothing gets reordered")
        }
        let line: BitRate? = if case .limited(let rate) = rate { rate } else { nil }
        var profile = LinkProfile(rate: line, oneWayDelay: delay)
        profile.jitter = jitter
        profile.reorders = reorders
        profile.loss = loss
        profile.duplication = duplication
        profile.corruption = corruption
        switch queue {
        case nil: break
        case .limit(let limit):
            guard line != nil else { throw fields.error("queue", Self.needless) }
            profile.queue = limit
        case .bandwidthDelayProducts(let count):
            guard let line else { throw fields.error("queue", Self.needless) }
            let octets = count * Double(line.bitsPerSecond) / 8 * roundTrip.seconds
            // At least one packet, or nothing could wait at all.
            let frame = mtu + Self.ethernetHeader
            profile.queue = .bytes(max(Int(min(octets, 1e9).rounded()), frame))
        }
        return profile
    }

    private static let ethernetHeader = 14
    private static let needless = "an unlimited rate has no queue"

    // MARK: Single values

    private static func rate(_ fields: inout FieldReader) throws(TopologyError) -> Rate? {
        guard let text = try fields.text("rate") else { return nil }
        if text == "unlimited" { return .unlimited }
        return try fields.bitRate("rate").map { .limited(BitRate(bitsPerSecond: Int64($0))) }
    }

    private static func queue(_ fields: inout FieldReader) throws(TopologyError) -> Queue? {
        guard let quantity = try fields.quantity("queue", .queue) else { return nil }
        let number = quantity.number
        switch quantity.unit {
        case "ms", "us", "s":
            guard (1e3...600e9).contains(number) else {
                throw fields.error("queue", "must lie between 1 us and 600 s")
            }
            return .limit(.time(.nanoseconds(Int64(number.rounded()))))
        case "packets", "packet":
            guard (1...1e6).contains(number), number == number.rounded() else {
                throw fields.error("queue", "must be a whole number from 1 to 1000000 packets")
            }
            return .limit(.packets(Int(number)))
        case "BDP":
            guard (0.01...100).contains(number) else {
                throw fields.error("queue", "must lie between 0.01 and 100 BDP")
            }
            return .bandwidthDelayProducts(number)
        default:
            guard (576...1e9).contains(number) else {
                throw fields.error("queue", "must lie between 576 B and 1000 MB")
            }
            return .limit(.bytes(Int(number.rounded())))
        }
    }

    private static func loss(_ fields: inout FieldReader) throws(TopologyError) -> LossModel? {
        guard fields.isMapping("loss") else {
            return try fields.share("loss").map { $0 == 0 ? .none : .bernoulli($0) }
        }
        guard var burst = try fields.mapping("loss") else { return nil }
        func share(
            _ key: String, default value: Double? = nil
        ) throws(TopologyError) -> Double {
            if let share = try burst.share(key) ?? value { return share }
            throw burst.missing(key)
        }
        let goodToBad = try share("good-to-bad")
        let badToGood = try share("bad-to-good")
        let lossInGood = try share("loss-in-good", default: 0)
        let lossInBad = try share("loss-in-bad", default: 1)
        try burst.finish()
        return .gilbertElliott(
            goodToBad: goodToBad, badToGood: badToGood, lossInGood: lossInGood,
            lossInBad: lossInBad)
    }
}
