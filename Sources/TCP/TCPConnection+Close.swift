internal import NetworkPrimitives
internal import WireFormat

extension TCPConnection {
    /// RFC 9293, 3.10.7.4, eighth check: the peer's FIN came in order.
    mutating func receiveFIN(_ reception: inout Reception, now: Instant) {
        switch state {
        case .established, .synReceived:
            state = .closeWait
        case .finWait1:
            // Our FIN's ACK was looked at before: it is still out.
            state = .closing
        case .finWait2:
            enterTimeWait(&reception, now: now)
        case .closed, .synSent, .closing, .timeWait, .closeWait, .lastACK:
            break
        }
    }

    /// Our FIN was acknowledged.
    mutating func finAcknowledged(_ reception: inout Reception, now: Instant) {
        reception.finWasAcknowledged = true
        switch state {
        case .finWait1:
            state = .finWait2
        case .closing:
            enterTimeWait(&reception, now: now)
        case .lastACK:
            finish(.finished)
            reception.closed = .finished
        case .closed, .synSent, .synReceived, .established, .finWait2, .timeWait, .closeWait:
            break
        }
    }

    private mutating func enterTimeWait(_ reception: inout Reception, now: Instant) {
        state = .timeWait
        timers.disarmAll()
        armTimeWait(now: now)
    }

    mutating func armTimeWait(now: Instant) {
        timers.arm(.timeWait, at: now + configuration.timeWait)
    }
}
