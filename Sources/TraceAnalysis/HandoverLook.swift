internal import NetworkPrimitives

/// One connection seen with the eyes of a question.
struct HandoverLook {
    let connection: ConnectionTrace
    let question: HandoverQuestion
    let stream: DirectionTrace
    /// For each subflow its path in the question, `nil` for none of them.
    let paths: [Int?]
    let joins: JoinMeasurement

    static let noBreak = "no break (--null)"
    static let departureMissing = "what left the sender was not captured"

    init(_ connection: ConnectionTrace, _ question: HandoverQuestion) {
        self.connection = connection
        self.question = question
        stream = connection[question.direction]
        paths = connection.subflows.map { subflow in
            question.paths.firstIndex {
                $0.clientAddresses.contains(subflow.tuple.local.address)
            }
        }
        joins = JoinMeasurement(connection, question, paths)
    }

    func isOnOldPath(_ subflow: Int) -> Bool { paths[subflow] == question.oldPath }

    /// Everything that is measured. `firstSYN` is when the client first tried to connect.
    func measurement(firstSYN: Int64?) -> HandoverMeasurement {
        let resumed = firstLackingByteArrival()
        let delays = reinjectionDelays()
        let octets = reinjectedOctets()
        let detected = detection()
        let timeline = HandoverTimeline(
            ready: Known(question.readyTime, orUnknown: Self.noBreak), detected: detected,
            joinSYN: joins.syn, joinSYNACK: joins.synACK, joinACK: joins.thirdACK,
            joinFourthACK: joins.fourthACK, firstReinjection: firstReinjection(),
            firstDataOnNewPath: firstDataOnNewPath(),
            firstDataACKOnNewPath: firstDataACKOnNewPath(), firstLackingByteArrived: resumed)
        return HandoverMeasurement(
            connection: connection.index, connect: connectTime(firstSYN), timeline: timeline,
            detection: sinceBreak(detected), joinLatency: joins.latency,
            joinFirstData: joins.firstData(stream), joinLatencyRTTs: joins.latencyInRoundTrips,
            reinjectionDelays: delays, usefulReinjectedOctets: octets.map(\.useful),
            redundantReinjectedOctets: octets.map(\.redundant),
            resume: since(question.readyTime, resumed), handover: sinceBreak(resumed),
            outage: outage(), steadyGap: steadyGap(), resumeGoodput: resumeGoodput(),
            pathShare: question.paths.indices.map { octetsOfFirstTransmissions(on: $0) },
            unknownToSenderAtReady: unknownToSenderAtReady(),
            hadAllArrivedAtReady: hadAllArrivedAtReady(), joins: connection.joins.count,
            recordDelays: recordDelays(), stall: stall(), handoverDuration: handoverDuration())
    }

    private func connectTime(_ firstSYN: Int64?) -> Known<Int64> {
        guard let firstSYN, let first = connection.subflows.first else {
            return .unknown("the captures hold no SYN")
        }
        return first.synACKArrival.map { $0 - firstSYN }
    }

    func sinceBreak(_ moment: Known<Int64>) -> Known<Int64> { since(question.breakTime, moment) }

    private func since(_ start: Int64?, _ moment: Known<Int64>) -> Known<Int64> {
        guard let start else { return .unknown(Self.noBreak) }
        return moment.map { $0 - start }
    }
}

// MARK: - What the endpoints did

extension HandoverLook {
    /// The first action of an endpoint that shows that it knows.
    private func detection() -> Known<Int64> {
        guard let start = question.breakTime else { return .unknown(Self.noBreak) }
        var moments: [Int64] = connection.joins.compactMap(\.start)
        for direction in TraceDirection.allCases
        where !question.redundantDirections.contains(direction)
            && connection[direction].showsDeparture
        {
            moments += connection[direction].reinjections.compactMap(\.times.first)
        }
        for signal in connection.signals {
            switch signal.content {
            case .removeAddress, .priority:
                if let time = signal.times.first { moments.append(time) }
            case .addAddress, .fail, .fastClose, .reset, .dataFIN, .joinCapabilities: break
            }
        }
        let first = moments.filter { $0 >= start }.min()
        return Known(first, orUnknown: "no endpoint shows that it knows of the break")
    }

