package import NetworkPrimitives

/// A path as the topology has it.
package struct PathProfile: Hashable, Sendable {
    /// Client to server.
    package var up: Way
    /// Server to client.
    package var down: Way
    /// How long its radio takes to wake.
    package var promotion = Duration.zero

    /// One direction of the path: propagation of all its links, rate of its slowest.
    package struct Way: Hashable, Sendable {
        package var delay: Duration
        /// `nil` is infinitely fast.
        package var rate: BitRate?
        /// Whether it carries IPv6, whose header is longer.
        package var isV6: Bool

        package init(delay: Duration, rate: BitRate?, isV6: Bool = false) {
            self.delay = delay
            self.rate = rate
            self.isV6 = isV6
        }
    }

    package init(promotion: Duration = .zero, up: Way, down: Way) {
        self.promotion = promotion
        self.up = up
        self.down = down
    }

    /// Its base RTT.
    package var roundTrip: Duration { up.delay + down.delay }

    package func way(_ direction: Direction) -> Way { direction == .upload ? up : down }
}

/// `limit_ms` and `floor_ms` of design/metrics.md.
package struct HandoverLimits: Hashable, Sendable {
    /// Ethernet 14, IPv4 20, TCP 20, timestamps 12, DSS with 8-octet DSN and DATA_ACK 28.
    package static let frameOverhead = 94
    /// What an IPv6 header has beyond an IPv4 one.
    package static let extraV6 = 20
    /// The largest Ethernet frame.
    package static let fullFrame = 1_514

    package var limit: Measured
    package var floor: Measured

    /// What the topology allows the variant in use, and any protocol.
    ///
    /// For a bulk upload `unacknowledgedBytes` are those that the receiver had at `ready` and whose
    /// DATA_ACK the sender had not: without fresh DATA_ACKs it must send them before what is lacking.
    /// Without the number there is no limit, save where the fourth ACK brings a fresh DATA_ACK.
    ///
    /// `oldPath` counts where it still delivers (`address-removed`): it may carry the client's signal
    /// sooner than the new one. Where that matters and it is not given, there is no limit. It counts,
    /// too, where a server notices its silence sooner than the signal of a slow new path comes.
    ///
    /// `nextRecord` is the time from `ready` until the application writes what the receiver lacks
    /// first; zero if it was written before. Nothing delivers an octet that is not written yet.
    package init(
        _ scenario: HandoverScenario, newPath: PathProfile, oldPath: PathProfile? = nil,
        unacknowledgedBytes: Int? = nil, nextRecord: Duration = .zero
    ) {
        if scenario.isNull {
            limit = .unknown("no break (--null)")
            floor = limit
            return
        }
        let workload = scenario.workload(seed: scenario.seed)
        let way = newPath.way(scenario.direction)
        let record = Self.serialisation(octets: workload.recordSize, on: way)
        guard let signal = Self.signalDelay(scenario, newPath, oldPath) else {
            limit = .unknown("how soon the old path carries the client's signal is not known")
            floor = limit
            return
        }
        // One one-way delay for an upload; for a download, of which only the client knows that it
        // must move, its signal there and the data back.
        let known = scenario.direction == .upload ? Duration.zero : signal
        floor = .value((max(known, nextRecord) + way.delay + record).milliseconds)
        limit = Self.limit(
            scenario, newPath, record, unacknowledgedBytes,
            earliest: max(Self.permission(scenario, newPath, signal), nextRecord))
    }

    /// From the client's knowledge to the server's. Where both paths were there, the server may
    /// notice by itself that the old one has gone silent: the last data that were lost left one way
    /// before the break, and the probe for them (RFC 8985, 7.2) is due two round trips later.
    private static func signalDelay(
        _ scenario: HandoverScenario, _ newPath: PathProfile, _ oldPath: PathProfile?
    ) -> Duration? {
        guard scenario.direction == .download, scenario.mode == .makeBeforeBreak else {
            return newPath.up.delay
        }
        if scenario.breakKind == .addressRemoved {
            return oldPath.map { min($0.up.delay, newPath.up.delay) }
        }
        guard let oldPath else { return newPath.up.delay }
        return min(newPath.up.delay, oldPath.roundTrip * 2 - oldPath.down.delay)
    }

    /// `earliest` is when, from `ready` on, the sender may and can send what is lacking.
    private static func limit(
        _ scenario: HandoverScenario, _ path: PathProfile, _ record: Duration, _ pending: Int?,
        earliest: Duration
    ) -> Measured {
        // In break-before-make the link up event of the new path tells most policies in any case.
        if !scenario.hasEventToJoin {
            return .unknown("nothing tells the client of the break: detection has no limit")
        }
        var least = earliest + path.way(scenario.direction).delay + record
        let bringsDataACK = scenario.joinsAfterBreak && scenario.agreedJoin == .standard
        if scenario.workloadKind == .bulk, scenario.direction == .upload, !bringsDataACK {
            guard let pending else {
                return .unknown("octets without DATA_ACK at ready are not known")
            }
            // At most one RTT: then the first DATA_ACK on the new path tells what is there.
            least += min(serialisation(octets: pending, on: path.up), path.roundTrip)
        }
        return .value(least.milliseconds)
    }

    /// From `ready` until the sender may use the new path: the table of design/metrics.md less the
    /// last way, with the delay of each way instead of half an RTT.
    private static func permission(
        _ scenario: HandoverScenario, _ path: PathProfile, _ signal: Duration
    ) -> Duration {
        let trip = path.roundTrip
        let refusal = scenario.isJoinRefusedFirst ? trip : .zero
        switch (scenario.joinsAfterBreak, scenario.direction, scenario.agreedJoin) {
        case (false, .upload, _): return .zero
        case (false, .download, _): return signal
        // SYN and SYN/ACK, third and fourth ACK.
        case (true, .upload, .standard): return refusal + trip * 2
        case (true, .upload, .earlyData): return trip
        case (true, .upload, .synData): return .zero
        // The third ACK authorises the server.
        case (true, .download, .standard), (true, .download, .earlyData):
            return refusal + trip + path.up.delay
        case (true, .download, .synData): return path.up.delay
        }
    }

    /// Time on the line of so many octets of payload in full frames; `nil` is one full frame.
    private static func serialisation(octets: Int?, on way: PathProfile.Way) -> Duration {
        guard let rate = way.rate else { return .zero }
        guard let octets else { return rate.serialisation(bytes: fullFrame) }
        let overhead = frameOverhead + (way.isV6 ? extraV6 : 0)
        let perFrame = fullFrame - overhead
        let frames = max((octets + perFrame - 1) / perFrame, octets > 0 ? 1 : 0)
        return rate.serialisation(bytes: octets + frames * overhead)
    }
}
