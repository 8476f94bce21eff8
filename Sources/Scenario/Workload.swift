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
    /// A stream each way at once, as a call is.
    case voice
    /// Bursts and pauses, and a reply to each burst: somebody who talks with a machine.
    case interactive
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
    /// bulk: octets in all, 0 for no bound but `duration`. stream, echo, voice: octets of a record.
    /// request-response: octets of the larger message. interactive: octets of a burst.
    package var size: Int
    /// stream, echo, voice: from record to record. request-response: from a reply to the next
    /// request. interactive: from burst to burst.
    package var interval: Duration
    /// interactive: octets a second in small records beside the bursts, in whole kilobytes.
    package var background: Int
    /// How long new data are made; zero without bound. A bulk transfer with a size ignores it.
    package var duration: Duration
    /// Names the bytes: sender and receiver make the same pattern from it.
    package var seed: UInt64

    /// The smaller message of request and reply.
    package static let smallMessage = 200
    /// The reply to a burst.
    package static let burstReply = 750

    /// A workload; what is left out takes the default of its kind.
    package init(
        _ kind: WorkloadKind, _ direction: Direction = .upload, size: Int? = nil,
        interval: Duration? = nil, duration: Duration = .zero, seed: UInt64 = 1,
        background: Int = 0
    ) {
        self.background = background
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
        case .voice: 160
        case .interactive: 2_500
        }
    }

    /// The interval when `--interval` is not given.
    package static func defaultInterval(_ kind: WorkloadKind) -> Duration {
        switch kind {
        case .bulk, .requestResponse: .zero
        case .stream, .echo, .voice: .milliseconds(20)
        case .interactive: .nanoseconds(333_333_333)
        }
    }

    /// Octets of a request.
    package var requestSize: Int { direction == .upload ? size : min(size, Self.smallMessage) }

    /// Octets of a reply.
    package var replySize: Int {
        if kind == .interactive { return Self.burstReply }
        return direction == .download ? size : min(size, Self.smallMessage)
    }

    /// Octets of what is looked at as one unit, the least where they differ; `nil` for bulk.
    package var recordSize: Int? {
        switch kind {
        case .bulk: nil
        case .interactive: RecordSchedule.recordSizes.lowerBound
        case .requestResponse, .stream, .echo, .voice: size
        }
    }

    /// Whether records come on an absolute and steady cadence.
    package var isPeriodic: Bool { kind == .stream || kind == .echo || kind == .voice }

    /// Whether the server begins with a `StreamHeader`: it writes on a cadence of its own.
    package var hasStreamHeader: Bool {
        switch kind {
        case .voice: true
        case .stream, .interactive: direction == .download
        case .bulk, .requestResponse, .echo: false
        }
    }

    /// Why this workload cannot be, `nil` if it can.
    package var problem: String? {
        guard (Duration.zero...Self.longestTime).contains(duration) else {
            return "a workload takes at most a day"
        }
        guard interval <= Self.longestTime else { return "an interval is at most a day" }
        if let backgroundProblem { return backgroundProblem }
        switch kind {
        case .bulk:
            return size < 0 ? "the size of a transfer is not negative" : nil
        case .interactive:
            let sizes = RecordSchedule.recordSizes.lowerBound...Self.largestRecord
            guard sizes.contains(size) else {
                return "the size of a burst lies between \(sizes.lowerBound) and "
                    + "\(sizes.upperBound) octets"
            }
            return interval < .milliseconds(1)
                ? "the interval between bursts is at least 1 ms" : nil
        case .requestResponse, .stream, .echo, .voice:
            guard (1...Self.largestRecord).contains(size) else {
                return "the size of a record lies between 1 and \(Self.largestRecord) octets"
            }
            if isPeriodic, interval < .microseconds(10) {
                return "the interval between records is at least 0.01 ms"
            }
            return interval < .zero ? "an interval is not negative" : nil
        }
    }

    /// Why there can be no such background, `nil` if it can.
    package var backgroundProblem: String? {
        if background == 0 { return nil }
        if kind != .interactive { return "only an interactive workload has a background" }
        return background % 1_000 == 0 && (0...Self.largestBackground).contains(background)
            ? nil
            : "a background is whole kilobytes a second, \(Self.largestBackground / 1_000) at most"
    }

    /// It stands in one octet of the preamble.
    private static let largestBackground = 255_000
    private static let largestRecord = 16_777_216
    /// Of the duration and of the interval: what a peer asks for is computed with.
    package static let longestTime = Duration.seconds(86_400)
}
