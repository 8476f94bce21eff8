public import CongestionControl
internal import DequeModule
public import NetworkPrimitives
internal import WireFormat

/// One TCP connection (RFC 9293) without I/O and without a clock.
///
/// - Queries: `state`, `readable`, `sendAllowance`, `smoothedRTT`, ...
/// - Inputs: `receive(_:payload:now:)`, `handleDeadline(now:)`.
/// - Commands: `connect`/`accept` (static), `send`, `close`, `abort`, `requestACK`, `consume`.
/// - Outputs: `pollSegment(now:)`, `pollDeadline()`.
///
/// Call order: after any input or command, `pollSegment` until it returns `nil`, then wait until
/// `pollDeadline`. The bytes of a polled segment are in `sendBuffer` until acknowledged. An owner
/// that speaks MPTCP sets `receiveWindow`, adds its options to the polled header and gives each
/// piece of data its mapping.
public struct TCPConnection: Sendable {
    /// The two ends.
    public let tuple: FourTuple
    /// The configuration.
    public private(set) var configuration: TCPConfiguration
    /// The state.
    public internal(set) var state: TCPState
    /// Why the state is `.closed`.
    public internal(set) var closeReason: TCPCloseReason?

    var snd: SendVariables
    var rcv = ReceiveVariables()
    var timestamps: TimestampState
    var recovery = RecoveryState()
    var ecn = ECNState()
    var pacer = Pacer()
    var timers = TimerTable()
    var queue = RetransmissionQueue()
    var pending: Deque<PendingUnit> = []
    var acknowledgment = AcknowledgmentState()
    /// Bytes given to `send` and not yet acknowledged; offset 0 is the octet behind the SYN.
    public internal(set) var sendBuffer = SendBuffer()
    /// Bytes received; offset 0 is the octet behind the peer's SYN.
    public internal(set) var receiveBuffer = ReassemblyBuffer()
    /// Round-trip time and timeout.
    public internal(set) var rtt: RTTEstimator
    /// The congestion controller.
    public internal(set) var congestion: CongestionController
    /// Octets that the owner is ready to take beyond `rcv.nxt`; becomes the window field.
    public var receiveWindow: Int
    /// What happened so far, in the words of the kernel's MIB.
    public internal(set) var counters = Counters()

    /// Counters of one connection.
    public struct Counters: Hashable, Sendable {
        /// Segments sent.
        public var segmentsSent = 0
        /// Segments with data sent, those sent again included.
        public var dataSegmentsSent = 0
        /// Segments received.
        public var segmentsReceived = 0
        /// Segments sent again.
        public var retransmittedSegments = 0
        /// Retransmission timeouts.
        public var timeouts = 0
        /// Tail loss probes sent.
        public var lossProbes = 0
        /// Fast recoveries entered.
        public var fastRecoveries = 0
        /// Reductions of the window that were taken back as spurious.
        public var undoneReductions = 0
        /// Duplicates that the peer reported (RFC 2883).
        public var duplicatesReported = 0
        /// Segments received that had experienced congestion (RFC 3168).
        public var congestionExperienced = 0
        /// Reductions of the window because the peer echoed congestion.
        public var congestionEchoes = 0
        /// Challenge ACKs sent (RFC 5961).
        public var challengeACKs = 0
        /// Segments dropped by PAWS (RFC 7323, 5).
        public var pawsDrops = 0
    }

    init(
        tuple: FourTuple, configuration: TCPConfiguration, state: TCPState,
        initialSequence: SequenceNumber, timestampOffset: UInt32, now: Instant
    ) {
        self.tuple = tuple
        self.configuration = configuration
        self.state = state
        snd = SendVariables(initialSequence: initialSequence)
        timestamps = TimestampState(offset: timestampOffset)
        rtt = RTTEstimator(configuration: configuration)
        receiveWindow = configuration.maximumReceiveWindow
        congestion = CongestionController(
            kind: configuration.congestionControl,
            maximumSegmentSize: configuration.maximumSegmentSize(isV6: tuple.local.address.isV6),
            now: now)
    }

    // MARK: Queries

    /// Our initial sequence number.
    public var initialSequence: SequenceNumber { snd.initialSequence }
    /// SND.NXT.
    public var sendNext: SequenceNumber { snd.nxt }
    /// RCV.NXT.
    public var receiveNext: SequenceNumber { rcv.nxt }
    /// Stream offset of the first byte that was not acknowledged.
    public var acknowledgedOffset: Int { sendBuffer.start }
    /// Whether the peer's FIN was received in order.
    public var hasReceivedFIN: Bool { rcv.isFINConsumed }
    /// Whether bytes or a FIN wait for an acknowledgment.
    public var hasOutstandingData: Bool { !queue.isEmpty }
    /// Octets given and not yet acknowledged.
    public var outstandingBytes: Int { sendBuffer.count }
    /// Whether given bytes wait to be sent for the first time.
    public var hasUnsentData: Bool { !pending.isEmpty }
    /// When a valid segment last arrived.
    public var lastReceived: Instant { acknowledgment.lastReceived }
    /// Retransmission timeouts in a row.
    public var consecutiveTimeouts: Int { recovery.consecutiveTimeouts }

