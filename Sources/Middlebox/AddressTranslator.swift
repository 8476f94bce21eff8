package import NetworkPrimitives
internal import WireFormat

/// A NAT before the client (N1, N2): its connections leave with the box's address and ports of the
/// box's choice, and nobody outside can open one.
package struct AddressTranslator: Middlebox {
    /// When the box forgets a client's endpoint; the next packet gets a new port.
    package struct Forgetting: Sendable {
        /// After so long without a packet.
        package var idleTime: Duration?
        /// After so many packets of the endpoint, once.
        package var packets: Int?

        package init(idleTime: Duration? = nil, packets: Int? = nil) {
            self.idleTime = idleTime
            self.packets = packets
        }
    }

    private struct Binding {
        var client: Endpoint
        var lastUsed: Instant
        var packets = 0
        var isRebound = false
    }

    /// The address outside; `nil` keeps the client's.
    private let address: IPAddress?
    private let forgetting: Forgetting
    /// Whether a packet from outside that no binding is for gets an RST.
    private let refuses: Bool
    private var nextPort: UInt16
    private var ports: [Endpoint: UInt16] = [:]
    private var bindings: [UInt16: Binding] = [:]
    /// Translations, refusals and drops.
    package private(set) var touched = 0
    /// Bindings that were forgotten.
    package private(set) var forgotten = 0

    package init(
        address: IPAddress? = nil, forgetting: Forgetting = Forgetting(), refuses: Bool = false,
        firstPort: UInt16 = 20_000
    ) {
        self.address = address
        self.forgetting = forgetting
        self.refuses = refuses
        nextPort = firstPort
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        touched += 1
        var packet = packet
        switch direction {
        case .up:
            let client = Endpoint(packet.segment.source, packet.segment.header.sourcePort)
            let port = port(for: client, now: now)
            if let address { packet.segment.source = address }
            packet.segment.header.sourcePort = port
        case .down:
            let port = packet.segment.header.destinationPort
            guard let binding = bindings[port], !isForgotten(binding, now: now) else {
                return refuses && !packet.isReset
                    ? [Departure(packet.refusal, .up)] : []
            }
            bindings[port]?.lastUsed = now
            packet.segment.destination = binding.client.address
            packet.segment.header.destinationPort = binding.client.port
        }
        return [Departure(packet, direction)]
    }

    private mutating func port(for client: Endpoint, now: Instant) -> UInt16 {
        if let port = ports[client], var binding = bindings[port] {
            binding.packets += 1
            let isDue = forgetting.packets.map { binding.packets > $0 && !binding.isRebound }
            if !isForgotten(binding, now: now), isDue != true {
                binding.lastUsed = now
                bindings[port] = binding
                return port
            }
            bindings[port] = nil
            forgotten += 1
            return bind(client, isRebound: isDue == true, now: now)
        }
        return bind(client, isRebound: false, now: now)
    }

    private mutating func bind(
        _ client: Endpoint, isRebound: Bool, now: Instant
    ) -> UInt16 {
        if bindings.count >= Self.portCount { evictOldest() }
        while bindings[nextPort] != nil { nextPort = max(nextPort &+ 1, 1_024) }
        let port = nextPort
        nextPort = max(nextPort &+ 1, 1_024)
        ports[client] = port
        bindings[port] = Binding(client: client, lastUsed: now, isRebound: isRebound)
        return port
    }

    /// Every port is taken: the endpoint that was silent the longest loses its own. A tenth of them
    /// goes at once, so that not every new endpoint looks through all.
    private mutating func evictOldest() {
        let oldest = bindings.sorted { ($0.value.lastUsed, $0.key) < ($1.value.lastUsed, $1.key) }
        for (port, binding) in oldest.prefix(Self.portCount / 10) {
            bindings[port] = nil
            // The endpoint may have another port by now.
            if ports[binding.client] == port { ports[binding.client] = nil }
            forgotten += 1
        }
    }

    /// Ports that the box chooses from: all but the well-known ones.
    private static let portCount = 65_536 - 1_024

    private func isForgotten(_ binding: Binding, now: Instant) -> Bool {
        forgetting.idleTime.map { now - binding.lastUsed > $0 } ?? false
    }
}
