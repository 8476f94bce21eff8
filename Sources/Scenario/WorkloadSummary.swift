package import NetworkPrimitives

/// Lateness of one record, or the time of one request and reply.
package struct RecordLatency: Hashable, Sendable {
    /// The record's number from 0.
    package var index: Int
    /// When it was due at its sender.
    package var scheduled: Instant
    /// From then until its last octet was here.
    package var latency: Duration

    package init(index: Int, scheduled: Instant, latency: Duration) {
        self.index = index
        self.scheduled = scheduled
        self.latency = latency
    }
}

/// A time in which nothing new came.
package struct Silence: Hashable, Sendable {
    package var start: Instant
    package var duration: Duration

    package init(start: Instant, duration: Duration) {
        self.start = start
        self.duration = duration
    }
}

/// What one end of a workload saw. Preambles are not counted.
package struct WorkloadSummary: Hashable, Sendable {
    /// Octets handed to the connection.
    package var bytesSent = 0
    /// Octets taken from the connection.
    package var bytesReceived = 0
    /// Offset, without preamble, of the first octet received that is not the one sent.
    package var firstMismatch: Int?
    /// Records whole at this end (request-response client: replies; server: requests).
    package var recordsReceived = 0
    /// Records made at this end, written or waiting.
    package var recordsSent = 0
    /// How late each record came, where sender and receiver share a clock; request-response: how
    /// long each reply took. At most `WorkloadEndpoint.latencyLimit` of them.
    package var latencies: [RecordLatency] = []
    /// The longest time between two arrivals.
    package var longestSilence: Silence?
    /// When the connection was there, the first and the last octet came.
    package var started: Instant?
    package var firstArrival: Instant?
    package var lastArrival: Instant?
    /// Whether both sides have finished.
    package var isComplete = false
    /// Why not, if it is known.
    package var failure: WorkloadFailure?

    package init() {}

    /// Whether every octet that came is the one that was sent.
    package var isIntact: Bool { firstMismatch == nil }

    /// The greatest of the latencies.
    package var worstLatency: Duration? { latencies.map(\.latency).max() }
}

/// Where the cadence of the records lies.
package struct RecordPhase: Hashable, Sendable {
    /// A moment at which a record was or will be due.
    package var reference: Instant
    package var interval: Duration

    package init(reference: Instant, interval: Duration) {
        self.reference = reference
        self.interval = interval
    }

    /// From the departure of a record to where `t0` of a run is locked, so that runs are comparable:
    /// half-way between a departure and an arrival after `delay`, in the longer of the two spans that
    /// there are, the one with a record on its way if they are equal. Where `t0` met an arrival,
    /// microseconds would decide whether that record is lost.
    package static func breakOffset(interval: Duration, delay: Duration) -> Duration {
        let step = interval.wholeNanoseconds
        guard step > 0 else { return .zero }
        let arrival = delay.wholeNanoseconds % step
        return .nanoseconds(arrival * 2 >= step ? arrival / 2 : (arrival + step) / 2)
    }

    /// The first moment not before `earliest` that lies `breakOffset` behind a record.
    package func breakTime(notBefore earliest: Instant, delay: Duration) -> Instant {
        let step = interval.wholeNanoseconds
        guard step > 0 else { return earliest }
        let first =
            reference.nanoseconds
            + Self.breakOffset(interval: interval, delay: delay).wholeNanoseconds
        let distance = earliest.nanoseconds - first
        let remainder = ((distance % step) + step) % step
        return Instant(
            nanoseconds: remainder == 0
                ? earliest.nanoseconds : earliest.nanoseconds + step - remainder)
    }
}
