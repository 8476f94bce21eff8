package import NetworkPrimitives
internal import WireFormat

/// A name for what a box may look for in the options of a segment.
package enum OptionName: String, Hashable, Sendable, CaseIterable {
    /// Every MPTCP option.
    case mptcp
    case capable = "mp-capable"
    case join = "mp-join"
    case dss
    case addAddress = "add-addr"
    case removeAddress = "remove-addr"
    case priority = "mp-prio"
    case fail = "mp-fail"
    case fastClose = "mp-fastclose"
    case reset = "mp-tcprst"
    /// Subtype 0xF: fast join.
    case experimental = "mp-experimental"
    case maximumSegmentSize = "mss"
    case windowScale = "window-scale"
    case sackPermitted = "sack-permitted"
    case sack
    case timestamps
    /// Whatever else there is.
    case unknown
}

/// The part of a flow that a segment belongs to.
package enum SegmentRole: String, Hashable, Sendable, CaseIterable {
    case syn
    case synACK = "syn-ack"
    /// The client's first segment behind its SYN.
    case thirdACK = "third-ack"
    /// Segments with text behind that.
    case data
    /// All others.
    case ack
}

/// Takes options out, drops the segments that carry them, or resets their senders (O1 to O11 of the
/// behaviours).
package struct OptionFilter: Middlebox {
    /// What happens to a segment with such an option.
    package enum Action: String, Hashable, Sendable, CaseIterable {
        case strip
        case drop
        case reset
    }

    private let options: Set<OptionName>
    private let roles: Set<SegmentRole>
    private let action: Action
    private var selection: Selection
    /// The client's flows whose third segment has come.
    private var thirdACKs: [FourTuple: SequenceNumber] = [:]
    package private(set) var touched = 0

    /// A filter for these options on segments of these roles.
    package init(
        _ options: Set<OptionName>, on roles: Set<SegmentRole> = Set(SegmentRole.allCases),
        _ action: Action = .strip, selection: Selection = Selection()
    ) {
        self.options = options
        self.roles = roles
        self.action = action
        self.selection = selection
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        let role = role(of: packet, direction)
        var changed = packet
        guard selection.takes(packet, direction), roles.contains(role),
            changed.segment.header.options.remove(options)
        else { return [Departure(packet, direction)] }
        touched += 1
        switch action {
        case .strip: return [Departure(changed, direction)]
        case .drop: return []
        case .reset: return [Departure(packet.refusal, direction.opposite)]
        }
    }

    private mutating func role(
        of packet: TransitPacket, _ direction: TransitDirection
    ) -> SegmentRole {
        if packet.isSYN { return .syn }
        if packet.isSYNACK { return .synACK }
        if direction == .up {
            let flow = packet.flow(direction)
            let first = thirdACKs[flow]
            if first == nil { thirdACKs[flow] = packet.segment.header.acknowledgment }
            if first == nil { return .thirdACK }
        }
        return packet.hasPayload ? .data : .ack
    }
}

extension TCPOptions {
    /// Takes these options out; whether there was one.
    fileprivate mutating func remove(_ names: Set<OptionName>) -> Bool {
        let before = self
        if names.contains(.mptcp) {
            mptcp = []
            dss = nil
        }
        mptcp.removeAll { names.contains($0.name) }
        if names.contains(.dss) { dss = nil }
        if names.contains(.maximumSegmentSize) { maximumSegmentSize = nil }
        if names.contains(.windowScale) { windowScale = nil }
        if names.contains(.sackPermitted) { isSACKPermitted = false }
        if names.contains(.sack) { sack = SACKBlocks() }
        if names.contains(.timestamps) { timestamps = nil }
        if names.contains(.unknown) { unknown = [] }
        return self != before
    }
}

extension MPTCPOption {
    fileprivate var name: OptionName {
        switch self {
        case .capable: .capable
        case .join: .join
        case .dss: .dss
        case .addAddress: .addAddress
        case .removeAddress: .removeAddress
        case .priority: .priority
        case .fail: .fail
        case .fastClose: .fastClose
        case .reset: .reset
        case .fastJoin: .experimental
        case .multimob, .unknown: .unknown
        }
    }
}

/// Copies the client's MPTCP options into a SYN/ACK that has none (O12).
package struct OptionMirror: Middlebox {
    private var offers: [FourTuple: [MPTCPOption]] = [:]
    package private(set) var touched = 0

    package init() {}

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        let flow = packet.flow(direction)
        if packet.isSYN, direction == .up {
            offers[flow] = packet.segment.header.options.mptcp
        } else if packet.isSYNACK, direction == .down,
            packet.segment.header.options.mptcp.isEmpty, let offer = offers[flow], !offer.isEmpty
        {
            packet.segment.header.options.mptcp = offer
            touched += 1
        }
        return [Departure(packet, direction)]
    }
}
