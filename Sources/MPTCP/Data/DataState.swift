internal import NetworkPrimitives
internal import TCP

/// The connection level of a connection: its two data sequence spaces (mptcp-behaviour, 1.1).
///
/// Offsets count octets of application data from 0; data sequence number = initial + 1 + offset.
struct DataState: Sendable {
    let initialDSN: DataSequenceNumber
    var remoteInitialDSN = DataSequenceNumber(0)

    /// Bytes from the first that was not DATA_ACKed (`start`) to the last one written (`end`).
    var sent = ByteRing()
    /// Offset of the next byte to map for the first time.
    var next = 0
    /// Highest offset that the peer's window permits; never moves back.
    var windowEnd = 0
    /// Ranges to be sent again on another subflow.
    var reinjections = RangeList()
    /// Ranges that were ever reinjected and are not DATA_ACKed yet.
    var reinjected = RangeList()

    /// Bytes in data sequence order.
    var received = ReassemblyBuffer()
    let receiveCapacity: Int
    /// Highest offset ever advertised; never moves back (RFC 8684, 3.3.5).
    var advertisedEnd: Int

    var isFinishing = false
    var isFINSent = false
    var isFINAcknowledged = false
    var finDeadline: Instant?
    var finTransmissions = 0
    /// Offset of the peer's DATA_FIN.
    var peerFIN: Int?
    var isPeerFinished = false

    var isReadableSignalled = false
    var wantsWritableEvent = false
    /// When a closed window is probed.
    var probeDeadline: Instant?
    var probeBackoff = 0
    /// Doublings of the connection-level retransmission timer.
    var retransmissionBackoff = 0
    /// In fallback: connection offset minus subflow offset, for either direction.
    var fallbackSendShift = 0
    var fallbackReceiveShift = 0
    /// False once data was spread over subflows: no infinite mapping any more (mptcp-behaviour, 11).
    var isContiguous = true

    init(initialDSN: DataSequenceNumber, receiveBuffer: Int) {
        self.initialDSN = initialDSN
        receiveCapacity = receiveBuffer
        advertisedEnd = receiveBuffer
    }

    /// Offset of the first byte that was not DATA_ACKed.
    var acknowledged: Int { sent.start }

    func dataSequenceNumber(at offset: Int) -> DataSequenceNumber { initialDSN + 1 + offset }

    /// What we DATA_ACK.
    var dataACK: DataSequenceNumber {
        remoteInitialDSN + 1 + received.end + (isPeerFinished ? 1 : 0)
    }

    /// The window to advertise, relative to the DATA_ACK.
    var receiveWindow: Int { max(advertisedEnd - received.end, 0) }

    /// Whether every byte and the DATA_FIN were acknowledged.
    var isSendingDone: Bool { isFINAcknowledged }
}