    /// First transmissions, on another subflow, of ranges that the old path had carried before the break
    /// and that were not DATA_ACKed then: what is DATA_ACKed when it is sent is no reinjection.
    private func reinjections() -> [(time: Int64, index: Int)] {
        guard let start = question.breakTime else { return [] }
        var seen = RangeSet()
        return stream.reinjections.indices.compactMap { index in
            let reinjection = stream.reinjections[index]
            let isNew = seen.insert(reinjection.range) > 0
            guard isNew, isOnOldPath(reinjection.from), !isOnOldPath(reinjection.to),
                let time = reinjection.times.first, time >= start,
                reinjection.originalSent.map({ $0 < start }) ?? true
            else { return nil }
            return (time, index)
        }
    }

    private func firstReinjection() -> Known<Int64> {
        if let reason = whyReinjectionsAreUnknown { return .unknown(reason) }
        return Known(reinjections().first?.time, orUnknown: Self.nothingReinjected)
    }

    private static let nothingReinjected = "nothing was reinjected"

    private var whyReinjectionsAreUnknown: String? {
        question.breakTime == nil ? Self.noBreak : whyNoneIsOne
    }

    private var whyNoneIsOne: String? {
        if !stream.showsDeparture { return Self.departureMissing }
        guard question.redundantDirections.contains(question.direction) else { return nil }
        return "the redundant scheduler sends every octet on each path"
    }

    private func reinjectionDelays() -> Known<HandoverMeasurement.ReinjectionDelays> {
        if let reason = whyReinjectionsAreUnknown { return .unknown(reason) }
        guard let start = question.breakTime else { return .unknown(Self.noBreak) }
        let delays = reinjections().map { $0.time - start }.sorted()
        guard let first = delays.first, let last = delays.last else {
            return .unknown(Self.nothingReinjected)
        }
        let middle = delays.count / 2
        let median =
            delays.count % 2 == 1
            ? Double(delays[middle]) : Double(delays[middle - 1] + delays[middle]) / 2
        return .value(.init(first: Double(first), median: median, last: Double(last)))
    }

    /// Without a break all reinjections count, on whichever path.
    private func reinjectedOctets() -> Known<Octets> {
        if let reason = whyNoneIsOne { return .unknown(reason) }
        let all =
            question.breakTime == nil
            ? stream.reinjections : reinjections().map { stream.reinjections[$0.index] }
        for reinjection in all {
            for subflow in [reinjection.from, reinjection.to] where !showsArrival(subflow) {
                return .unknown("arrival of subflow \(subflow) was not captured at the receiver")
            }
        }
        return .value(
            Octets(
                useful: all.reduce(0) { $0 + $1.useful },
                redundant: all.reduce(0) { $0 + $1.redundant }))
    }

    struct Octets: Hashable, Sendable {
        var useful: Int
        var redundant: Int
    }

    private func showsArrival(_ subflow: Int) -> Bool {
        let trace = connection.subflows[subflow]
        return question.direction == .upload
            ? trace.uploadPlace.showsArrival : trace.downloadPlace.showsArrival
    }

    private func firstDataOnNewPath() -> Known<Int64> {
        guard let start = question.breakTime else { return .unknown(Self.noBreak) }
        let first = stream.transmissions.lazy.compactMap { transmission -> Int64? in
            guard paths[transmission.subflow] == question.newPath,
                let time = transmission.times.first, time >= start
            else { return nil }
            return time
        }.min()
        return Known(first, orUnknown: "no data on the new path")
    }

    private func firstDataACKOnNewPath() -> Known<Int64> {
        guard let data = firstDataOnNewPath().value else { return firstDataOnNewPath() }
        let first = stream.dataACKs.first { step in
            paths[step.subflow] == question.newPath && (step.times.arrived ?? .min) > data
        }
        return Known(first?.times.arrived, orUnknown: "no DATA_ACK on the new path")
    }

    private func octetsOfFirstTransmissions(on path: Int) -> Int {
        stream.transmissions.reduce(0) { sum, transmission in
            transmission.kind == .first && paths[transmission.subflow] == path
                ? sum + transmission.range.count : sum
        }
    }

    /// What a sender without fresh DATA_ACKs must send before what the receiver lacks.
    private func unknownToSenderAtReady() -> Known<Int> {
        guard let ready = question.readyTime else { return .unknown(Self.noBreak) }
        guard let lacking = firstLackingByte(at: ready) else {
            return .unknown("nothing had arrived before")
        }
        let acknowledged = stream.dataACKs.last { ($0.times.arrived ?? .max) <= ready }?.offset
        guard let start = acknowledged ?? (stream.isOriginInitial ? 0 : nil) else {
            return .unknown("no DATA_ACK before")
        }
        return .value(max(0, lacking - start))
    }
}
