package import NetworkPrimitives

/// The new path as the topology has it.
package struct NewPath: Hashable, Sendable {
    /// Client to server.
    package var up: Way
    /// Server to client.
    package var down: Way

    /// One direction of the path: propagation of all its links, rate of its slowest.
    package struct Way: Hashable, Sendable {
        package var delay: Duration
        /// `nil` is infinitely fast.
        package var rate: BitRate?

        package init(delay: Duration, rate: BitRate?) {
            self.delay = delay
            self.rate = rate
        }
    }

    package init(up: Way, down: Way) {
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
    /// sooner than the new one. Where that matters and it is not given, there is no limit.
    package init(
        _ scenario: HandoverScenario, newPath: NewPath, oldPath: NewPath? = nil,
        unacknowledgedBytes: Int? = nil
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
        let base =
            scenario.direction == .upload ? newPath.up.delay : signal + newPath.down.delay
        floor = .value((base + record).milliseconds)
        limit = Self.limit(scenario, newPath, signal, record, unacknowledgedBytes)
    }

    /// From the client's knowledge to the server's.
    private static func signalDelay(
        _ scenario: HandoverScenario, _ newPath: NewPath, _ oldPath: NewPath?
    ) -> Duration? {
        guard scenario.breakKind == .addressRemoved, scenario.direction == .download,
            scenario.mode == .makeBeforeBreak
        else { return newPath.up.delay }
        return oldPath.map { min($0.up.delay, newPath.up.delay) }
    }

    private static func limit(
        _ scenario: HandoverScenario, _ path: NewPath, _ signal: Duration, _ record: Duration,
        _ pending: Int?
    ) -> Measured {
        // In break-before-make the link up event of the new path tells in any case.
        if scenario.mode == .makeBeforeBreak, !scenario.isClientToldOfBreak {
            return .unknown("nothing tells the client of the break: detection has no limit")
        }
        var least = leastSwitch(scenario, path, signal) + record
        let bringsDataACK = scenario.mode == .breakBeforeMake && scenario.join == .standard
        if scenario.workloadKind == .bulk, scenario.direction == .upload, !bringsDataACK {
            guard let pending else {
                return .unknown("octets without DATA_ACK at ready are not known")
            }
            // At most one RTT: then the first DATA_ACK on the new path tells what is there.
            least += min(serialisation(octets: pending, on: path.up), path.roundTrip)
        }
        return .value(least.milliseconds)
    }

    /// The table of design/metrics.md, with the delay of each way instead of half an RTT.
    private static func leastSwitch(
        _ scenario: HandoverScenario, _ path: NewPath, _ signal: Duration
    ) -> Duration {
        let trip = path.roundTrip
        switch (scenario.mode, scenario.direction, scenario.join) {
        case (.makeBeforeBreak, .upload, _): return path.up.delay
        case (.makeBeforeBreak, .download, _): return signal + path.down.delay
        // SYN and SYN/ACK, third and fourth ACK, data.
        case (.breakBeforeMake, .upload, .standard): return trip * 2 + path.up.delay
        case (.breakBeforeMake, .upload, .earlyData): return trip + path.up.delay
        case (.breakBeforeMake, .upload, .synData): return path.up.delay
        // The third ACK authorises the server: 1.5 RTT, and the data come back.
        case (.breakBeforeMake, .download, .standard), (.breakBeforeMake, .download, .earlyData):
            return trip * 2
        case (.breakBeforeMake, .download, .synData): return trip
        }
    }

    /// Time on the line of so many octets of payload in full frames; `nil` is one full frame.
    private static func serialisation(octets: Int?, on way: NewPath.Way) -> Duration {
        guard let rate = way.rate else { return .zero }
        guard let octets else { return rate.serialisation(bytes: fullFrame) }
        let perFrame = fullFrame - frameOverhead
        let frames = max((octets + perFrame - 1) / perFrame, octets > 0 ? 1 : 0)
        return rate.serialisation(bytes: octets + frames * frameOverhead)
    }
}
