package import NetworkPrimitives

/// One end of a workload over any byte stream: a connection of our stack, a kernel socket, a
/// simulated host. It makes the octets, checks the octets, keeps the cadence, and never does I/O.
///
/// - Inputs: `started`, `received`, `didWrite`, `didFinishWriting`, `peerFinished`,
///   `connectionLost`, `handleDeadline`.
/// - Commands: `stop`.
/// - Outputs: `nextWrite`, `wantsToFinishWriting`, `nextDeadline`, `isComplete`, `mustAbort`.
/// - Queries: `workload`, `recordPhase`, `summary`.
///
/// After every input and command the driver writes until `nextWrite` yields nothing or the
/// connection takes no more, then finishes writing if `wantsToFinishWriting`, then sleeps until
/// `nextDeadline`. When the connection takes data again the driver just writes again.
///
/// ```
/// client: started -> preamble + data ... stop or duration -> finish -> peer's end -> complete
/// server: preamble -> data as asked ... client's end or duration -> finish -> complete
/// ```
package struct WorkloadEndpoint: Sendable {
    /// Which end of the connection this is.
    package enum Role: String, Hashable, Sendable {
        case client
        case server
    }

    /// Latencies that a summary keeps.
    package static let latencyLimit = 100_000

    package let role: Role
    /// What is done; `nil` at a server that has not yet been told.
    package private(set) var workload: Workload?

    // Sending: a prefix, then payload. Of the payload `released` octets may be written by now.
    private var prefix: [UInt8] = []
    private var prefixWritten = 0
    private var released = 0
    private var written = 0
    private var isFinal = false
    private var hasFinished = false
    private var sendPattern = BytePattern(seed: 0, direction: .upload)

    // Receiving: a prefix, then payload.
    private var incomingPrefix: [UInt8] = []
    private var incomingPrefixLength: Int
    private var received = 0
    private var receivePattern = BytePattern(seed: 0, direction: .download)
    private var hasPeerFinished = false
    private var wasStopped = false

    // The cadence.
    private var epoch: Instant?
    private var nextRecord: Instant?
    private var end: Instant?
    private var lastRequest: Instant?
    private var lastCycle: Duration?
    private var firstIncomingRecord: Instant?
    private var results = WorkloadSummary()

    /// The client's end.
    package init(client workload: Workload) {
        role = .client
        self.workload = workload
        incomingPrefixLength =
            workload.kind == .stream && workload.direction == .download
            ? StreamHeader.encodedLength : 0
        sendPattern = BytePattern(seed: workload.seed, direction: .upload)
        receivePattern = BytePattern(
            seed: workload.seed, direction: workload.kind == .echo ? .upload : .download)
    }

    /// The server's end: the client says what to do.
    package static func server() -> WorkloadEndpoint { WorkloadEndpoint() }

    private init() {
        role = .server
        incomingPrefixLength = WorkloadPreamble.encodedLength
    }
}

// MARK: - Inputs

extension WorkloadEndpoint {
    /// The connection is there.
    package mutating func started(now: Instant) {
        guard results.started == nil else { return }
        results.started = now
        guard role == .client, let workload else { return }
        epoch = now
        prefix = WorkloadPreamble(workload: workload, epoch: now).bytes
        if boundByTime(workload) { end = now + workload.duration }
        switch (workload.kind, workload.direction) {
        case (.bulk, .upload): releaseBulk(workload)
        case (.bulk, .download), (.stream, .download): break
        case (.stream, .upload), (.echo, _), (.requestResponse, _): nextRecord = now
        }
        handleDeadline(now: now)
    }

    /// Octets came, in order.
    package mutating func received(_ bytes: UnsafeRawBufferPointer, now: Instant) {
        if bytes.isEmpty { return }
        noteArrival(now)
        var rest = bytes
        let missing = incomingPrefixLength - incomingPrefix.count
        if missing > 0 {
            incomingPrefix += bytes.prefix(missing)
            rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(missing))
            if incomingPrefix.count == incomingPrefixLength { readPrefix(now: now) }
        }
        if rest.isEmpty || mustAbort { return }
        if results.firstMismatch == nil,
            let position = receivePattern.firstMismatch(in: rest, from: received)
        {
            results.firstMismatch = received + position
        }
        received += rest.count
        takeRecords(now: now)
    }

    /// So many of the octets that `nextWrite` gave went into the connection.
    package mutating func didWrite(_ count: Int) {
        let ofPrefix = min(count, prefix.count - prefixWritten)
        prefixWritten += ofPrefix
        written += count - ofPrefix
    }

    /// The connection was told that no more data follow.
    package mutating func didFinishWriting() { hasFinished = true }

    /// The peer sends no more, and everything it sent has been given to `received`.
    package mutating func peerFinished(now: Instant) {
        if hasPeerFinished { return }
        hasPeerFinished = true
        if let workload, incomingPrefix.count == incomingPrefixLength {
            checkLength(workload)
        } else {
            fail(.notAWorkload)
        }
        finish()
    }

    /// The connection is gone before its end.
    package mutating func connectionLost(_ reason: String) {
        if !isComplete { fail(.connection(reason)) }
    }

    /// `nextDeadline` has come.
    package mutating func handleDeadline(now: Instant) {
        if isFinal { return }
        while let due = nextRecord, due <= now, end.map({ due < $0 }) ?? true {
            releaseRecord(due: due)
        }
        if let end, end <= now { finish() }
    }
}

