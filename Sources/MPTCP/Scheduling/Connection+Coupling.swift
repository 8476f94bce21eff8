internal import CongestionControl
internal import TCP

extension Connection {
    /// Tells a subflow's congestion controller how the other subflows bear on it, before an ACK
    /// moves its window. Those that carry nothing now take no share: a backup costs nothing.
    mutating func coupleCongestion(_ index: Int) {
        guard let kind = configuration.tcp.congestionControl.coupled else { return }
        var samples: [PathSample] = []
        var position: Int?
        for other in subflows.indices {
            guard
                other == index
                    || subflows[other].isUsable && subflows[other].tcp.hasOutstandingData,
                let roundTrip = subflows[other].tcp.rtt.smoothedDuration,
                let sample = subflows[other].tcp.congestion.sample(roundTrip: roundTrip)
            else { continue }
            if other == index { position = samples.count }
            samples.append(sample)
        }
        guard let position else { return }
        subflows[index].tcp.couple(
            samples.count > 1 ? Coupling(kind, path: position, of: samples) : nil)
    }
}
