internal import NetworkPrimitives

/// Which networks lost a SYN with data (fast-join, 5.4 rule 4). A network is an interface with its
/// addresses: with others it is another network.
struct NetworkMemory {
    private struct Entry {
        var interface: InterfaceID
        var addresses: [IPAddress]
        var until: Instant
        var losses: Int
    }

    private var entries: [Entry] = []

    /// Until when SYNs leave without data there.
    func blockedUntil(_ interface: InterfaceID, _ addresses: [IPAddress]) -> Instant? {
        entries.first { $0.interface == interface && $0.addresses == addresses }?.until
    }

    /// One hour, twice as long each time, a day at most.
    mutating func noteLoss(_ interface: InterfaceID, _ addresses: [IPAddress], now: Instant) {
        let known = entries.firstIndex { $0.interface == interface && $0.addresses == addresses }
        let losses = known.map { entries.remove(at: $0).losses } ?? 0
        if entries.count == Self.capacity { entries.removeFirst() }
        let hours = min(1 << min(losses, 5), 24)
        entries.append(
            Entry(
                interface: interface, addresses: addresses,
                until: now + .seconds(3_600 * hours), losses: losses + 1))
    }

    private static let capacity = 64
}
