internal import NetworkPrimitives

/// The records that one end of a workload receives.
struct IncomingRecords: Sendable {
    /// Those on a cadence, and the next of them.
    private var schedule: RecordSchedule?
    private var next: RecordSchedule.Record?
    /// Octets of requests or replies; `nil` where there are none.
    private var messageSize: Int?
    /// When the first record was due, on this end's clock; `nil` as long as it is not known.
    var first: Instant?
    /// Octets of the records that are whole.
    private(set) var octets = 0

    /// No records.
    init() {}

    /// Those of a workload.
    init(_ workload: Workload, _ role: WorkloadEndpoint.Role) {
        let isReceiver = role == (workload.direction == .upload ? .server : .client)
        switch workload.kind {
        case .bulk: return
        case .requestResponse:
            messageSize = role == .client ? workload.replySize : workload.requestSize
            return
        case .stream: if !isReceiver { return }
        case .echo, .voice: break
        case .interactive:
            if !isReceiver {
                messageSize = workload.replySize
                return
            }
        }
        schedule = RecordSchedule(workload)
        next = schedule?.record()
    }

    /// Octets of the record that comes next; `nil` where there are no records.
    var nextSize: Int? { next?.size ?? messageSize }

    /// Takes the next record if it is whole with so many octets.
    ///
    /// - Returns: Whether it was, and which one of the schedule it is, if there is one.
    mutating func take(from received: Int) -> (isWhole: Bool, record: RecordSchedule.Record?) {
        guard let size = nextSize, received - octets >= size else { return (false, nil) }
        octets += size
        defer { next = schedule?.record() }
        return (true, next)
    }
}

extension WorkloadEndpoint {
    /// Takes every record that is whole.
    mutating func takeRecords(now: Instant) {
        guard let workload else { return }
        while true {
            let (isWhole, record) = incoming.take(from: received)
            guard isWhole else { break }
            take(record, workload, now: now)
            results.recordsReceived += 1
        }
        // The reply to octets that are not the client's would hide the fault: the server's summary
        // tells it.
        if role == .server, workload.kind == .echo, !hasFinished { released = received }
    }

    private mutating func take(
        _ record: RecordSchedule.Record?, _ workload: Workload, now: Instant
    ) {
        let index = results.recordsReceived
        if let record {
            if let first = incoming.first { note(index, due: first + record.due, now) }
            if record.burst != nil { answer(workload) }
            return
        }
        switch (role, workload.kind) {
        case (.server, .requestResponse): answer(workload)
        case (.client, .requestResponse):
            guard let lastRequest else { return }
            note(index, due: lastRequest, now)
            lastCycle = now - lastRequest + workload.interval
            if !isFinal {
                nextRecord = now + workload.interval
                handleDeadline(now: now)
            }
        case (_, .interactive):
            // A reply.
            guard let firstRecord else { return }
            note(index, due: firstRecord + RecordSchedule.burstDue(index, of: workload), now)
        case (_, .bulk), (_, .stream), (_, .echo), (_, .voice): break
        }
    }

    private mutating func answer(_ workload: Workload) {
        if hasFinished { return }
        released += workload.replySize
        results.recordsSent += 1
    }

    private mutating func note(_ index: Int, due: Instant, _ now: Instant) {
        guard results.latencies.count < Self.latencyLimit else { return }
        results.latencies.append(
            RecordLatency(index: index, scheduled: due, latency: now - due))
    }

    /// What the peer sent against what was agreed, where this end knows it.
    mutating func checkLength(_ workload: Workload) {
        let expected: Int
        switch (role, workload.kind, workload.direction) {
        case (.client, .requestResponse, _): expected = results.recordsSent * workload.replySize
        case (.client, .interactive, .upload): expected = burstsSent * workload.replySize
        case (.client, .echo, _): expected = released
        case (.client, .bulk, .download):
            if workload.size == 0 || wasStopped { return }
            expected = workload.size
        case (.client, .bulk, .upload), (.client, .stream, .upload): expected = 0
        case (.client, .stream, .download), (.server, .stream, .upload), (.server, .echo, _),
            (.server, .requestResponse, _), (_, .voice, _), (_, .interactive, _):
            // Duration decided how many; only a broken last record is known to be wrong.
            let rest = received - incoming.octets
            expected = rest == 0 ? received : incoming.octets + (incoming.nextSize ?? rest)
        case (.server, .bulk, _), (.server, .stream, .download): return
        }
        if received < expected { fail(.short(received: received, expected: expected)) }
        if received > expected { fail(.excess(received: received, expected: expected)) }
    }
}
