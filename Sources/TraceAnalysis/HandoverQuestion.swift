package import NetworkPrimitives

/// A record of a workload.
package struct DueRecord: Hashable, Sendable {
    /// The offset in the stream behind its last octet.
    package var end: Int
    /// When the application wrote it, or should have.
    package var due: Int64

    package init(end: Int, due: Int64) {
        self.end = end
        self.due = due
    }
}

/// What is to be measured in a report: when what was done to the network, and which path is which.
/// Times are on the captures' clock.
package struct HandoverQuestion: Hashable, Sendable {
    /// A path, known by the client's addresses on it.
    package struct Path: Hashable, Sendable {
        package var name: String
        package var clientAddresses: [IPAddress]

        package init(_ name: String, clientAddresses: [IPAddress]) {
            self.name = name
            self.clientAddresses = clientAddresses
        }
    }

    /// From when on the joining host may send data.
    package enum JoinPermission: Hashable, Sendable {
        /// The fourth ACK has come: RFC 8684.
        case fourthACK
        /// The third ACK is out.
        case thirdACK
        /// The SYN carries data.
        case syn
    }

    /// `t0`; `nil` without break.
    package var breakTime: Int64?
    /// When the new path came up; `nil` if that was before the captures.
    package var makeTime: Int64?
    /// The direction that is looked at.
    package var direction: TraceDirection
    package var paths: [Path]
    /// Index of the path that breaks.
    package var oldPath: Int
    /// Index of the path that is to take over.
    package var newPath: Int
    /// From the start of the workload to its end.
    package var window: Range<Int64>
    package var joinPermission = JoinPermission.fourthACK
    /// Base RTT of the new path in nanoseconds.
    package var newPathRoundTrip: Int64?
    /// What the remaining path can carry, in payload bits per second; `nil` unless the workload takes
    /// all it can get.
    package var remainingGoodput: Double?
    /// The records of the direction that is looked at, in the order of the stream.
    package var records = Known<[DueRecord]>.unknown("the records of the workload are not known")
    /// Whether there is always something to send.
    package var isDataAlwaysDue = false

    /// Directions whose sender sends every octet on each path: a copy there shows nothing.
    package var redundantDirections: Set<TraceDirection> = []

    package init(
        breakTime: Int64?, makeTime: Int64?, direction: TraceDirection, paths: [Path],
        oldPath: Int, newPath: Int, window: Range<Int64>
    ) {
        self.breakTime = breakTime
        self.makeTime = makeTime
        self.direction = direction
        self.paths = paths
        self.oldPath = oldPath
        self.newPath = newPath
        self.window = window
    }

    /// `max(t0, make)`; `nil` without break.
    package var readyTime: Int64? { breakTime.map { max($0, makeTime ?? $0) } }
}
