internal import NetworkPrimitives
package import TraceAnalysis

/// When the experiment did what in a run, on the captures' clock, in nanoseconds.
package struct RunMoments: Hashable, Sendable {
    /// The workload began.
    package var start: Int64
    /// The workload ended: no new data were made from here on.
    package var end: Int64
    /// `t0` as it was measured; `nil` without break.
    package var breakTime: Int64?
    /// The new path came up; `nil` if it was up from the start.
    package var makeTime: Int64?
    /// When the first record in the direction that is looked at was due; `nil` if its sender did not
    /// say.
    package var firstRecord: Int64?
    /// What link changes did to interfaces, in the order of time.
    package var interfaceChanges: [InterfaceChange]

    /// An interface came up or went down.
    package struct InterfaceChange: Hashable, Sendable {
        package var time: Int64
        /// The number of the path.
        package var path: Int
        package var isUp: Bool

        package init(time: Int64, path: Int, isUp: Bool) {
            self.time = time
            self.path = path
            self.isUp = isUp
        }
    }

    package init(
        start: Int64, end: Int64, breakTime: Int64?, makeTime: Int64?, firstRecord: Int64? = nil,
        interfaceChanges: [InterfaceChange] = []
    ) {
        self.start = start
        self.end = end
        self.breakTime = breakTime
        self.makeTime = makeTime
        self.firstRecord = firstRecord
        self.interfaceChanges = interfaceChanges
    }

    /// What happened to the interface of a path during the workload, in the order of time: the
    /// break, the make and link changes.
    private func interfaceChanges(
        path: Int, of paths: MeasuredPaths, _ breakKind: BreakKind
    ) -> [InterfaceChange] {
        var changes = interfaceChanges.filter { $0.path == path }
        if path == paths.old, breakKind == .linkDown, let breakTime {
            changes.append(InterfaceChange(time: breakTime, path: path, isUp: false))
        }
        if path == paths.new, let makeTime {
            changes.append(InterfaceChange(time: makeTime, path: path, isUp: true))
        }
        return changes.stablySorted(by: \.time)
    }

    /// When the interface of a path was up, in the order of time; before the first change and after
    /// the last one without bound. An interface of a silent break, or one whose address was given up,
    /// stays up.
    package func upIntervals(
        path: Int, of paths: MeasuredPaths, _ scenario: HandoverScenario
    ) -> [Range<Int64>] {
        // Other paths than the two are out of it unless a link change brings them in.
        let isUpFirst =
            path == paths.old || path == paths.new && scenario.mode == .makeBeforeBreak
        var upSince: Int64? = isUpFirst ? .min : nil
        var intervals: [Range<Int64>] = []
        for change in interfaceChanges(path: path, of: paths, scenario.breakKind) {
            if change.isUp {
                upSince = upSince ?? change.time
            } else if let since = upSince {
                intervals.append(since..<change.time)
                upSince = nil
            }
        }
        if let upSince { intervals.append(upSince..<(.max)) }
        return intervals
    }
}

/// The paths of the topology as a measurement must know them.
package struct MeasuredPaths: Hashable, Sendable {
    /// In the order of the topology.
    package var all: [HandoverQuestion.Path]
    /// Index of the path that breaks.
    package var old: Int
    /// Index of the path that takes over.
    package var new: Int
    package var newPath: PathProfile
    package var oldPath: PathProfile

    package init(
        all: [HandoverQuestion.Path], old: Int, new: Int, newPath: PathProfile, oldPath: PathProfile
    ) {
        self.all = all
        self.old = old
        self.new = new
        self.newPath = newPath
        self.oldPath = oldPath
    }
}

extension HandoverQuestion {
    /// What a scenario asks of the captures of one of its runs.
    ///
    /// - Parameter seed: That of the run, from which the workload's records follow.
    package init(
        _ scenario: HandoverScenario, seed: UInt64, paths: MeasuredPaths, moments: RunMoments
    ) {
        self.init(
            breakTime: scenario.isNull ? nil : moments.breakTime, makeTime: moments.makeTime,
            direction: scenario.direction == .upload ? .upload : .download, paths: paths.all,
            oldPath: paths.old, newPath: paths.new,
            window: moments.start..<max(moments.start, moments.end))
        joinPermission =
            switch scenario.agreedJoin {
            case .standard: .fourthACK
            case .earlyData: .thirdACK
            case .synData: .syn
            }
        if scenario.scheduler == .redundant { redundantDirections.insert(.upload) }
        if scenario.serverScheduler == .redundant { redundantDirections.insert(.download) }
        newPathRoundTrip = paths.newPath.roundTrip.wholeNanoseconds
        records = Self.records(scenario.workload(seed: seed), first: moments.firstRecord)
        isDataAlwaysDue = scenario.workloadKind == .bulk
        if scenario.workloadKind == .bulk {
            remainingGoodput = paths.newPath.way(scenario.direction).goodput
        }
    }
}

