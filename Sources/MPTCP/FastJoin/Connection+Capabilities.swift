internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// CAPS: both ends say on a subflow that is proved what they can do when another one joins, and
/// whether they speak of idleness (fast-join, 5.1 and 2.4). Nothing of it is sent to a peer that has
/// not said so.
extension Connection {
    /// What CAPS says of this side.
    private var localFeatures: FastJoinFeatures {
        var features = configuration.fastJoin.features
        if configuration.signalsIdle { features.insert(.idleSignal) }
        return features
    }

    /// Sends CAPS, again until the peer has answered, five times at most.
    mutating func announceCapabilities(now: Instant) {
        guard !localFeatures.isEmpty, !isFallback, !fastJoin.isKnownToPeer,
            fastJoin.announcements < Self.mostAnnouncements,
            let index = subflows.firstIndex(where: \.isUsable)
        else { return }
        signalCapabilities(index)
        let timeout = subflows[index].tcp.rtt.timeout << min(fastJoin.announcements, 6)
        fastJoin.deadline = now + .nanoseconds(timeout)
    }

    private mutating func signalCapabilities(_ index: Int) {
        var features = localFeatures
        if fastJoin.peerFeatures != nil { features.insert(.received) }
        let units = UInt8(clamping: configuration.fastJoin.maximumPayload / Self.unit)
        subflows[index].signal(.fastJoin(.capabilities(features, maximumPayloadUnits: units)))
        fastJoin.announcements += 1
    }

    /// Takes the peer's CAPS, and tells it so.
    mutating func receiveCapabilities(
        _ features: FastJoinFeatures, units: UInt8, _ index: Int, now: Instant
    ) {
        guard !localFeatures.isEmpty else { return }
        let isFirst = fastJoin.peerFeatures == nil
        fastJoin.peerFeatures = features
        fastJoin.peerMaximum = Int(units) * Self.unit
        if features.contains(.received) {
            fastJoin.isKnownToPeer = true
            fastJoin.deadline = nil
        }
        if isFirst {
            log(
                "join_capabilities_received", now: now,
                ("features", .number(Int(features.rawValue))))
        }
        agreeOnIdleSignal(index, now: now)
        // The peer repeats what it does not know to have arrived.
        let isAnswered = !isFirst && features.contains(.received)
        if !isAnswered, fastJoin.announcements < 2 * Self.mostAnnouncements {
            signalCapabilities(index)
        }
    }

    mutating func handleCapabilitiesDeadline(now: Instant) {
        guard let deadline = fastJoin.deadline, deadline <= now else { return }
        fastJoin.deadline = nil
        announceCapabilities(now: now)
    }

    /// Whether this side may use a feature towards the peer.
    func mayUse(_ feature: FastJoinFeatures) -> Bool {
        localFeatures.contains(feature)
            && fastJoin.peerFeatures?.contains(feature) == true
    }

    /// Whether the peer may use a feature: it was told so.
    func mayReceive(_ feature: FastJoinFeatures) -> Bool {
        fastJoin.announcements > 0 && localFeatures.contains(feature)
    }

    private static var mostAnnouncements: Int { 5 }
    /// Octets in the unit of CAPS.
    private static var unit: Int { 64 }
}
