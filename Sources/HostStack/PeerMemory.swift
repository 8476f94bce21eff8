internal import DequeModule
internal import MPTCP
internal import NetworkPrimitives

/// What handshakes have told about peers (mptcp-behaviour, 17): which version to offer, and where
/// SYNs with MP_CAPABLE disappear.
struct PeerMemory {
    private struct Entry {
        /// The peer answered version 1 with plain TCP.
        var prefersV0 = false
        /// Until when connections are plain TCP.
        var plainUntil: Instant?
        var blackholes = 0
        /// What the peer gave for the next SYN.
        var fastOpen: FastOpenOffer?
        /// Until when SYNs carry no data.
        var bareUntil: Instant?
    }

    private let blackholeTimeout: Duration
    private var entries: [IPAddress: Entry] = [:]
    /// In the order in which they came: the oldest is forgotten.
    private var order: Deque<IPAddress> = []

    init(blackholeTimeout: Duration) { self.blackholeTimeout = blackholeTimeout }

    /// The version to offer to a peer, `nil` for plain TCP.
    func scheme(
        for address: IPAddress, policy: VersionPolicy, now: Instant
    ) -> HandshakeScheme? {
        let entry = entries[address]
        if let until = entry?.plainUntil, now < until { return nil }
        switch policy {
        case .v1: return .v1
        case .v0: return .v0
        case .any: return entry?.prefersV0 == true ? .v0 : .v1
        }
    }

    mutating func note(_ outcome: HandshakeOutcome, of address: IPAddress, now: Instant) {
        switch outcome {
        case .multipath:
            // What worked needs no memory, but for the version.
            guard entries[address] != nil else { return }
            entries[address]?.plainUntil = nil
            entries[address]?.blackholes = 0
        case .refused(let scheme):
            remember(address) { $0.prefersV0 = scheme == .v1 }
        case .blackhole:
            // kernel-peer, 14: twice as long each time, 64 times at most.
            let timeout = blackholeTimeout
            remember(address) {
                $0.plainUntil = now + timeout * (1 << min($0.blackholes, 6))
                $0.blackholes += 1
            }
        }
    }

    /// What the next SYN to a peer may carry: a request for a cookie at least.
    func fastOpen(to address: IPAddress, now: Instant) -> FastOpenOffer? {
        let entry = entries[address]
        if let until = entry?.bareUntil, now < until { return nil }
        return entry?.fastOpen ?? FastOpenOffer(cookie: [], maximumLength: 0)
    }

    mutating func note(_ offer: FastOpenOffer?, of address: IPAddress, now: Instant) {
        let timeout = blackholeTimeout
        remember(address) {
            $0.fastOpen = offer
            if offer == nil { $0.bareUntil = now + timeout }
        }
    }

    private mutating func remember(_ address: IPAddress, _ change: (inout Entry) -> Void) {
        if entries[address] == nil {
            if order.count == Self.capacity { entries[order.removeFirst()] = nil }
            order.append(address)
        }
        change(&entries[address, default: Entry()])
    }

    private static let capacity = 1_024
}