extension HandoverQuestion {
    /// The records of the direction that is looked at. An echo is due when the client's record was.
    private static func records(
        _ workload: Workload, first: Int64?
    ) -> Known<[DueRecord]> {
        switch workload.kind {
        case .bulk: return .unknown("a bulk transfer has no records")
        case .requestResponse:
            return .unknown("no capture tells when the application made a request or a reply")
        case .stream, .echo, .voice, .interactive: break
        }
        guard let first, var schedule = RecordSchedule(workload) else {
            return .unknown("the sender did not say when its first record was due")
        }
        var records: [DueRecord] = []
        var end =
            workload.direction == .upload
            ? WorkloadPreamble.encodedLength
            : workload.hasStreamHeader ? StreamHeader.encodedLength : 0
        while true {
            let record = schedule.record()
            if record.due > workload.duration { return .value(records) }
            end += record.size
            records.append(DueRecord(end: end, due: first &+ record.due.wholeNanoseconds))
        }
    }
}

extension PathProfile.Way {
    /// Payload bits per second in full frames; `nil` without a rate.
    fileprivate var goodput: Double? {
        let share =
            Double(HandoverLimits.fullFrame - HandoverLimits.frameOverhead)
            / Double(HandoverLimits.fullFrame)
        return rate.map { Double($0.bitsPerSecond) * share }
    }
}

extension RunResult {
    /// Takes every number of design/metrics.md from the report of the run's captures. What the report
    /// does not tell gets its reason. Returns the measurement, for `CrossCheck`.
    @discardableResult
    package mutating func measure(
        _ report: TraceReport, _ scenario: HandoverScenario, paths: MeasuredPaths,
        moments: RunMoments
    ) -> HandoverMeasurement? {
        setRadioTime(scenario, paths, moments)
        let question = HandoverQuestion(scenario, seed: seed, paths: paths, moments: moments)
        guard let measurement = HandoverMeasurement(report, question) else {
            let reason = "the captures hold no connection of the two paths"
            for metric in Metric.allCases { setUnknown(metric, because: reason) }
            for milestone in Milestone.allCases { timeline.setUnknown(milestone, because: reason) }
            pathShare = paths.all.map { PathNumber($0.name, .unknown(reason)) }
            return nil
        }
        setTimeline(measurement.timeline, question)
        setNumbers(measurement)
        setLimits(scenario, paths, measurement)
        pathShare = zip(paths.all, measurement.pathShare).map {
            PathNumber($0.name, .value(Double($1)))
        }
        return measurement
    }

    private mutating func setTimeline(_ times: HandoverTimeline, _ question: HandoverQuestion) {
        guard let zero = question.breakTime else {
            for milestone in Milestone.allCases {
                timeline.setUnknown(milestone, because: "no break (--null)")
            }
            return
        }
        let moments: [(Milestone, Known<Int64>)] = [
            (.breakOldPath, .value(zero)),
            (.make, Known(question.makeTime, orUnknown: "up from the start")),
            (.ready, times.ready), (.detected, times.detected), (.joinSYN, times.joinSYN),
            (.joinSYNACK, times.joinSYNACK), (.joinACK, times.joinACK),
            (.joinFourthACK, times.joinFourthACK), (.firstReinjection, times.firstReinjection),
            (.firstDataOnNewPath, times.firstDataOnNewPath),
            (.firstDataACKOnNewPath, times.firstDataACKOnNewPath),
            (.firstLackingByteArrived, times.firstLackingByteArrived),
        ]
        for (milestone, moment) in moments {
            switch moment {
            case .value(let time): timeline[milestone] = milliseconds(time - zero)
            case .unknown(let reason): timeline.setUnknown(milestone, because: reason)
            }
        }
    }

