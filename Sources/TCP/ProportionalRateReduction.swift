/// How much may be sent while the window shrinks (RFC 9937), in octets.
///
/// On every ACK that reports deliveries `window` says how far the pipe may be filled: in proportion
/// to what arrived while it is above the threshold, by slow start's pace below.
struct ProportionalRateReduction: Sendable {
    private var delivered = 0
    private var sent = 0
    private var flightAtStart = 1

    /// The window begins to shrink.
    ///
    /// - Parameter flight: what was out when the reduction began, sacked octets taken off.
    mutating func begin(flight: Int) {
        self = ProportionalRateReduction()
        flightAtStart = max(flight, 1)
    }

    /// RFC 9937, 7: the window after an ACK.
    ///
    /// - Parameter isSafe: the ACK advances SND.UNA and shows no further loss.
    mutating func window(
        delivered newlyDelivered: Int, pipe: Int, threshold: Int, segment: Int, isSafe: Bool
    ) -> Int {
        delivered += newlyDelivered
        var allowance: Int
        if pipe > threshold {
            let due = (delivered * threshold + flightAtStart - 1) / flightAtStart
            allowance = due - sent
        } else {
            allowance = max(delivered - sent, newlyDelivered)
            if isSafe { allowance += segment }
            allowance = min(threshold - pipe, allowance)
        }
        // The fast retransmit itself is never held back.
        if sent == 0 { allowance = max(allowance, segment) }
        return pipe + max(allowance, 0)
    }

    /// Data went out, new or again.
    mutating func noteSent(_ octets: Int) { sent += octets }
}