    /// Segments that wait for an acknowledgment.
    public var outstandingSegments: Int { queue.count }
    /// Segments ever taken for lost; a tail loss probe counts as a loss.
    public var lossTotal: Int { queue.lossTotal + counters.lossProbes }

    /// Payload octets of a full segment, options taken off (RFC 6691).
    public var effectiveMSS: Int {
        max(
            snd.maximumSegmentSize - (timestamps.isEnabled ? 12 : 0)
                - configuration.reservedOptionBytes, 1)
    }

    /// Octets that could be sent now beyond what was given: congestion and peer's window.
    public var sendAllowance: Int {
        guard canSend, !snd.isCloseRequested, queue.lostCount == 0 else { return 0 }
        let unsent = sendBuffer.end - snd.nextOffset
        let window = snd.window - snd.una.distance(to: snd.nxt)
        let allowance = min(congestion.window - pipe, window) - unsent
        return state == .synReceived ? min(allowance, snd.earlyAllowance - unsent) : allowance
    }

    /// Whether both ends agreed on explicit congestion notification.
    public var usesECN: Bool { ecn.isEnabled }

    /// Sequence numbers that are taken to be on the path (RFC 6675, 2; without SACK RFC 9937, 7).
    var pipe: Int { max(queue.inFlight - recovery.assumedDelivered, 0) }

    // MARK: Commands

    /// Puts bytes at the end of the stream. Octets with a mapping are one unit: no segment holds
    /// octets of two units (mptcp-behaviour, 5.2 rule 7).
    public mutating func send(
        _ range: Range<Int>, of source: SendBuffer, mapping: SegmentMapping?
    ) {
        guard !range.isEmpty else { return }
        sendBuffer.append(range, of: source)
        appendUnit(length: range.count, mapping: mapping)
    }

    /// Puts bytes at the end of the stream.
    public mutating func send(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        sendBuffer.append(bytes)
        appendUnit(length: bytes.count, mapping: nil)
    }

    private mutating func appendUnit(length: Int, mapping: SegmentMapping?) {
        if mapping == nil, let last = pending.last, last.mapping == nil {
            pending[pending.count - 1].length += length
        } else {
            pending.append(PendingUnit(length: length, mapping: mapping))
        }
    }

    /// Sends FIN behind everything given so far.
    public mutating func close(now: Instant) {
        switch state {
        case .synSent, .closed:
            finish(.aborted)
        case .synReceived, .established, .closeWait:
            snd.isCloseRequested = true
        case .finWait1, .finWait2, .closing, .timeWait, .lastACK:
            break
        }
    }

    /// Sends RST and forgets everything.
    public mutating func abort() {
        guard state != .closed else { return }
        if state != .synSent, state != .timeWait { snd.isResetPending = true }
        finish(.aborted)
    }

    /// Ends a handshake that the layer above refuses: RST answers the peer's SYN.
    public mutating func abortHandshake() {
        snd.isResetPending = true
        // RFC 9293, 3.10.7.3: nothing of the peer's was taken that could be acknowledged.
        snd.isResetBare = state == .synSent
        finish(.aborted)
    }

    /// Forgets everything without a word: the interface is gone.
    public mutating func discard() { finish(.aborted) }

    /// Whether FIN was sent, or will be behind what is to be sent.
    public var isCloseRequested: Bool { snd.isCloseRequested }

    /// How often the SYN or SYN/ACK was sent.
    public var synTransmissions: Int { snd.synTransmissions }

    /// Whether an RST waits to be sent.
    public var hasResetToSend: Bool { snd.isResetPending }

    /// The shift of the peer's window field.
    public var peerWindowShift: Int { snd.windowShift }

    /// Has an ACK sent at once even if nothing is to be acknowledged.
    public mutating func requestACK() { acknowledgment.need = .immediate }

    /// Has a segment sent that an alive peer must answer (RFC 9293, 3.8.4).
    public mutating func requestProbe() { acknowledgment.isProbePending = true }

    /// Says how the other paths of a connection bear on this one's congestion window.
    public mutating func couple(_ coupling: Coupling?) { congestion.couple(coupling) }

    /// Halves the congestion window: this path holds up the others.
    public mutating func penalise() { congestion.penalise() }

    /// Forgets received bytes before a stream offset: the owner took them.
    public mutating func consume(upTo offset: Int) { receiveBuffer.discard(upTo: offset) }

    /// Gives back the memory of everything that is empty.
    public mutating func releaseMemory() {
        sendBuffer.releaseIfEmpty()
        receiveBuffer.releaseIfEmpty()
        queue.releaseIfEmpty()
        if pending.isEmpty { pending = [] }
    }

    mutating func lowerMTU(to mtu: Int) { configuration.mtu = mtu }

    /// Ends the connection on this side without a word to the peer.
    mutating func finish(_ reason: TCPCloseReason) {
        state = .closed
        closeReason = closeReason ?? reason
        timers.disarmAll()
        queue.removeAll()
        pending.removeAll()
    }
}
