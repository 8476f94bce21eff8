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
    /// Which of its file's interfaces captured it; `nil` in a file that knows of none.
    package var interface: Int?

    /// A frame; of its whole length when nothing else is said.
    package init(
        time: Int64, wireLength: Int? = nil, bytes: [UInt8], linkType: LinkType,
        interface: Int? = nil
    ) {
        self.time = time
        self.wireLength = wireLength ?? bytes.count
        self.bytes = bytes
        self.linkType = linkType
        self.interface = interface
    }

    /// The bytes of the IP packet, `nil` when the frame carries none.
    package var ipPacket: [UInt8]? {
        bytes.withUnsafeBytes { frame in
            linkType.ipPacket(in: frame).map { Array(frame[$0]) }
        }
    }

    /// The number that the capturing system gave the interface, where the frame says so.
    package var interfaceIndex: Int? {
        bytes.withUnsafeBytes { linkType.interfaceIndex(in: $0) }
    }
}
