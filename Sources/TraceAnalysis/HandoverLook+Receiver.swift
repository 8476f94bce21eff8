internal import NetworkPrimitives

/// What the receiver got when.
extension HandoverLook {
    private static let goodputSpan: Int64 = 100_000_000

    /// The first octet, in order, that had not reached the receiver at `ready`.
    func firstLackingByte(at ready: Int64) -> Int? {
        var there = RangeSet()
        var start: Int? = stream.isOriginInitial ? 0 : nil
        for transmission in stream.transmissions {
            guard let time = transmission.times.arrived, time <= ready, transmission.isTaken
            else { continue }
            there.insert(transmission.range)
            if start == nil { start = transmission.range.lowerBound }
        }
        return start.map { there.end(of: $0) }
    }

    /// Whether nothing was under way at `ready`: the octet that the receiver lacked first had not
    /// been sent on any subflow.
    func hadAllArrivedAtReady() -> Known<Bool> {
        guard let ready = question.readyTime else { return .unknown(Self.noBreak) }
        guard let lacking = firstLackingByte(at: ready) else {
            return .unknown("nothing had arrived before")
        }
        guard stream.showsDeparture else { return .unknown(Self.departureMissing) }
        return .value(
            !stream.transmissions.contains { transmission in
                transmission.range.contains(lacking)
                    && (transmission.times.sent ?? .max) <= ready
            })
    }

    /// When the first octet that the receiver lacked at `ready` came by another subflow. If the old
    /// path, which may still deliver, brought it first, what counts as well is the first new octet by
    /// another subflow.
    func firstLackingByteArrival() -> Known<Int64> {
        guard let ready = question.readyTime else { return .unknown(Self.noBreak) }
        guard let lacking = firstLackingByte(at: ready) else {
            return .unknown(
                "nothing had arrived at \(question.breakTime == ready ? "the break" : "ready")")
        }
        var byNewPath: Int64?
        var firstNewOctets: Int64?
        var isByOldPath = false
        for transmission in stream.transmissions {
            guard let time = transmission.times.arrived, time > ready, transmission.isTaken
            else { continue }
            let hasIt = transmission.range.contains(lacking)
            if isOnOldPath(transmission.subflow) {
                if hasIt { isByOldPath = true }
                continue
            }
            if hasIt { byNewPath = min(byNewPath ?? time, time) }
            if transmission.newOctets > 0 { firstNewOctets = min(firstNewOctets ?? time, time) }
        }
        let moment = [byNewPath, isByOldPath ? firstNewOctets : nil].compactMap(\.self).min()
        return Known(moment, orUnknown: "what was lacking never came by another subflow")
    }

    /// Steps of the in-order stream from the start of the workload on.
    private var steps: [ProgressStep] {
        stream.progress.filter { $0.time >= question.window.lowerBound }
    }

    /// The workload's own largest gap before the break.
    func steadyGap() -> Known<Int64> {
        let end = question.breakTime ?? question.window.upperBound
        let before = steps.filter { $0.time <= end }
        let gap = zip(before, before.dropFirst()).map { $1.time - $0.time }.max()
        return Known(gap, orUnknown: "fewer than two arrivals before the break")
    }

    /// The longest gap that contains or follows the break, without the workload's own.
    func outage() -> Known<Int64> {
        guard let start = question.breakTime else { return .unknown(Self.noBreak) }
        guard let steady = steadyGap().value else {
            return .unknown("the workload's own gap is not known")
        }
        let steps = steps
        var longest: Int64 = 0
        for (earlier, later) in zip(steps, steps.dropFirst()) where later.time > start {
            guard earlier.time < question.window.upperBound else { break }
            longest = max(longest, later.time - earlier.time)
        }
        if let last = steps.last, !isComplete {
            longest = max(longest, question.window.upperBound - last.time)
        }
        return .value(max(0, longest - steady))
    }

    /// Whether everything arrived that was to be sent.
    var isComplete: Bool {
        guard let end = stream.dataFIN?.offset, let there = stream.deliveredOffset else {
            return false
        }
        return there >= end
    }

    /// From the break until the other paths carry, over 100 ms, 90 % of what the remaining path can.
    func resumeGoodput() -> Known<Int64> {
        guard let start = question.breakTime else { return .unknown(Self.noBreak) }
        guard let goodput = question.remainingGoodput else {
            return .unknown("only a bulk transfer takes all that the path can carry")
        }
        let arrivals = stream.transmissions.compactMap { transmission in
            transmission.times.arrived.flatMap { time in
                time > start && transmission.newOctets > 0 && !isOnOldPath(transmission.subflow)
                    ? (time: time, octets: transmission.newOctets) : nil
            }
        }.sorted { $0.time < $1.time }
        let needed = 0.9 * goodput * Double(Self.goodputSpan) / 8e9
        var sum = 0
        var oldest = 0
        for arrival in arrivals {
            sum += arrival.octets
            while arrivals[oldest].time <= arrival.time - Self.goodputSpan {
                sum -= arrivals[oldest].octets
                oldest += 1
            }
            if arrival.time >= start + Self.goodputSpan, Double(sum) >= needed {
                return .value(arrival.time - start)
            }
        }
        return .unknown("90 % of what the remaining path can carry was not reached")
    }
}