// MARK: - Commands and outputs

extension WorkloadEndpoint {
    /// Makes no new data. What was made is still delivered, then the connection ends in order.
    package mutating func stop(now: Instant) {
        handleDeadline(now: now)
        wasStopped = true
        finish()
    }

    /// Fills `buffer` with the next octets to write and returns how many; the same octets come
    /// again until `didWrite` says that they went.
    package func nextWrite(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        if mustAbort { return 0 }
        let ofPrefix = min(prefix.count - prefixWritten, buffer.count)
        for index in 0..<ofPrefix { buffer[index] = prefix[prefixWritten + index] }
        let ofPayload = min(released - written, buffer.count - ofPrefix)
        if ofPayload > 0 {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: buffer[ofPrefix..<(ofPrefix + ofPayload)])
            sendPattern.fill(part, from: written)
        }
        return ofPrefix + ofPayload
    }

    /// Whether there is something to write.
    package var wantsToWrite: Bool {
        !mustAbort && (prefixWritten < prefix.count || written < released)
    }

    /// Everything is written: the driver ends its direction and says `didFinishWriting`.
    package var wantsToFinishWriting: Bool {
        isFinal && !hasFinished && !mustAbort && !wantsToWrite
    }

    /// When `handleDeadline` is due.
    package var nextDeadline: Instant? {
        if isFinal { return nil }
        guard let nextRecord else { return end }
        guard let end else { return nextRecord }
        return min(nextRecord, end)
    }

    /// Both directions have ended.
    package var isComplete: Bool { hasFinished && hasPeerFinished }

    /// The peer does not speak our language, or the connection is gone: the driver aborts it.
    package var mustAbort: Bool {
        switch results.failure {
        case .notAWorkload, .otherVersion, .impossible, .connection: true
        case .short, .excess, .reported, nil: false
        }
    }

    /// Whether the connection is there.
    package var hasStarted: Bool { results.started != nil }

    /// Why the work was not done, as far as this end knows.
    package var failure: WorkloadFailure? { results.failure }

    /// Octets made and not yet taken by the connection; of a bulk transfer without bound, 0.
    package var backlog: Int { released == .max ? 0 : released - written }

    /// Where the cadence of the records lies: exact for `stream` and `echo`; for request-response
    /// the last request and the last cycle; `nil` for bulk and before the first record.
    package var recordPhase: RecordPhase? {
        guard let workload else { return nil }
        switch workload.kind {
        case .bulk: return nil
        case .stream, .echo:
            return epoch.map { RecordPhase(reference: $0, interval: workload.interval) }
        case .requestResponse:
            guard let lastRequest, let lastCycle else { return nil }
            return RecordPhase(reference: lastRequest, interval: lastCycle)
        }
    }

    /// What this end has seen so far.
    package var summary: WorkloadSummary {
        var result = results
        result.bytesSent = written
        result.bytesReceived = received
        result.isComplete = isComplete
        return result
    }
}

// MARK: - Sending

extension WorkloadEndpoint {
    private func boundByTime(_ workload: Workload) -> Bool {
        workload.duration > .zero && !(workload.kind == .bulk && workload.size > 0)
    }

    private mutating func releaseBulk(_ workload: Workload) {
        released = workload.size > 0 ? workload.size : .max
        if workload.size > 0 { isFinal = true }
    }

    /// No new data: what is released is written, except that an endless transfer ends here.
    private mutating func finish() {
        if released == .max { released = written }
        isFinal = true
        nextRecord = nil
    }

    private mutating func releaseRecord(due: Instant) {
        guard let workload else { return }
        results.recordsSent += 1
        if workload.kind == .requestResponse {
            released += workload.requestSize
            lastRequest = due
            nextRecord = nil
        } else {
            released += workload.size
            // Absolute: what is late does not move what follows.
            nextRecord = due + workload.interval
        }
    }
}

// MARK: - Receiving

extension WorkloadEndpoint {
    private mutating func noteArrival(_ now: Instant) {
        if let last = results.lastArrival {
            let silence = now - last
            if silence > results.longestSilence?.duration ?? .zero {
                results.longestSilence = Silence(start: last, duration: silence)
            }
        } else {
            results.firstArrival = now
        }
        results.lastArrival = now
    }

