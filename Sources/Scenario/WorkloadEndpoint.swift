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
    var released = 0
    private var written = 0
    var isFinal = false
    var hasFinished = false
    private var sendPattern = BytePattern(seed: 0, direction: .upload)
    /// The records of this end, and the next of them.
    private var schedule: RecordSchedule?
    private var nextOfSchedule: RecordSchedule.Record?
    /// When the first of them was due.
    private(set) var firstRecord: Instant?

    // Receiving: a prefix, then payload.
    private var incomingPrefix: [UInt8] = []
    private var incomingPrefixLength: Int
    var received = 0
    private var receivePattern = BytePattern(seed: 0, direction: .download)
    private var hasPeerFinished = false
    var wasStopped = false
    var incoming = IncomingRecords()
    /// Bursts of this end.
    private(set) var burstsSent = 0

    // The cadence.
    private var epoch: Instant?
    var nextRecord: Instant?
    private var end: Instant?
    var lastRequest: Instant?
    var lastCycle: Duration?
    var results = WorkloadSummary()

    /// The client's end.
    package init(client workload: Workload) {
        role = .client
        self.workload = workload
        incomingPrefixLength = workload.hasStreamHeader ? StreamHeader.encodedLength : 0
        incoming = IncomingRecords(workload, role)
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
        // Who answers bursts does so to the last of them.
        let isAnswering = workload.kind == .interactive && workload.direction == .download
        if boundByTime(workload), !isAnswering { end = now + workload.duration }
        switch (workload.kind, workload.direction) {
        case (.bulk, .upload): releaseBulk(workload)
        case (.bulk, .download), (.stream, .download), (.interactive, .download): break
        case (.requestResponse, _): nextRecord = now
        case (.stream, .upload), (.echo, _), (.voice, _), (.interactive, .upload):
            startSchedule(workload, at: now)
        }
        if workload.kind == .echo { incoming.first = now }
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

    /// Where the cadence of the records lies: exact for `stream`, `echo` and `voice`; for
    /// request-response the last request and the last cycle; `nil` for bulk, for `interactive`, whose
    /// cadence has pauses, and before the first record.
    package var recordPhase: RecordPhase? {
        guard let workload else { return nil }
        switch workload.kind {
        case .bulk: return nil
        case .stream, .echo, .voice:
            return epoch.map { RecordPhase(reference: $0, interval: workload.interval) }
        case .interactive: return nil
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
    mutating func finish() {
        if released == .max { released = written }
        isFinal = true
        nextRecord = nil
    }

    private mutating func startSchedule(_ workload: Workload, at first: Instant) {
        firstRecord = first
        schedule = RecordSchedule(workload)
        nextOfSchedule = schedule?.record()
        nextRecord = first
    }

    private mutating func releaseRecord(due: Instant) {
        guard let workload else { return }
        results.recordsSent += 1
        guard let firstRecord, let record = nextOfSchedule else {
            released += workload.requestSize
            lastRequest = due
            nextRecord = nil
            return
        }
        released += record.size
        if record.burst != nil { burstsSent += 1 }
        nextOfSchedule = schedule?.record()
        // Absolute: what is late does not move what follows.
        nextRecord = nextOfSchedule.map { firstRecord + $0.due }
    }
}

// MARK: - The peer's first octets

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
                incoming.first = try StreamHeader.firstRecord(parsing: incomingPrefix)
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
        incoming = IncomingRecords(workload, role)
        incoming.first = preamble.epoch
        if workload.kind == .bulk, workload.direction == .download {
            releaseBulk(workload)
            if boundByTime(workload) { end = now + workload.duration }
        }
        guard workload.hasStreamHeader else { return }
        let first =
            workload.isPeriodic
            ? Self.firstDue(notBefore: now, epoch: preamble.epoch, workload.interval) : now
        prefix = StreamHeader.bytes(firstRecord: first)
        startSchedule(workload, at: first)
        if boundByTime(workload) { end = now + workload.duration }
        handleDeadline(now: now)
    }

    private static func firstDue(
        notBefore now: Instant, epoch: Instant, _ interval: Duration
    ) -> Instant {
        // The epoch is the peer's word: differences wrap. The step is not zero and at most a day.
        let step = interval.wholeNanoseconds
        let remainder = ((now.nanoseconds &- epoch.nanoseconds) % step &+ step) % step
        return remainder == 0 ? now : Instant(nanoseconds: now.nanoseconds &+ step &- remainder)
    }

    mutating func fail(_ failure: WorkloadFailure) {
        if results.failure == nil { results.failure = failure }
        finish()
    }
}
