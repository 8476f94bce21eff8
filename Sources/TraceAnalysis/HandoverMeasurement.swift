internal import NetworkPrimitives

/// When what happened in a handover, on the captures' clock. Packets of the client count when they
/// leave it or reach it, packets of the server likewise.
package struct HandoverTimeline: Hashable, Sendable {
    package var ready: Known<Int64>
    package var detected: Known<Int64>
    package var joinSYN: Known<Int64>
    package var joinSYNACK: Known<Int64>
    package var joinACK: Known<Int64>
    package var joinFourthACK: Known<Int64>
    package var firstReinjection: Known<Int64>
    package var firstDataOnNewPath: Known<Int64>
    package var firstDataACKOnNewPath: Known<Int64>
    package var firstLackingByteArrived: Known<Int64>
}

/// What a report says about a handover, in the definitions of design/metrics.md. Times are
/// nanoseconds.
package struct HandoverMeasurement: Hashable, Sendable {
    /// First, median and last delay from `t0` to the reinjection of a range.
    package struct ReinjectionDelays: Hashable, Sendable {
        package var first: Double
        package var median: Double
        package var last: Double
    }

    /// The connection's number in the report.
    package var connection: Int
    /// From the client's first SYN, whichever path it took and whatever became of it, to the SYN/ACK of
    /// the connection.
    package var connect: Known<Int64>
    package var timeline: HandoverTimeline
    package var detection: Known<Int64>
    package var joinLatency: Known<Int64>
    package var joinFirstData: Known<Int64>
    package var joinLatencyRTTs: Known<Double>
    package var reinjectionDelays: Known<ReinjectionDelays>
    package var usefulReinjectedOctets: Known<Int>
    package var redundantReinjectedOctets: Known<Int>
    package var resume: Known<Int64>
    package var handover: Known<Int64>
    package var outage: Known<Int64>
    package var steadyGap: Known<Int64>
    package var resumeGoodput: Known<Int64>
    /// Octets of first transmissions for each path of the question.
    package var pathShare: [Int]
    /// Octets that the receiver had in order at `ready` and whose DATA_ACK the sender had not: a sender
    /// that gets no fresh one must send them again before what is lacking.
    package var unknownToSenderAtReady: Known<Int>
    /// Whether everything that had been sent by `ready` had arrived by then: what the receiver lacked
    /// was still to be written.
    package var hadAllArrivedAtReady: Known<Bool>
    /// Joins of the connection, refused ones included.
    package var joins: Int
    package var recordDelays: Known<RecordDelays>
    /// Time in which something was due and nothing arrived.
    package var stall: Known<Int64>
    /// Time in which both paths were in use.
    package var handoverDuration: Known<Int64>

    /// What became of the records that were sent.
    package struct RecordDelays: Hashable, Sendable {
        /// Nanoseconds from when a record was due to its in-order arrival, sorted.
        package var arrived: [Int64] = []
        /// Records that never arrived whole.
        package var lost = 0
    }
}

extension HandoverMeasurement {
    /// Measures; `nil` if no connection of the report has an address of the client's on one of the two
    /// paths. With several the one that carried most is meant: a client whose first path is dead may
    /// have tried it in vain.
    package init?(_ report: TraceReport, _ question: HandoverQuestion) {
        let addresses =
            question.paths[question.oldPath].clientAddresses
            + question.paths[question.newPath].clientAddresses
        let candidates = report.connections.filter { connection in
            connection.subflows.contains { addresses.contains($0.tuple.local.address) }
        }
        func payload(_ connection: ConnectionTrace) -> Int {
            connection.subflows.reduce(0) { $0 + $1.client.payload + $1.server.payload }
        }
        guard let connection = candidates.max(by: { payload($0) < payload($1) }) else {
            return nil
        }
        let attempts = candidates.filter {
            $0.server == connection.server && $0.firstTime <= connection.firstTime
        }
        let look = HandoverLook(connection, question)
        self = look.measurement(firstSYN: attempts.map(\.firstTime).min())
    }
}
