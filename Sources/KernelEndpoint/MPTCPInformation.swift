package import NetworkPrimitives

/// `struct mptcp_info`, what the kernel tells of a connection (kernel-peer.md, 17.1).
package struct MPTCPInformation: Hashable, Sendable {
    /// What `getsockopt` fills in Linux 6.18; older kernels fill less.
    package static let length = 96

    /// Subflows beyond the first, now.
    package var extraSubflows: Int
    package var addressesSignalled: Int
    package var addressesAccepted: Int
    /// Greatest number of extra subflows.
    package var subflowLimit: Int
    package var isFallback: Bool
    package var hasRemoteKey: Bool
    package var localToken: UInt32
    /// Next DSN that the application writes.
    package var writeSequence: DataSequenceNumber
    /// Lowest DSN without DATA_ACK.
    package var unacknowledged: DataSequenceNumber
    /// Our DATA_ACK.
    package var receiveNext: DataSequenceNumber
    package var usesChecksum: Bool
    /// Consecutive retransmissions of the connection level.
    package var retransmissions: Int
    /// The rest is there since Linux 6.5; zero before.
    package var bytesRetransmitted: UInt64
    package var bytesSent: UInt64
    package var bytesReceived: UInt64
    package var bytesAcknowledged: UInt64
    package var totalSubflows: Int

    /// Reads what the kernel filled; `nil` if not even the sequence numbers are there.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= 40 else { return nil }
        func word<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type) -> T {
            guard offset + MemoryLayout<T>.size <= bytes.count else { return 0 }
            return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
        }
        func octet(_ offset: Int) -> Int { Int(word(offset, UInt8.self)) }
        extraSubflows = octet(0)
        addressesSignalled = octet(1)
        addressesAccepted = octet(2)
        subflowLimit = octet(3)
        let flags = word(8, UInt32.self)
        isFallback = flags & 1 != 0
        hasRemoteKey = flags & 2 != 0
        localToken = word(12, UInt32.self)
        writeSequence = DataSequenceNumber(word(16, UInt64.self))
        unacknowledged = DataSequenceNumber(word(24, UInt64.self))
        receiveNext = DataSequenceNumber(word(32, UInt64.self))
        usesChecksum = octet(42) != 0
        retransmissions = Int(word(44, UInt32.self))
        bytesRetransmitted = word(48, UInt64.self)
        bytesSent = word(56, UInt64.self)
        bytesReceived = word(64, UInt64.self)
        bytesAcknowledged = word(72, UInt64.self)
        totalSubflows = octet(80)
    }
}
