internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// The connection level of a connection: its two data sequence spaces (mptcp-behaviour, 1.1).
///
/// Offsets count octets of application data from 0; data sequence number = initial + 1 + offset.
struct DataState: Sendable {
    let initialDSN: DataSequenceNumber
    var remoteInitialDSN = DataSequenceNumber(0)

    /// Bytes from the first that was not DATA_ACKed (`start`) to the last one written (`end`).
    var sent = SendBuffer()
    /// Octets that the peer took from our SYN; the stream before the data sequence space.
    private(set) var earlySent = 0
    /// Octets of the peer's SYN that the application has not read.
    private(set) var earlyReceived: [UInt8] = []
    /// Octets that the peer's SYN held.
    private(set) var earlyReceivedCount = 0
    /// Offset of the next byte to map for the first time.
    var next = 0
    /// Highest offset that the peer's window permits; never moves back once a DATA_ACK has said it.
    var windowEnd = 0
    /// Whether `windowEnd` comes from a DATA_ACK, and not from the handshake.
    var isWindowAcknowledged = false
    /// When a DATA_ACK last acknowledged something new.
    var lastAdvance = Instant(nanoseconds: .min / 2)
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

    /// A DATA_FIN came that was not answered yet.
    var isFINAnswerDue = false
    /// A checksum failure that waits for the peer.
    var failure: MappingFailure?
    /// Whether this side sent MP_FAIL first.
    var hasRequestedFallback = false
    /// DATA_FIN came before the fallback: whether the peer fell back, too, only its FIN says.
    var awaitsFIN = false
    /// The head of the queue is not reinjected again before this instant.
    var earliestReinjection = Instant(nanoseconds: .min / 2)
    var isReadableSignalled = false
    var wantsWritableEvent = false
    /// When a closed window is probed.
    var probeDeadline: Instant?
    var probeBackoff = 0
    /// When the window was last asked for.
    var probedAt: Instant?
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

    /// The peer took the first octets from our SYN: offset 0 is the octet behind them.
    mutating func dropEarly(_ count: Int) {
        var rest = SendBuffer()
        rest.append(count..<sent.end, of: sent)
        sent = rest
        earlySent = count
    }

    /// The peer's SYN held octets.
    mutating func takeEarly(_ bytes: [UInt8]) {
        earlyReceived = bytes
        earlyReceivedCount = bytes.count
    }

    /// Takes out at most `limit` octets of the peer's SYN.
    mutating func takeEarly(_ limit: Int) -> [UInt8] {
        let early = Array(earlyReceived.prefix(limit))
        earlyReceived.removeFirst(early.count)
        return early
    }

    /// Nobody is going to read what is there.
    mutating func discardReceived() {
        earlyReceived = []
        received.discard(upTo: received.end)
    }

    /// Octets that the application can read.
    var readableCount: Int { earlyReceived.count + received.readableCount }

    /// Offset of the first byte that was not DATA_ACKed.
    var acknowledged: Int { sent.start }

    /// The offset of a number that the peer sent about our data, `nil` when it is nowhere near.
    func sentOffset(of number: DataNumber) -> Int? {
        let reference = dataSequenceNumber(at: acknowledged)
        let step = reference.distance(to: number.expanded(near: reference))
        return abs(clamped: step) <= Self.horizon ? acknowledged + step : nil
    }

    /// The offset of a number that the peer gave its own data, `nil` when it is nowhere near.
    func receivedOffset(of number: DataNumber) -> Int? {
        let reference = remoteInitialDSN + 1 + received.end
        let step = reference.distance(to: number.expanded(near: reference))
        return abs(clamped: step) <= Self.horizon ? received.end + step : nil
    }

    private func abs(clamped step: Int) -> Int { step == .min ? .max : Swift.abs(step) }

    /// Numbers further away than any window ever reaches are nonsense; sums with them would
    /// overflow.
    private static let horizon = 1 << 48

    func dataSequenceNumber(at offset: Int) -> DataSequenceNumber { initialDSN + 1 + offset }

    /// What we DATA_ACK.
    var dataACK: DataSequenceNumber {
        remoteInitialDSN + 1 + received.end + (isPeerFinished ? 1 : 0)
    }

    /// The window to advertise, relative to the DATA_ACK.
    var receiveWindow: Int { max(advertisedEnd - received.end, 0) }
}
