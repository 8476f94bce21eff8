internal import NetworkPrimitives
internal import Scenario
internal import TraceAnalysis
internal import WireFormat

/// The analysis of captures as people read it: connection by connection, and what is not known.
package struct TraceTextRenderer {
    private let document: TraceDocument

    /// Reinjections and signals that are listed one by one; JSON has all of them.
    private static let listLength = 10
    private static let gapCount = 5

    /// The report.
    package static func report(_ document: TraceDocument) -> String {
        let renderer = TraceTextRenderer(document: document)
        let connections = document.report.connections.map(renderer.connection)
        let parts = [renderer.header()] + connections
        return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    private init(document: TraceDocument) { self.document = document }

    // MARK: The captures

    private func header() -> String {
        let counts = document.report.counts
        var text = Figures.of(document.captures.count, "capture", "captures") + "\n"
        for capture in document.captures {
            text += "  \(capture.file): \(capture.linkType), "
            text += Figures.of(capture.packets, "packet", "packets") + "\n"
            if let warning = capture.warning { text += "    warning: \(warning)\n" }
        }
        let details = [
            Figures.of(counts.segments, "TCP segment", "TCP segments"),
            counts.otherProtocols > 0
                ? Figures.of(
                    counts.otherProtocols, "packet of another protocol",
                    "packets of other protocols") : "",
            counts.fragments > 0 ? Figures.of(counts.fragments, "fragment", "fragments") : "",
            counts.malformed > 0 ? "\(counts.malformed) malformed" : "",
            counts.headersCut > 0
                ? Figures.of(
                    counts.headersCut, "header cut by the capture", "headers cut by the capture")
                : "",
            counts.cut > 0 ? "\(counts.cut) cut by the capture" : "",
            counts.superPackets > 0
                ? "\(counts.superPackets) not yet segmented (offload)" : "",
            counts.repeated > 0 ? "\(counts.repeated) seen twice at one point" : "",
        ]
        text += "  " + details.filter { !$0.isEmpty }.joined(separator: ", ") + "\n"
        if let start = document.start {
            text += "  times count from \(TraceTime.epoch(start)) s since 1970\n"
        } else {
            text += "  no TCP connection in them\n"
        }
        return text
    }

    // MARK: One connection

    private func connection(_ connection: ConnectionTrace) -> String {
        var text = "Connection \(connection.index): \(connection.kind.rawValue) "
        text += "\(connection.client) -> \(connection.server), "
        text += "\(milliseconds(connection.firstTime)) to \(milliseconds(connection.lastTime)) ms\n"
        if connection.kind != .tcp { text += identity(connection) }
        if let fallback = connection.fallback {
            text += "  fell back to TCP at \(milliseconds(fallback.time)) ms: "
            text += fallback.cause.rawValue + "\n"
        }
        text += subflows(connection)
        text += joins(connection)
        for direction in TraceDirection.allCases { text += self.direction(direction, connection) }
        text += signals(connection)
        let unknowns = document.unknowns(of: connection)
        if !unknowns.isEmpty {
            text += "  not known\n"
            for unknown in unknowns { text += "    \(unknown.name): \(unknown.reason)\n" }
        }
        return text
    }

    private func identity(_ connection: ConnectionTrace) -> String {
        func line(_ name: String, _ key: Known<Key>, _ token: Known<Token>) -> String {
            let key = key.value.map { hexadecimal($0.rawValue) } ?? "unknown"
            return "  \(name) key \(key), token \(token.value.map(\.description) ?? "unknown")\n"
        }
        let checksums = connection.usesChecksums.value.map { $0 ? "yes" : "no" } ?? "unknown"
        return line("client", connection.clientKey, connection.clientToken)
            + line("server", connection.serverKey, connection.serverToken)
            + "  DSS checksums: \(checksums)\n"
    }

    private func subflows(_ connection: ConnectionTrace) -> String {
        var text = "  subflows\n"
        for subflow in connection.subflows {
            text += "    #\(subflow.index) \(subflow.kind.rawValue) \(subflow.tuple.local) "
            text += (subflow.isOpenedByClient ? "-> " : "<- ") + "\(subflow.tuple.remote), "
            text += "\(milliseconds(subflow.firstTime)) to \(milliseconds(subflow.lastTime)) ms\n"
            text += "       up \(end(subflow.client)); down \(end(subflow.server))\n"
            var details: [String] = []
            if let roundTrip = subflow.handshakeRoundTrip.value {
                details.append("handshake \(TraceTime.duration(roundTrip)) ms")
            }
            details.append("seen at " + names(subflow.points))
            if subflow.membership != .first {
                details.append("belongs here by its \(subflow.membership.rawValue)")
            }
            if let reset = subflow.reset {
                let reason = reset.reason.map { ", " + $0.text } ?? ""
                details.append(
                    "reset by the \(reset.isFromClient ? "client" : "server") at "
                        + "\(milliseconds(reset.time)) ms\(reason)")
            }
            text += "       " + details.joined(separator: "; ") + "\n"
        }
        return text
    }

    private func names(_ points: [Int]) -> String {
        points.map { point in
            document.report.points.indices.contains(point)
                ? document.report.points[point].name : "point \(point)"
        }.joined(separator: ", ")
    }

    private func end(_ end: SubflowTrace.End) -> String {
        var text = Figures.of(end.packets, "packet", "packets") + ", "
        text += Figures.of(end.payload, "octet", "octets")
        if let addressID = end.addressID { text += ", address ID \(addressID.rawValue)" }
        if end.isBackup == true { text += ", backup" }
        if let size = end.maximumSegmentSize { text += ", MSS \(size)" }
        if end.hasFIN { text += ", FIN" }
        return text
    }

    private func joins(_ connection: ConnectionTrace) -> String {
        var text = connection.joins.isEmpty ? "" : "  joins\n"
        for join in connection.joins {
            text += "    #\(join.subflow) from the \(join.isFromClient ? "client" : "server")"
            text += join.token.value.map { ", token \($0)" } ?? ""
            guard let start = join.start else {
                text += ": no SYN in the captures; \(Self.outcome(join.outcome))\n"
                continue
            }
            text += ": SYN at \(milliseconds(start)) ms"
            text += Self.fastJoin(join.fastJoin)
            if join.syns.count > 1 { text += " (sent \(join.syns.count) times)" }
            for (name, times) in [
                ("SYN/ACK", join.synACK), ("third ACK", join.thirdACK),
                ("fourth ACK", join.fourthACK),
            ] {
                guard let time = times?.opener(isListener: name != "third ACK") else { continue }
                text += ", \(name) +\(TraceTime.duration(time &- start))"
            }
            if join.syns.first?.sent == nil { text += " as the listener saw them" }
            text += "; \(Self.outcome(join.outcome))"
            text += Self.verdicts(join) + "\n"
        }
        return text
    }

    /// What the SYN said beyond MP_JOIN.
    private static func fastJoin(_ fastJoin: FastJoinTrace?) -> String {
        guard let fastJoin else { return "" }
        let offer =
            switch (fastJoin.offer, fastJoin.isMultiMob) {
            case (.data(let octets), false): "\(octets) octets of data"
            case (.data(let octets), true): "\(octets) octets of data (Fast Join Out)"
            case (.resume, false): "resume"
            case (.resume, true): "resume (Fast Join In)"
            }
        return switch fastJoin.isTaken {
        case true?: " with \(offer), taken"
        case false?: " with \(offer), not taken"
        case nil: " with \(offer)"
        }
    }

    private static func outcome(_ outcome: JoinTrace.Outcome) -> String {
        switch outcome {
        case .established: "established"
        case .open: "not finished in the captures"
        case .refused(let byListener, let reset):
            "refused by the " + (byListener ? "listener" : "opener")
                + (reset.map { ": " + $0.text } ?? "")
        }
    }

    private static func verdicts(_ join: JoinTrace) -> String {
        switch (join.synACKHMAC, join.thirdACKHMAC) {
        case (.valid, .valid): "; both HMACs valid"
        case (.invalid, _): "; HMAC of the SYN/ACK is WRONG"
        case (_, .invalid): "; HMAC of the third ACK is WRONG"
        default: ""
        }
    }

    // MARK: One direction

    private func direction(_ direction: TraceDirection, _ connection: ConnectionTrace) -> String {
        let trace = connection[direction]
        guard !trace.transmissions.isEmpty else { return "" }
        var text = "  \(direction.rawValue): \(trace.sentOctets) octets"
        if trace.showsArrival, let delivered = trace.deliveredOffset {
            text += ", \(delivered) in order"
        }
        if let acknowledged = trace.acknowledgedOffset {
            text += ", \(acknowledged) " + (trace.origin == nil ? "acknowledged" : "DATA_ACKed")
        }
        text += "\n"
        if let origin = trace.origin {
            text += "    first octet \(origin)"
            if let fin = trace.dataFIN {
                text += ", DATA_FIN behind \(fin.offset) at \(milliseconds(fin.time)) ms"
            }
            text += "\n"
        }
        text += shares(trace, connection)
        text += reinjections(trace)
        text += gaps(trace)
        for (count, what) in [
            (trace.unmapped, "octets without a mapping"),
            (trace.implausibleMappings, "implausible mappings"),
        ] where count > 0 {
            text += "    \(count) \(what)\n"
        }
        return text
    }

    private func shares(_ trace: DirectionTrace, _ connection: ConnectionTrace) -> String {
        var table = TextTable()
        table.add(["  subflow", "first sent", "share", "sent again", "reinjected", "mappings"])
        for subflow in connection.subflows.indices {
            let first = trace.octets(.first, subflow: subflow)
            let again = trace.octets(.retransmission, subflow: subflow)
            let reinjected =
                trace.octets(.reinjection, subflow: subflow)
                + trace.octets(.lateReinjection, subflow: subflow)
            let share = trace.sentOctets > 0 ? Double(first) * 100 / Double(trace.sentOctets) : 0
            let mappings =
                trace.mappingCounts.indices.contains(subflow) ? trace.mappingCounts[subflow] : 0
            let isKnown = trace.showsDeparture
            table.add([
                "  #\(subflow)", "\(first)", Figures.fixed(share, 1) + " %",
                isKnown ? "\(again)" : "?", isKnown ? "\(reinjected)" : "?", "\(mappings)",
            ])
        }
        return table.text
    }

    private func reinjections(_ trace: DirectionTrace) -> String {
        let packets = trace.reinjectedPackets
        guard !packets.isEmpty, trace.showsDeparture else { return "" }
        func sum(_ count: (ReinjectionTrace) -> Int) -> Int {
            packets.reduce(0) { $0 + count($1) }
        }
        var text = "    " + Figures.of(packets.count, "reinjected packet", "reinjected packets")
        if trace.showsArrival {
            text += ": \(sum(\.useful)) octets useful, \(sum(\.redundant)) redundant"
            let lost = sum(\.neverArrived)
            text += lost > 0 ? ", \(lost) not seen arriving\n" : "\n"
        } else {
            text += ": \(sum(\.range.count)) octets\n"
        }
        for reinjection in packets.prefix(Self.listLength) {
            let time = reinjection.times.first.map { milliseconds($0) } ?? "?"
            text += "      at \(time) ms #\(reinjection.from) -> #\(reinjection.to) octets "
            text += "\(reinjection.range.lowerBound) to \(reinjection.range.upperBound)"
            if let original = reinjection.originalSent, let sent = reinjection.times.first {
                text += ", \(TraceTime.duration(sent &- original)) ms behind the original"
            }
            text += trace.showsArrival ? ", \(reinjection.useful) useful\n" : "\n"
        }
        return text + Self.more(packets.count)
    }

    private static func more(_ count: Int) -> String {
        count > listLength ? "      and \(count - listLength) more\n" : ""
    }

    private func gaps(_ trace: DirectionTrace) -> String {
        let gaps = trace.longestGaps(Self.gapCount)
        if gaps.isEmpty { return "" }
        let list = gaps.map {
            "\(TraceTime.duration($0.nanoseconds)) ms from \(milliseconds($0.start))"
        }
        let what = trace.showsArrival ? "new in-order octets" : "new octets at the capture point"
        return "    longest without \(what): " + list.joined(separator: ", ") + "\n"
    }

    private func signals(_ connection: ConnectionTrace) -> String {
        var text = connection.signals.isEmpty ? "" : "  signals\n"
        for signal in connection.signals.prefix(Self.listLength) {
            let time = signal.times.first.map { milliseconds($0) } ?? "?"
            text += "    \(time) ms \(signal.isFromClient ? "client" : "server") on "
            text += "#\(signal.subflow): \(signal.content.name)"
            text += signal.content.detail.map { " \($0)\n" } ?? "\n"
        }
        return text + Self.more(connection.signals.count)
    }

    private func milliseconds(_ time: Int64) -> String {
        Figures.fixed(document.milliseconds(time), 3)
    }
}

extension PacketTimes {
    /// When the opener of a join had it: sent what is its own, received what is the listener's.
    func opener(isListener: Bool) -> Int64? { isListener ? arrived ?? sent : sent ?? arrived }
}

/// Times as text.
enum TraceTime {
    /// Seconds with nine places.
    static func epoch(_ nanoseconds: Int64) -> String {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        let fraction = String(rest.magnitude)
        let sign = nanoseconds < 0 && seconds == 0 ? "-" : ""
        return "\(sign)\(seconds)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }

    /// Nanoseconds as milliseconds.
    static func duration(_ nanoseconds: Int64) -> String {
        Figures.fixed(Double(nanoseconds) / 1_000_000, 3)
    }
}
