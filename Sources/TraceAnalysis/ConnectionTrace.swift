package import NetworkPrimitives
package import WireFormat

/// Which way octets go in a connection. The client is the host that opened it.
package enum TraceDirection: String, Hashable, Sendable, CaseIterable {
    /// From the client to the server.
    case upload
    /// From the server to the client.
    case download

    package var reversed: TraceDirection { self == .upload ? .download : .upload }
}

/// What a connection speaks.
package enum ConnectionProtocol: String, Hashable, Sendable {
    /// RFC 8684.
    case mptcpV1 = "mptcp v1"
    /// RFC 6824.
    case mptcpV0 = "mptcp v0"
    /// MPTCP whose handshake is not in the captures.
    case mptcpUnknownVersion = "mptcp"
    case tcp
}

/// One connection of the captures.
package struct ConnectionTrace: Hashable, Sendable {
    /// Its number in the report, from 0.
    package var index: Int
    package var kind: ConnectionProtocol
    /// The first subflow's ends.
    package var client: Endpoint
    package var server: Endpoint
    /// Whether the handshake shows who opened the connection; else the lower port was taken for the
    /// server's.
    package var isClientKnown: Bool
    package var clientKey: Known<Key>
    package var serverKey: Known<Key>
    package var clientToken: Known<Token>
    package var serverToken: Known<Token>
    /// Whether DSS checksums were agreed.
    package var usesChecksums: Known<Bool>
    /// In the order of their first packets. Refused joins are here too.
    package var subflows: [SubflowTrace]
    package var joins: [JoinTrace]
    package var upload: DirectionTrace
    package var download: DirectionTrace
    package var signals: [SignalTrace]
    /// Why MPTCP ended or never began on a connection that asked for it, and when.
    package var fallback: FallbackTrace?
    /// First sighting of the first packet, and of the last.
    package var firstTime: Int64
    package var lastTime: Int64

    package subscript(direction: TraceDirection) -> DirectionTrace {
        get { direction == .upload ? upload : download }
        set { if direction == .upload { upload = newValue } else { download = newValue } }
    }
}

/// How a connection fell back to TCP.
package struct FallbackTrace: Hashable, Sendable {
    package enum Cause: String, Hashable, Sendable {
        case synACKWithoutOption = "SYN/ACK without MP_CAPABLE"
        case thirdPacketWithoutOption = "third packet without MP_CAPABLE"
        case dataWithoutMapping = "data without mapping"
        case infiniteMapping = "infinite mapping"
    }

    package var cause: Cause
    package var time: Int64
}

/// How a subflow came to its connection.
package enum SubflowKind: String, Hashable, Sendable {
    /// The first one, with MP_CAPABLE.
    case capable
    /// With MP_JOIN.
    case join
    /// MPTCP whose handshake is not in the captures.
    case midstream
    /// No MPTCP at all.
    case tcp
}

/// By what a subflow was found to belong to its connection.
package enum SubflowMembership: String, Hashable, Sendable {
    /// It is the connection's first one.
    case first
    /// Its token is that of a key in the captures.
    case token
    /// It names the same token as another join; the keys are not in the captures.
    case sharedToken = "shared token"
    /// Its data sequence numbers continue those of the others.
    case dataSequence = "data sequence numbers"
}

/// One TCP connection of an MPTCP connection.
package struct SubflowTrace: Hashable, Sendable {
    /// What one end said and sent.
    package struct End: Hashable, Sendable {
        package var addressID: AddressID?
        /// Whether it asked not to be sent to while another subflow works: in MP_JOIN.
        package var isBackup: Bool?
        package var maximumSegmentSize: UInt16?
        package var windowScale: UInt8?
        package var packets: Int
        package var payload: Int
        package var hasFIN: Bool

        package init(packets: Int = 0, payload: Int = 0, hasFIN: Bool = false) {
            self.packets = packets
            self.payload = payload
            self.hasFIN = hasFIN
        }

        /// Takes away packets that this end did not send as they were seen.
        mutating func remove(_ resegmented: (packets: Int, octets: Int)) {
            packets -= resegmented.packets
            payload -= resegmented.octets
        }
    }

    /// How it was reset.
    package struct Reset: Hashable, Sendable {
        package var isFromClient: Bool
        package var time: Int64
        package var reason: MPTCPReset?
    }

    /// Its number in the connection, from 0.
    package var index: Int
    /// `local` is the client's end.
    package var tuple: FourTuple
    package var kind: SubflowKind
    package var membership: SubflowMembership
    /// Whether the client of the connection opened it too.
    package var isOpenedByClient: Bool
    package var client: End
    package var server: End
    /// The points where it was seen, in the order of the report's.
    package var points: [Int]
    package var uploadPlace: CapturePlace
    package var downloadPlace: CapturePlace
    /// SYN to SYN/ACK as its opener saw it.
    package var handshakeRoundTrip: Known<Int64>
    /// When the first SYN/ACK was at the opener.
    package var synACKArrival: Known<Int64>
    package var reset: Reset?
    package var firstTime: Int64
    package var lastTime: Int64
}

/// Where the packets of one direction of a subflow were captured.
package enum CapturePlace: Hashable, Sendable {
    /// Where they leave and where they arrive.
    case bothEnds(send: Int, receive: Int)
    /// At one point only; how near it is to which end follows from the handshake.
    case onePoint(Int, Nearness)
    /// Nowhere.
    case none

    package enum Nearness: Hashable, Sendable {
        case sender
        case receiver
        case between
        case unknown
    }

    /// Whether it is known when octets reach the receiver.
    package var showsArrival: Bool {
        switch self {
        case .bothEnds, .onePoint(_, .receiver): true
        case .onePoint, .none: false
        }
    }

    /// Whether what leaves the sender was seen, be it somewhat later: a point at the receiver does not
    /// see what was lost before it.
    package var showsDeparture: Bool {
        if case .onePoint(_, .receiver) = self { false } else { true }
    }
}

/// A signal that is not about data.
package struct SignalTrace: Hashable, Sendable {
    package enum Content: Hashable, Sendable {
        case addAddress(AddAddress)
        case removeAddress([AddressID])
        case priority(isBackup: Bool, AddressID?)
        case fail(DataSequenceNumber)
        case fastClose
        case reset(MPTCPReset)
        case dataFIN
        /// What the sender can do when a subflow joins (fast-join, 5.1).
        case joinCapabilities(FastJoinFeatures, maximumPayloadUnits: UInt8)
    }

    package var content: Content
    package var subflow: Int
    package var isFromClient: Bool
    package var times: PacketTimes
}

/// When a packet left its sender and when it reached its receiver, as far as points there saw it.
package struct PacketTimes: Hashable, Sendable {
    package var sent: Int64?
    package var arrived: Int64?

    package init(sent: Int64?, arrived: Int64?) {
        self.sent = sent
        self.arrived = arrived
    }

    /// The earlier of the two.
    package var first: Int64? { sent ?? arrived }

    /// Without the one that a single point of capture does not see.
    func shown(at place: CapturePlace) -> PacketTimes {
        switch place {
        case .onePoint(_, .receiver): PacketTimes(sent: nil, arrived: arrived)
        case .onePoint(_, .sender): PacketTimes(sent: sent, arrived: nil)
        case .bothEnds, .onePoint, .none: self
        }
    }
}