    private mutating func setNumbers(_ measurement: HandoverMeasurement) {
        let times: [(Metric, Known<Int64>)] = [
            (.detection, measurement.detection), (.joinLatency, measurement.joinLatency),
            (.joinFirstData, measurement.joinFirstData), (.resume, measurement.resume),
            (.handover, measurement.handover), (.outage, measurement.outage),
            (.steadyGap, measurement.steadyGap), (.resumeGoodput, measurement.resumeGoodput),
        ]
        for (metric, time) in times { set(metric, Measured(time.map(milliseconds))) }
        setDelays(measurement.recordDelays)
        set(.stall, Measured(measurement.stall.map(milliseconds)))
        set(.connect, Measured(measurement.connect.map(milliseconds)))
        set(.handoverDuration, Measured(measurement.handoverDuration.map(milliseconds)))
        set(.joinLatencyRTTs, Measured(measurement.joinLatencyRTTs))
        let delays = measurement.reinjectionDelays
        set(.firstReinjectionDelay, Measured(delays.map { $0.first / 1e6 }))
        set(.medianReinjectionDelay, Measured(delays.map { $0.median / 1e6 }))
        set(.lastReinjectionDelay, Measured(delays.map { $0.last / 1e6 }))
        set(
            .usefulReinjectedBytes, Measured(measurement.usefulReinjectedOctets.map { Double($0) }))
        set(
            .redundantReinjectedBytes,
            Measured(measurement.redundantReinjectedOctets.map { Double($0) }))
    }

    /// What comes later than this is too late for a conversation.
    package static let lateness = Duration.milliseconds(150)

    private mutating func setDelays(_ known: Known<HandoverMeasurement.RecordDelays>) {
        let quantiles: [(Metric, Double)] = [
            (.medianDelay, 0.5), (.p95Delay, 0.95), (.p99Delay, 0.99), (.maximumDelay, 1),
        ]
        switch known {
        case .unknown(let reason):
            for (metric, _) in quantiles { setUnknown(metric, because: reason) }
            setUnknown(.late, because: reason)
        case .value(let delays):
            let bound = Self.lateness.wholeNanoseconds
            let late = delays.lost + delays.arrived.count { $0 > bound }
            set(.late, .value(Double(late) / Double(delays.lost + delays.arrived.count)))
            let times = delays.arrived.map { milliseconds($0) }
            for (metric, fraction) in quantiles {
                // A record that never came has no delay, and it would be the longest.
                set(
                    metric,
                    delays.lost > 0
                        ? .unknown("\(delays.lost) records never arrived")
                        : .value(Statistics.quantile(fraction, of: times)))
            }
        }
    }

    private mutating func setLimits(
        _ scenario: HandoverScenario, _ paths: MeasuredPaths, _ measurement: HandoverMeasurement
    ) {
        // A radio that has just come up sleeps; whether it does otherwise is the traffic's doing.
        // What is written until it is awake is there in time.
        let wake = scenario.mode == .breakBeforeMake ? paths.newPath.promotion : .zero
        let nextRecord =
            measurement.hadAllArrivedAtReady.value == true
            ? scenario.nextRecordAfterReady(delay: paths.oldPath.way(scenario.direction).delay)
            : .zero
        let limits = HandoverLimits(
            scenario, newPath: paths.newPath, oldPath: paths.oldPath,
            unacknowledgedBytes: measurement.unknownToSenderAtReady.value,
            nextRecord: max(nextRecord - wake, .zero))
        set(.limit, limits.limit.adding(wake.milliseconds))
        set(.floor, limits.floor.adding(wake.milliseconds))
    }

    /// How long each interface was up between the start of the workload and its end.
    private mutating func setRadioTime(
        _ scenario: HandoverScenario, _ paths: MeasuredPaths, _ moments: RunMoments
    ) {
        let window = moments.start..<max(moments.start, moments.end)
        radioTime = paths.all.indices.map { index in
            let up = moments.upIntervals(path: index, of: paths, scenario).map {
                Int64($0.clamped(to: window).count)
            }
            return PathNumber(paths.all[index].name, .value(milliseconds(up.reduce(0, +))))
        }
    }

    private func milliseconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds) / 1e6 }
}

extension Measured {
    fileprivate func adding(_ more: Double) -> Measured {
        if case .value(let value) = self { .value(value + more) } else { self }
    }

    fileprivate init(_ known: Known<Double>) {
        switch known {
        case .value(let value): self = .value(value)
        case .unknown(let reason): self = .unknown(reason)
        }
    }
}
