/// What the application sends.
package enum WorkloadKind: String, Hashable, Sendable, CaseIterable {
    /// As much as the connection takes, for the duration of the run or up to a size.
    case bulk
    /// A request, its reply, a pause, and so on.
    case requestResponse = "request-response"
    /// A record of fixed size on an absolute cadence, as voice is.
    case stream
    /// Records on a cadence as in `stream`, each sent back by the server.
    case echo
}

/// Which way the bytes go that the experiment looks at.
package enum Direction: String, Hashable, Sendable, CaseIterable {
    /// From the client to the server.
    case upload
    /// From the server to the client.
    case download
}

/// What the applications of a run do, as the client tells the server in its `WorkloadPreamble`.
package struct Workload: Hashable, Sendable {
    package var kind: WorkloadKind
    /// Where the bytes go that are looked at. Of request and reply it is the way of the larger one.
    package var direction: Direction
    /// bulk: octets in all, 0 for no bound but `duration`. stream, echo: octets of a record.
    /// request-response: octets of the larger message.
    package var size: Int
    /// stream, echo: from record to record. request-response: from a reply to the next request.
    package var interval: Duration
    /// How long new data are made; zero without bound. A bulk transfer with a size ignores it.
    package var duration: Duration
    /// Names the bytes: sender and receiver make the same pattern from it.
    package var seed: UInt64

    /// The smaller message of request and reply.
    package static let smallMessage = 200

    /// A workload; what is left out takes the default of its kind.
    package init(
        _ kind: WorkloadKind, _ direction: Direction = .upload, size: Int? = nil,
        interval: Duration? = nil, duration: Duration = .zero, seed: UInt64 = 1
    ) {
        self.kind = kind
        self.direction = direction
        self.size = size ?? Self.defaultSize(kind)
        self.interval = interval ?? Self.defaultInterval(kind)
        self.duration = duration
        self.seed = seed
    }

    /// The size when `--size` is not given.
    package static func defaultSize(_ kind: WorkloadKind) -> Int {
        switch kind {
        case .bulk: 0
        case .requestResponse: 1_000
        case .stream, .echo: 200
        }
    }

    /// The interval when `--interval` is not given.
    package static func defaultInterval(_ kind: WorkloadKind) -> Duration {
        switch kind {
        case .bulk, .requestResponse: .zero
        case .stream, .echo: .milliseconds(20)
        }
    }

    /// Octets of a request.
    package var requestSize: Int { direction == .upload ? size : min(size, Self.smallMessage) }

    /// Octets of a reply.
    package var replySize: Int { direction == .download ? size : min(size, Self.smallMessage) }

    /// Octets of what is looked at as one unit, `nil` for bulk.
    package var recordSize: Int? { kind == .bulk ? nil : size }

    /// Whether records come on an absolute cadence.
    package var isPeriodic: Bool { kind == .stream || kind == .echo }

    /// Why this workload cannot be, `nil` if it can.
    package var problem: String? {
        guard (Duration.zero...Self.longestTime).contains(duration) else {
            return "a workload takes at most a day"
        }
        guard interval <= Self.longestTime else { return "an interval is at most a day" }
        switch kind {
        case .bulk:
            return size < 0 ? "the size of a transfer is not negative" : nil
        case .requestResponse, .stream, .echo:
            guard (1...Self.largestRecord).contains(size) else {
                return "the size of a record lies between 1 and \(Self.largestRecord) octets"
            }
            if isPeriodic, interval < .microseconds(10) {
                return "the interval between records is at least 0.01 ms"
            }
            return interval < .zero ? "an interval is not negative" : nil
        }
    }

    private static let largestRecord = 16_777_216
    /// Of the duration and of the interval: what a peer asks for is computed with.
    package static let longestTime = Duration.seconds(86_400)
}
