package import NetworkPrimitives

/// What one transmission of a range is.
package enum TransmissionKind: String, Hashable, Sendable, CaseIterable {
    /// The range is sent for the first time.
    case first
    /// The same subflow has carried it before.
    case retransmission
    /// Another subflow has carried it, and it is not DATA_ACKed.
    case reinjection
    /// Another subflow has carried it, and the sender has its DATA_ACK.
    case lateReinjection = "late-reinjection"
    /// No transmission: octets that left in other packets arrive in this one, which hardware or a
    /// middlebox on the way cut out of them or made of several.
    case arrival
}

/// A range of the stream in one packet.
package struct Transmission: Hashable, Sendable {
    package var subflow: Int
    package var times: PacketTimes
    /// Octets of the stream from `DirectionTrace.origin` on.
    package var range: Range<Int>
    package var kind: TransmissionKind
    /// The subflow that carried the range first, if that is another one.
    package var original: Int?
    /// Octets that were at the receiver first by this packet.
    package var newOctets = 0
    /// Whether the receiver takes data of this subflow at this time. It does not once it has given
    /// the subflow up: its DATA_ACKs then wait for a copy on another one.
    package var isTaken = true

    package init(
        subflow: Int, times: PacketTimes, range: Range<Int>, kind: TransmissionKind,
        original: Int? = nil
    ) {
        self.subflow = subflow
        self.times = times
        self.range = range
        self.kind = kind
        self.original = original
    }
}

/// A reinjected range and what became of it.
package struct ReinjectionTrace: Hashable, Sendable {
    /// The transmission's place in `DirectionTrace.transmissions`.
    package var transmission: Int
    package var range: Range<Int>
    package var from: Int
    package var to: Int
    package var times: PacketTimes
    /// When the original was sent first.
    package var originalSent: Int64?
    /// Octets that arrived first by the subflow of the reinjection.
    package var useful: Int
    /// Octets that arrived first by the original.
    package var redundant: Int
    /// Octets that were not seen arriving.
    package var neverArrived: Int { range.count - useful - redundant }
}

/// A point of a staircase: from this time on everything before `offset` is there.
package struct ProgressStep: Hashable, Sendable {
    package var time: Int64
    package var offset: Int

    package init(time: Int64, offset: Int) {
        self.time = time
        self.offset = offset
    }
}

/// A DATA_ACK that acknowledges more than all before.
package struct DataACKStep: Hashable, Sendable {
    package var times: PacketTimes
    package var offset: Int
    package var subflow: Int
}

/// A time without new in-order octets at the receiver.
package struct ProgressGap: Hashable, Sendable {
    package var start: Int64
    package var end: Int64

    package var nanoseconds: Int64 { end &- start }

    package init(start: Int64, end: Int64) {
        self.start = start
        self.end = end
    }
}

/// One direction of a connection's stream.
///
/// Offsets count octets from `origin`; with `isOriginInitial` that is the first octet of the stream.
package struct DirectionTrace: Hashable, Sendable {
    /// The data sequence number of offset 0; `nil` without MPTCP.
    package var origin: DataSequenceNumber?
    package var isOriginInitial: Bool
    /// Whether the upper half of the data sequence numbers is known.
    package var isHighHalfKnown: Bool
    /// Every packet with payload, in the order in which they left; those that only arrived stand where
    /// they were first seen.
    package var transmissions: [Transmission] = []
    package var reinjections: [ReinjectionTrace] = []
    /// In-order octets at the receiving application, step by step.
    package var progress: [ProgressStep] = []
    package var dataACKs: [DataACKStep] = []
    /// Where the stream ends, once its sender said so.
    package var dataFIN: ProgressStep?
    /// Octets of payload that no mapping covers.
    package var unmapped = 0
    /// Mappings that contradict the rest: another subflow position with the same data, out of any
    /// window.
    package var implausibleMappings = 0
    /// Octets that the receiver acknowledged although no capture has them.
    package var notCaptured = 0
    /// Distinct mappings for each subflow.
    package var mappingCounts: [Int] = []
    /// Whether arrival at the receiver was captured; else times of arrival are those of the capture.
    package var showsArrival = false
    /// Whether the sender's packets were captured before they could be lost; else nothing tells
    /// whether they were sent before, and reinjections are not known.
    package var showsDeparture = true

    package init(
        origin: DataSequenceNumber? = nil, isOriginInitial: Bool = false,
        isHighHalfKnown: Bool = false
    ) {
        self.origin = origin
        self.isOriginInitial = isOriginInitial
        self.isHighHalfKnown = isHighHalfKnown
    }
}

extension DirectionTrace {
    /// Takes away the times that no point of the subflows saw.
    mutating func show(at places: [CapturePlace]) {
        showsArrival = places.allSatisfy(\.showsArrival)
        showsDeparture = places.allSatisfy(\.showsDeparture)
        for index in transmissions.indices {
            let place = places[transmissions[index].subflow]
            transmissions[index].times = transmissions[index].times.shown(at: place)
        }
        for index in reinjections.indices {
            let place = places[reinjections[index].to]
            reinjections[index].times = reinjections[index].times.shown(at: place)
        }
    }

    /// The same for the DATA_ACKs, which go the other way.
    mutating func showAcknowledgments(at places: [CapturePlace]) {
        for index in dataACKs.indices {
            dataACKs[index].times = dataACKs[index].times.shown(
                at: places[dataACKs[index].subflow])
        }
    }

    /// Octets of the stream that were sent, each once.
    package var sentOctets: Int { octets(.first) }

    /// Octets of payload of transmissions of a kind.
    package func octets(_ kind: TransmissionKind, subflow: Int? = nil) -> Int {
        transmissions.reduce(0) { sum, transmission in
            transmission.kind == kind && (subflow == nil || transmission.subflow == subflow)
                ? sum + transmission.range.count : sum
        }
    }

    /// Where the in-order stream at the receiver ends.
    package var deliveredOffset: Int? { progress.last?.offset }

    /// The gaps of at least `nanoseconds` in the in-order stream, in the order of time.
    package func gaps(ofAtLeast nanoseconds: Int64) -> [ProgressGap] {
        zip(progress, progress.dropFirst()).compactMap { earlier, later in
            let gap = ProgressGap(start: earlier.time, end: later.time)
            return gap.nanoseconds >= nanoseconds ? gap : nil
        }
    }

    /// The data sequence number of an offset.
    package func dataSequenceNumber(of offset: Int) -> DataSequenceNumber? {
        origin.map { $0 + offset }
    }
}
