/// How late what the application wrote was at the other application.
extension HandoverLook {
    /// Delivery pauses shorter than this are no stall.
    private static let leastStall: Int64 = 100_000_000

    /// Delay of each record that was sent, from when it was due to its in-order arrival; one that
    /// never arrived has none.
    func recordDelays() -> Known<HandoverMeasurement.RecordDelays> {
        let records: [DueRecord]
        switch question.records {
        case .value(let known): records = known
        case .unknown(let reason): return .unknown(reason)
        }
        if let obstacle = obstacleToOffsets { return .unknown(obstacle) }
        guard let end = stream.transmissions.lazy.map(\.range.upperBound).max() else {
            return .unknown("no data were sent")
        }
        var delays = HandoverMeasurement.RecordDelays()
        var steps = stream.progress[...]
        for record in records.prefix(while: { $0.end <= end }) {
            while let step = steps.first, step.offset < record.end { steps.removeFirst() }
            if let step = steps.first {
                delays.arrived.append(step.time - record.due)
            } else {
                delays.lost += 1
            }
        }
        if delays.arrived.isEmpty, delays.lost == 0 { return .unknown("no record was sent") }
        delays.arrived.sort()
        return .value(delays)
    }

    /// Why offsets at the receiver say nothing of records.
    private var obstacleToOffsets: String? {
        if !stream.isOriginInitial { return "the beginning of the stream was not captured" }
        return stream.showsArrival ? nil : "arrival at the receiver was not captured"
    }

    /// The sum of the pauses in delivery that are longer, by more than 100 ms, than the workload's
    /// own; each counts without that one. A pause begins when something is due that has not arrived.
    ///
    /// The workload's own pause is the longest before the break. Without a break it is none: what is
    /// due on a cadence, or as fast as it goes, is on its way at once.
    func stall() -> Known<Int64> {
        guard stream.showsArrival else {
            return .unknown("arrival at the receiver was not captured")
        }
        let pauses = deliveryPauses()
        var steady: Int64 = 0
        if let start = question.breakTime {
            steady = pauses.lazy.filter { $0.end <= start }.map(\.nanoseconds).max() ?? 0
        } else if !question.isDataAlwaysDue, question.records.value == nil {
            return .unknown(
                "when something is due is not known, and there is no break to compare with")
        }
        return .value(
            pauses.reduce(0) { sum, pause in
                let excess = pause.nanoseconds - steady
                return excess > Self.leastStall ? sum + excess : sum
            })
    }

    /// From one arrival to the next, without the time in which nothing was due.
    private func deliveryPauses() -> [ProgressGap] {
        let window = question.window
        let steps = stream.progress.filter { $0.time >= window.lowerBound }
        var records = (stream.isOriginInitial ? question.records.value : nil)?[...]
        func start(after step: ProgressStep) -> Int64 {
            guard records != nil else { return step.time }
            while let record = records?.first, record.end <= step.offset { records?.removeFirst() }
            return max(step.time, records?.first?.due ?? .max)
        }
        var pauses: [ProgressGap] = []
        for (earlier, later) in zip(steps, steps.dropFirst()) {
            let begin = start(after: earlier)
            if begin < later.time { pauses.append(ProgressGap(start: begin, end: later.time)) }
        }
        if let last = steps.last, !isComplete {
            let begin = start(after: last)
            if begin < window.upperBound {
                pauses.append(ProgressGap(start: begin, end: window.upperBound))
            }
        }
        return pauses
    }

    /// From the first data on the new path to the last packet on the old one, the end of the
    /// workload at the latest: as long as both are in use. Zero where the old path had its last packet
    /// before.
    func handoverDuration() -> Known<Int64> {
        let starts = TraceDirection.allCases.flatMap { direction in
            connection[direction].transmissions.lazy
                .filter { paths[$0.subflow] == question.newPath }
                .compactMap(\.times.first)
        }
        guard let first = starts.min() else { return .unknown("no data on the new path") }
        let ends = connection.subflows.indices.filter { isOnOldPath($0) }
            .map { connection.subflows[$0].lastTime }
        guard let last = ends.max() else { return .unknown("nothing on the old path") }
        return .value(max(0, min(last, question.window.upperBound) - first))
    }
}
