package import WireFormat

/// One frame of a capture.
package struct CapturedPacket: Hashable, Sendable {
    /// Nanoseconds since 1970, or since the start of a simulation.
    package var time: Int64
    /// Octets that the frame had on the wire.
    package var wireLength: Int
    /// What the capture kept of them, from the link header on.
    package var bytes: [UInt8]
    package var linkType: LinkType

    /// A frame; of its whole length when nothing else is said.
    package init(time: Int64, wireLength: Int? = nil, bytes: [UInt8], linkType: LinkType) {
        self.time = time
        self.wireLength = wireLength ?? bytes.count
        self.bytes = bytes
        self.linkType = linkType
    }

    /// The bytes of the IP packet, `nil` when the frame carries none.
    package var ipPacket: [UInt8]? {
        bytes.withUnsafeBytes { frame in
            linkType.ipPacket(in: frame).map { Array(frame[$0]) }
        }
    }

    /// The interface that it was captured on, where the frame says so.
    package var interfaceIndex: Int? {
        bytes.withUnsafeBytes { linkType.interfaceIndex(in: $0) }
    }
}
