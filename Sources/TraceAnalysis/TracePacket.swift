/// One packet as a capture holds it.
package struct TracePacket: Hashable, Sendable {
    /// Nanoseconds on the capture's clock.
    package var time: Int64
    /// The capture point that saw it, an index of the analyser's points.
    package var point: Int
    /// The IP packet, perhaps cut at its end.
    package var bytes: [UInt8]
    /// Octets that the IP packet had, as the capture says; more than `bytes.count` where it was cut.
    package var wireLength: Int

    package init(time: Int64, point: Int, bytes: [UInt8], wireLength: Int? = nil) {
        self.time = time
        self.point = point
        self.bytes = bytes
        self.wireLength = wireLength ?? bytes.count
    }
}

/// A place where packets were captured.
package struct TracePoint: Hashable, Sendable {
    /// Where it lies on the way between the two hosts. The client is the host that opened the
    /// connection.
    package enum Place: Hashable, Sendable {
        /// What the packets themselves tell counts.
        case unknown
        case atClient
        case atServer
    }

    /// A name for people: `client-wifi0`.
    package var name: String
    package var place: Place

    package init(_ name: String, place: Place = .unknown) {
        self.name = name
        self.place = place
    }
}

/// What the captures held. A packet seen at two points counts twice.
package struct PacketCounts: Hashable, Sendable {
    /// Everything that was added.
    package var packets = 0
    /// TCP segments that could be read.
    package var segments = 0
    /// Whole packets of other protocols.
    package var otherProtocols = 0
    /// Fragments, which are not put together.
    package var fragments = 0
    /// Neither IPv4 nor IPv6, or headers that contradict themselves or are not there whole.
    package var malformed = 0
    /// Packets whose headers the capture did not keep whole: they may be of any connection.
    package var headersCut = 0
    /// Segments of which the capture kept only the beginning.
    package var cut = 0
    /// Segments larger than an Ethernet frame: cut into pieces only behind the capture point.
    package var superPackets = 0
    /// Second sightings of the same packet at the same point, as `tcpdump -i any` yields.
    package var repeated = 0

    package init() {}
}
