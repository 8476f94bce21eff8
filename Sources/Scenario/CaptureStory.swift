package import NetworkPrimitives
package import TraceAnalysis
internal import WireFormat

/// What the time line of a run says of single packets of its captures: a comment for each milestone
/// that is known, on the packet that is that milestone. What is no packet's doing (the break, the new
/// path coming up) is said on the first packet behind it.
///
/// Call `comments` for each packet of all captures in the order of time.
package struct CaptureStory {
    private struct Moment {
        /// `nil` for a link change.
        var milestone: Milestone?
        var text: String
        /// On the captures' clock.
        var time: Int64

        /// Whether it waits for no packet of its own.
        func isDue(at now: Int64) -> Bool {
            switch milestone {
            case nil, .breakOldPath, .make, .ready: time <= now
            case .detected, .joinSYN, .joinSYNACK, .joinACK, .joinFourthACK, .firstReinjection,
                .firstDataOnNewPath, .firstDataACKOnNewPath, .firstLackingByteArrived:
                false
            }
        }
    }

    private var pending: [Moment]
    private let paths: MeasuredPaths
    private let servers: [IPAddress]

    /// The story of a time line.
    ///
    /// - Parameters:
    ///   - breakTime: `t0` on the captures' clock; without it no milestone is told.
    ///   - linkChanges: what was done to links besides, and when on the captures' clock.
    ///   - servers: the server's addresses, which no box on a path rewrites.
    package init(
        _ timeline: Timeline, breakTime: Int64?,
        linkChanges: [(time: Int64, change: LinkChange)] = [], paths: MeasuredPaths,
        servers: [IPAddress]
    ) {
        self.paths = paths
        self.servers = servers
        let milestones =
            breakTime.map { zero in
                timeline.inOrder.map { milestone, milliseconds in
                    Moment(
                        milestone: milestone, text: Self.text(milestone, milliseconds),
                        time: zero + Int64((milliseconds * 1e6).rounded()))
                }
            } ?? []
        let changes = linkChanges.map { time, change in
            Moment(text: "\(LinkChange.eventName): \(change.text)", time: time)
        }
        pending = (milestones + changes).stablySorted(by: \.time)
    }

    /// What is to be said of the next packet.
    ///
    /// - Parameters:
    ///   - place: where it was captured.
    ///   - isLast: no packet follows: what is left is said here.
    package mutating func comments(
        on packet: TracePacket, at place: TracePoint.Place, isLast: Bool
    ) -> [String] {
        guard let first = pending.first, isLast || first.time <= packet.time else { return [] }
        let look = PacketLook(packet, at: place, servers: servers)
        var comments: [String] = []
        var rest: [Moment] = []
        for moment in pending {
            if moment.time == packet.time, let look, let milestone = moment.milestone,
                isMeant(by: milestone, look)
            {
                comments.append(moment.text + look.variant)
            } else if isLast || moment.time < packet.time || moment.isDue(at: packet.time) {
                comments.append(moment.text + distance(packet.time - moment.time))
            } else {
                rest.append(moment)
            }
        }
        pending = rest
        return comments
    }

    /// `join_syn, t0 + 200.839 ms: SYN + MP_JOIN leaves`, the number as `timeline_ms` has it.
    private static func text(_ milestone: Milestone, _ milliseconds: Double) -> String {
        let sign = milliseconds < 0 ? "-" : "+"
        let number = JSONValue(rounding: abs(milliseconds)).compact
        return "\(milestone.rawValue), t0 \(sign) \(number) ms: \(milestone.meaning)"
    }

    private func distance(_ nanoseconds: Int64) -> String {
        if nanoseconds == 0 { return "" }
        let number = JSONValue(rounding: Double(nanoseconds.magnitude) / 1e6).compact
        return " (\(number) ms \(nanoseconds > 0 ? "before" : "behind") this packet)"
    }

    /// Whether a packet at a milestone's time is the one that the milestone is about.
    private func isMeant(by milestone: Milestone, _ look: PacketLook) -> Bool {
        switch milestone {
        case .breakOldPath, .make, .ready: false
        case .detected: look.isLeaving && (look.hasPayload || look.join != nil || look.isSignal)
        case .joinSYN: look.isLeaving && look.join == .syn && isOn(paths.new, look)
        case .joinSYNACK: !look.isLeaving && look.join == .synACK && isOn(paths.new, look)
        case .joinACK: look.isLeaving && look.mayEndJoin && isOn(paths.new, look)
        case .joinFourthACK: !look.isLeaving && look.join == nil && isOn(paths.new, look)
        case .firstReinjection: look.isLeaving && look.hasPayload && isOffOldPath(look)
        case .firstDataOnNewPath: look.isLeaving && look.hasPayload && isOn(paths.new, look)
        case .firstDataACKOnNewPath:
            !look.isLeaving && look.hasDataACK && isOn(paths.new, look)
        case .firstLackingByteArrived: !look.isLeaving && look.hasPayload && isOffOldPath(look)
        }
    }

    /// The path whose address the packet bears; `nil` where a box has rewritten it.
    private func path(_ look: PacketLook) -> Int? {
        paths.all.firstIndex { $0.clientAddresses.contains(look.client) }
    }

    private func isOn(_ wanted: Int, _ look: PacketLook) -> Bool {
        path(look).map { $0 == wanted } ?? true
    }

    private func isOffOldPath(_ look: PacketLook) -> Bool { path(look) != paths.old }
}

/// What a story asks of a packet.
private struct PacketLook {
    enum Join {
        case syn
        case synACK
        case ack
    }

    /// At the end that sent it, or else at the one that receives it.
    var isLeaving: Bool
    /// The client's address, perhaps as a box has rewritten it.
    var client: IPAddress
    var hasPayload: Bool
    var join: Join?
    var hasDataACK: Bool
    /// What to add of a packet of a Fast Join as published.
    var variant = ""
    /// REMOVE_ADDR or MP_PRIO.
    var isSignal = false

    /// Whether it is the third packet of a join; that of a Fast Join as published has no option.
    var mayEndJoin: Bool { join == .ack || join == nil && !hasPayload }

    init?(_ packet: TracePacket, at place: TracePoint.Place, servers: [IPAddress]) {
        let view = packet.bytes.withUnsafeBytes {
            try? SegmentView(parsing: $0, verification: .cutCapture)
        }
        guard let view else { return nil }
        let isFromServer = servers.contains(view.source)
        client = isFromServer ? view.destination : view.source
        isLeaving = isFromServer == (place == .atServer)
        hasPayload = !view.payload.isEmpty
        hasDataACK = view.header.options.dss?.dataACK != nil
        for option in view.header.options.mptcp {
            switch option {
            case .join(.syn): join = .syn
            case .join(.synACK): join = .synACK
            case .join(.ack): join = .ack
            case .multimob(let option):
                switch option {
                case .outSYN: (join, variant) = (.syn, " (Fast Join Out)")
                case .inSYN: (join, variant) = (.syn, " (Fast Join In)")
                case .outSYNACK:
                    (join, variant) = (.synACK, " (Fast Join Out)")
                    hasDataACK = true
                case .inSYNACK: (join, variant) = (.synACK, " (Fast Join In)")
                }
            case .removeAddress, .priority: isSignal = true
            default: break
            }
        }
    }
}
