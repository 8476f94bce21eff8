internal import NetworkPrimitives
internal import WireFormat

/// The join that matters to a question: the one of the new path.
struct JoinMeasurement {
    private let question: HandoverQuestion
    private let join: JoinTrace?
    /// Whether the listener of the join said that it takes data behind the third ACK.
    private let takesEarlyData: Bool
    private let missing: String

    init(_ connection: ConnectionTrace, _ question: HandoverQuestion, _ paths: [Int?]) {
        self.question = question
        let candidates = connection.joins.filter { paths[$0.subflow] == question.newPath }
        // In break-before-make the path was not there before.
        let start = question.makeTime.flatMap { make in
            question.breakTime.map { $0 <= make ? $0 : .min }
        }
        let inTime = candidates.filter { ($0.start ?? .max) >= start ?? .min }
        join = inTime.first { $0.outcome == .established } ?? inTime.first ?? candidates.first
        let isFromClient = join?.isFromClient ?? true
        takesEarlyData = connection.signals.contains {
            guard case .joinCapabilities(let features, _) = $0.content else { return false }
            return $0.isFromClient != isFromClient && features.contains(.earlyData)
        }
        missing = "no SYN+MP_JOIN on path \(question.paths[question.newPath].name)"
    }

    var syn: Known<Int64> { Known(join?.start, orUnknown: missing) }
    var synACK: Known<Int64> { moment(join?.synACK?.arrived, "no SYN/ACK came back") }
    var thirdACK: Known<Int64> { moment(join?.thirdACK?.sent, "no third ACK was sent") }
    var fourthACK: Known<Int64> { moment(join?.fourthACK?.arrived, "no fourth ACK came") }

    private func moment(_ time: Int64?, _ reason: String) -> Known<Int64> {
        Known(time, orUnknown: join == nil ? missing : reason)
    }

    /// From the first SYN until the joining host may send data.
    var latency: Known<Int64> {
        guard let start = syn.value else { return syn }
        // A variant that the other end did not agree to, or that the path did not let through, is
        // the standard join.
        return switch question.joinPermission {
        case .syn where join?.fastJoin?.isTaken == true: .value(0)
        case .thirdACK where takesEarlyData, .syn where takesEarlyData && join?.fastJoin == nil:
            thirdACK.map { $0 - start }
        case .fourthACK, .thirdACK, .syn: fourthACK.map { $0 - start }
        }
    }

    var latencyInRoundTrips: Known<Double> {
        guard let roundTrip = question.newPathRoundTrip, roundTrip > 0 else {
            return .unknown("the base RTT of the new path is not known")
        }
        return latency.map { Double($0) / Double(roundTrip) }
    }

    /// From the first SYN until the first octet on the subflow is at the receiver.
    func firstData(_ stream: DirectionTrace) -> Known<Int64> {
        guard let join, let start = join.start else { return syn }
        let first = stream.transmissions.lazy
            .filter { $0.subflow == join.subflow && $0.times.arrived != nil }
            .min { ($0.times.arrived ?? 0) < ($1.times.arrived ?? 0) }
        guard let first, let arrived = first.times.arrived else {
            return .unknown("no data arrived on the new path")
        }
        // A backup subflow that was joined long before waits for its turn.
        if let breakTime = question.breakTime, start < breakTime, arrived >= breakTime {
            return .unknown("joined before the break; its first data waited for it")
        }
        return .value(arrived - start)
    }
}