    private mutating func readPrefix(now: Instant) {
        do throws(WorkloadFailure) {
            switch role {
            case .client:
                firstIncomingRecord = try StreamHeader.firstRecord(parsing: incomingPrefix)
            case .server:
                serve(try WorkloadPreamble(parsing: incomingPrefix), now: now)
            }
        } catch {
            fail(error)
        }
    }

    private mutating func serve(_ preamble: WorkloadPreamble, now: Instant) {
        let workload = preamble.workload
        self.workload = workload
        epoch = preamble.epoch
        receivePattern = BytePattern(seed: workload.seed, direction: .upload)
        sendPattern = BytePattern(
            seed: workload.seed, direction: workload.kind == .echo ? .upload : .download)
        switch (workload.kind, workload.direction) {
        case (.bulk, .download):
            releaseBulk(workload)
            if boundByTime(workload) { end = now + workload.duration }
        case (.stream, .download):
            let first = Self.firstDue(notBefore: now, epoch: preamble.epoch, workload.interval)
            prefix = StreamHeader.bytes(firstRecord: first)
            nextRecord = first
            if boundByTime(workload) { end = now + workload.duration }
            handleDeadline(now: now)
        case (.stream, .upload), (.echo, _):
            firstIncomingRecord = preamble.epoch
        case (.bulk, .upload), (.requestResponse, _): break
        }
    }

    private static func firstDue(
        notBefore now: Instant, epoch: Instant, _ interval: Duration
    ) -> Instant {
        // The epoch is the peer's word: differences wrap. The step is not zero and at most a day.
        let step = interval.wholeNanoseconds
        let remainder = ((now.nanoseconds &- epoch.nanoseconds) % step &+ step) % step
        return remainder == 0 ? now : Instant(nanoseconds: now.nanoseconds &+ step &- remainder)
    }

    /// Octets of one record that this end receives, `nil` for bulk.
    private func incomingRecordSize(_ workload: Workload) -> Int? {
        switch workload.kind {
        case .bulk: nil
        case .requestResponse: role == .client ? workload.replySize : workload.requestSize
        case .stream, .echo: workload.size
        }
    }

    private mutating func takeRecords(now: Instant) {
        guard let workload, let size = incomingRecordSize(workload) else { return }
        let whole = received / size
        while results.recordsReceived < whole {
            takeRecord(workload, now: now)
            results.recordsReceived += 1
        }
        // The reply to octets that are not the client's would hide the fault: the server's summary
        // tells it.
        if role == .server, workload.kind == .echo, !hasFinished { released = received }
    }

    private mutating func takeRecord(_ workload: Workload, now: Instant) {
        let index = results.recordsReceived
        switch (role, workload.kind) {
        case (.server, .requestResponse):
            if hasFinished { return }
            released += workload.replySize
            results.recordsSent += 1
        case (.client, .requestResponse):
            guard let lastRequest else { return }
            note(RecordLatency(index: index, scheduled: lastRequest, latency: now - lastRequest))
            lastCycle = now - lastRequest + workload.interval
            if !isFinal {
                nextRecord = now + workload.interval
                handleDeadline(now: now)
            }
        case (.client, .echo):
            guard let epoch else { return }
            noteRecord(index, first: epoch, workload.interval, now)
        case (_, .stream), (.server, .echo):
            guard let first = firstIncomingRecord else { return }
            noteRecord(index, first: first, workload.interval, now)
        case (_, .bulk): break
        }
    }

    private mutating func noteRecord(
        _ index: Int, first: Instant, _ interval: Duration, _ now: Instant
    ) {
        let due = first + .nanoseconds(interval.wholeNanoseconds &* Int64(index))
        note(RecordLatency(index: index, scheduled: due, latency: now - due))
    }

    private mutating func note(_ latency: RecordLatency) {
        if results.latencies.count < Self.latencyLimit { results.latencies.append(latency) }
    }

    /// What the peer sent against what was agreed, where this end knows it.
    private mutating func checkLength(_ workload: Workload) {
        let expected: Int
        switch (role, workload.kind, workload.direction) {
        case (.client, .requestResponse, _): expected = results.recordsSent * workload.replySize
        case (.client, .echo, _): expected = released
        case (.client, .bulk, .download):
            if workload.size == 0 || wasStopped { return }
            expected = workload.size
        case (.client, .bulk, .upload), (.client, .stream, .upload): expected = 0
        case (.client, .stream, .download), (.server, .stream, .upload), (.server, .echo, _),
            (.server, .requestResponse, _):
            // Duration decided how many; only a broken last record is known to be wrong.
            let size = incomingRecordSize(workload) ?? 1
            expected = (received + size - 1) / size * size
        case (.server, .bulk, _), (.server, .stream, .download): return
        }
        if received < expected { fail(.short(received: received, expected: expected)) }
        if received > expected { fail(.excess(received: received, expected: expected)) }
    }

    private mutating func fail(_ failure: WorkloadFailure) {
        if results.failure == nil { results.failure = failure }
        finish()
    }
}
