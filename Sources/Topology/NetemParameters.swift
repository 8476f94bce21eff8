package import LinkModel
package import NetworkPrimitives

/// One netem queue discipline, in its own words.
///
/// A direction of a link is one or two of them, `stages(for:mtu:)`: netem's `limit` counts the packets
/// in its delay line, and a netem that both shapes and delays would count those that travel as if
/// they waited. So the first stage is the way (delay, jitter, loss, corruption, as good as no limit),
/// and its child is the queue and the line (rate and limit, no delay). Not the other way round: the
/// limit of a netem counts what its child holds, too (Linux 6.1.192).
///
/// To the ends of a link it is the same whether frames travel before they wait or after; only a
/// frame that is lost at random takes no time on the line here, whereas it does in `LinkDirection`.
package struct NetemParameters: Hashable, Sendable {
    package var delay = Duration.zero
    package var jitter = Duration.zero
    package var loss = LossModel.none
    package var duplication = 0.0
    package var corruption = 0.0
    package var rate: BitRate?
    /// Packets.
    package var limit: Int

    /// The stages of one direction, the first being the root.
    ///
    /// - A queue limit in octets or in time becomes one in packets, for frames of the MTU; smaller
    ///   frames fill it earlier than the limit says. One in packets is exact. The frame on the line
    ///   counts on top.
    /// - With duplication all is one stage, because the kernel refuses a netem that duplicates next
    ///   to another one (a duplicate starts at the root). Its limit then has room for the frames of
    ///   the MTU that travel; smaller ones take room from the queue, and what waits for the line has
    ///   less jitter.
    /// - Without a rate nothing waits, and there is only the way.
    /// - A link that changes while it carries frames (`isChanging`) has a way even where that does
    ///   nothing, and keeps frames in order when its delay falls.
    package static func stages(
        for profile: LinkProfile, mtu: Int, isChanging: Bool = false
    ) -> [NetemParameters] {
        var way = NetemParameters(limit: wayLimit)
        way.delay = profile.oneWayDelay
        way.jitter = profile.jitter
        way.loss = profile.loss
        way.duplication = profile.duplication
        way.corruption = profile.corruption
        // netem sorts by the time of departure, except where there is a rate.
        if profile.jitter > .zero || isChanging, !profile.reorders { way.rate = orderingRate }
        guard let rate = profile.rate else { return [way] }
        let frame = mtu + ethernetHeader
        var line = NetemParameters(limit: waiting(profile.queue, rate, frame) + 1)
        line.rate = rate
        if profile.duplication > 0 {
            way.rate = rate
            way.limit = line.limit + frames(in: profile.oneWayDelay + profile.jitter, rate, frame)
            return [way]
        }
        return way.isEmpty && !isChanging ? [line] : [way, line]
    }

    /// Why netem cannot be this direction of a link; `nil` when it can.
    package static func obstacle(to profile: LinkProfile) -> String? {
        if profile.jitter > maximumJitter {
            return "netem takes no jitter above \(maximumJitter.milliseconds) ms"
        }
        if let rate = profile.rate, rate.bitsPerSecond < 8 {
            return "netem takes no rate below 8 bit/s"
        }
        if profile.rate != nil, profile.duplication > 0, profile.jitter > .zero, profile.reorders {
            return "netem cannot duplicate and reorder on a link with a rate"
        }
        return nil
    }

    /// What `tc qdisc ... netem` would be told.
    package var arguments: String {
        var words = "limit \(limit)"
        if delay > .zero || jitter > .zero {
            words += " delay \(Self.time(delay))"
            if jitter > .zero { words += " \(Self.time(jitter))" }
        }
        switch loss {
        case .none: break
        case .bernoulli(let share): words += " loss \(Self.percent(share))"
        case .gilbertElliott(let goodToBad, let badToGood, let lossInGood, let lossInBad):
            // tc: p r [1-h [1-k]], the last two being the loss in the bad and in the good state.
            words +=
                " loss gemodel \(Self.percent(goodToBad)) \(Self.percent(badToGood))"
                + " \(Self.percent(lossInBad)) \(Self.percent(lossInGood))"
        }
        if duplication > 0 { words += " duplicate \(Self.percent(duplication))" }
        if corruption > 0 { words += " corrupt \(Self.percent(corruption))" }
        if let rate { words += " rate \(rate.bitsPerSecond)bit" }
        return words
    }

    /// A netem that does nothing.
    private var isEmpty: Bool { self == NetemParameters(limit: limit) }

    /// Packets that may wait behind the one on the line.
    private static func waiting(_ queue: QueueLimit, _ rate: BitRate, _ frame: Int) -> Int {
        switch queue {
        case .packets(let count): max(count, 0)
        case .bytes(let count): max(count, 0) / frame
        case .time(let time):
            // A frame is taken while those before it leave within the limit.
            Int(max(time.wholeNanoseconds, 0) / rate.serialisationNanoseconds(bytes: frame))
        }
    }

    /// How many frames a line carries in this time, rounded up.
    private static func frames(in time: Duration, _ rate: BitRate, _ frame: Int) -> Int {
        let each = rate.serialisationNanoseconds(bytes: frame)
        return Int((time.wholeNanoseconds + each - 1) / each)
    }

    private static func time(_ time: Duration) -> String {
        let nanoseconds = time.wholeNanoseconds
        return nanoseconds % 1000 == 0 ? "\(nanoseconds / 1000)us" : "\(nanoseconds)ns"
    }

    private static func percent(_ share: Double) -> String {
        "\((share * 1e8).rounded() / 1e6)%"
    }

    private static let ethernetHeader = 14
    /// More than any link here carries at a time.
    private static let wayLimit = 1_000_000
    /// So fast that it delays nothing: 12 ns for a frame.
    private static let orderingRate = BitRate(bitsPerSecond: 1_000_000_000_000)
    /// Twice the jitter in nanoseconds must fit 32 bits.
    private static let maximumJitter = Duration.milliseconds(2_000)
}
