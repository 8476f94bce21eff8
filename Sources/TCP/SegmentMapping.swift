public import NetworkPrimitives

/// The DSS mapping of a piece of a subflow's stream, cut once and repeated verbatim in every
/// segment that carries a part of it (RFC 8684, 3.3.1; mptcp-behaviour, 5.2).
///
/// TCP does not interpret it: it only never lets a segment hold octets of two mappings.
public struct SegmentMapping: Hashable, Sendable {
    /// Data sequence number of the first octet.
    public var dataSequenceNumber: DataSequenceNumber
    /// Relative subflow sequence number of the first octet.
    public var subflowSequenceNumber: UInt32
    /// Octets of payload.
    public var length: UInt16
    /// DSS checksum, when negotiated.
    public var checksum: UInt16?
    /// Whether the sender had nothing more to send behind it (idle bit).
    public var isIdle: Bool

    /// A mapping of these fields.
    public init(
        dataSequenceNumber: DataSequenceNumber, subflowSequenceNumber: UInt32, length: UInt16,
        checksum: UInt16?, isIdle: Bool = false
    ) {
        self.isIdle = isIdle
        self.dataSequenceNumber = dataSequenceNumber
        self.subflowSequenceNumber = subflowSequenceNumber
        self.length = length
        self.checksum = checksum
    }
}
