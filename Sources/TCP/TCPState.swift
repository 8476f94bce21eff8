/// The states of a connection (RFC 9293, 3.3.2). LISTEN belongs to the host's listener table.
///
///                 SYN sent                    SYN received
///     closed ----------------> synSent     (listener) ----> synReceived
///                                 | SYN/ACK                     | ACK
///                                 +--------> established <------+
///              close / FIN sent /            \ FIN received
///                       finWait1              closeWait
///          ACK of FIN /    | FIN                  | close / FIN sent
///             finWait2     closing              lastACK
///                 | FIN       | ACK of FIN        | ACK of FIN
///                 +-> timeWait <-+                +-> closed
public enum TCPState: Hashable, Sendable {
    /// No connection.
    case closed
    /// A SYN was sent.
    case synSent
    /// A SYN was received and answered.
    case synReceived
    /// Data flows.
    case established
    /// Our FIN was sent.
    case finWait1
    /// Our FIN was acknowledged.
    case finWait2
    /// Both FINs crossed.
    case closing
    /// Waits until old segments have died.
    case timeWait
    /// The peer's FIN was received.
    case closeWait
    /// Both FINs were sent, ours waits for its ACK.
    case lastACK

    /// Whether both SYNs were exchanged.
    public var isSynchronized: Bool {
        switch self {
        case .closed, .synSent, .synReceived: false
        case .established, .finWait1, .finWait2, .closing, .timeWait, .closeWait, .lastACK: true
        }
    }

    /// Whether data may still be sent.
    public var canSend: Bool { self == .established || self == .closeWait }

    /// Whether the peer may still send data.
    public var canReceive: Bool {
        self == .established || self == .finWait1 || self == .finWait2
    }
}

/// Why a connection is no more.
public enum TCPCloseReason: String, Sendable {
    /// Both sides sent FIN.
    case finished
    /// The peer reset it.
    case reset
    /// The peer answered the SYN with RST.
    case refused
    /// Retransmissions went unanswered.
    case timedOut
    /// This side reset it.
    case aborted
}
