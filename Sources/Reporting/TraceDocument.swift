internal import NetworkPrimitives
package import TraceAnalysis
internal import WireFormat

/// What the trace renderers show: an analysis and where it comes from.
package struct TraceDocument: Hashable, Sendable {
    /// One capture file.
    package struct Capture: Hashable, Sendable {
        package var file: String
        package var linkType: String
        package var packets: Int
        /// Why its end is missing.
        package var warning: String?

        package init(file: String, linkType: String, packets: Int, warning: String? = nil) {
            self.file = file
            self.linkType = linkType
            self.packets = packets
            self.warning = warning
        }
    }

    package let captures: [Capture]
    package let report: TraceReport
    /// The first packet of any connection: from here on all times count.
    package let start: Int64?

    package init(captures: [Capture], report: TraceReport) {
        self.captures = captures
        self.report = report
        start = report.connections.map(\.firstTime).min()
    }

    /// What cannot be known of a connection, and why.
    func unknowns(of connection: ConnectionTrace) -> [TraceUnknown] {
        let cut = report.counts.headersCut
        if cut == 0 { return connection.unknowns }
        let reason =
            "the capture cut " + Figures.of(cut, "packet", "packets")
            + " inside the headers (snap length): any of them may belong here"
        return connection.unknowns + [TraceUnknown(name: "headers_cut", reason: reason)]
    }

    /// Milliseconds from the start.
    func milliseconds(_ time: Int64) -> Double {
        Double(time &- (start ?? time)) / 1_000_000
    }
}

/// Something that the packets do not tell.
struct TraceUnknown: Hashable {
    /// As JSON names it.
    var name: String
    var reason: String
}

extension ConnectionTrace {
    /// What cannot be known of it, and why.
    var unknowns: [TraceUnknown] {
        var result: [TraceUnknown] = []
        func add(_ name: String, _ reason: String?) {
            if let reason { result.append(TraceUnknown(name: name, reason: reason)) }
        }
        if !isClientKnown {
            add("client", "no SYN in the captures; the end with the lower port counts as server")
        }
        if kind != .tcp {
            add("client_key", clientKey.reason)
            add("server_key", serverKey.reason)
            add("client_token", clientToken.reason)
            add("server_token", serverToken.reason)
            add("checksums", usesChecksums.reason)
        }
        for subflow in subflows {
            add("subflows[\(subflow.index)].handshake_rtt_ms", subflow.handshakeRoundTrip.reason)
        }
        for (index, join) in joins.enumerated() {
            add("joins[\(index)].token", join.token.reason)
            if case .unknown(let reason) = join.synACKHMAC {
                add("joins[\(index)].synack_hmac", reason)
            }
            if case .unknown(let reason) = join.thirdACKHMAC {
                add("joins[\(index)].third_ack_hmac", reason)
            }
        }
        for direction in TraceDirection.allCases {
            for unknown in self[direction].unknowns {
                add("\(direction.rawValue).\(unknown.name)", unknown.reason)
            }
        }
        return result
    }

    /// The direction that carried more.
    package var mainDirection: TraceDirection {
        upload.sentOctets >= download.sentOctets ? .upload : .download
    }
}

extension DirectionTrace {
    fileprivate var unknowns: [TraceUnknown] {
        guard !transmissions.isEmpty else { return [] }
        var result: [TraceUnknown] = []
        if origin != nil, !isOriginInitial {
            result.append(
                TraceUnknown(
                    name: "origin_dsn",
                    reason: "the first octet of the stream is not in the captures: offsets count "
                        + "from the first one seen"))
        }
        if origin != nil, !isHighHalfKnown {
            result.append(
                TraceUnknown(
                    name: "dsn_high_half",
                    reason: "only 32-bit numbers and no key in the captures"))
        }
        if !showsArrival {
            result.append(
                TraceUnknown(
                    name: "arrival",
                    reason: "nothing was captured at the receiver: times of arrival are those of "
                        + "the capture"))
        }
        if !showsDeparture {
            result.append(
                TraceUnknown(
                    name: "departure",
                    reason: "nothing was captured at the sender: when octets left, and whether "
                        + "they had left before, on this or another subflow"))
        }
        if notCaptured > 0 {
            result.append(
                TraceUnknown(
                    name: "not_captured_octets",
                    reason: "\(notCaptured) octets were acknowledged that no capture has"))
        }
        return result
    }

    /// Octets that the receiver's DATA_ACKs cover, without the DATA_FIN, which has a number too.
    var acknowledgedOffset: Int? {
        dataACKs.map(\.offset).max().map { min($0, dataFIN?.offset ?? .max) }
    }

    /// The reinjections packet by packet: a packet may repeat parts of several earlier ones, which
    /// the analysis judges one by one.
    var reinjectedPackets: [ReinjectionTrace] {
        var packets: [ReinjectionTrace] = []
        for part in reinjections {
            if var last = packets.last, last.times == part.times, last.from == part.from,
                last.to == part.to, last.range.upperBound == part.range.lowerBound
            {
                last.range = last.range.lowerBound..<part.range.upperBound
                last.useful += part.useful
                last.redundant += part.redundant
                packets[packets.count - 1] = last
            } else {
                packets.append(part)
            }
        }
        return packets
    }

    /// The longest gaps of at least a millisecond, in the order of time.
    func longestGaps(_ count: Int) -> [ProgressGap] {
        let longest = gaps(ofAtLeast: 1_000_000)
            .sorted { ($1.nanoseconds, $0.start) < ($0.nanoseconds, $1.start) }
            .prefix(count)
        return longest.sorted { $0.start < $1.start }
    }
}

extension MPTCPReset {
    /// `administratively prohibited (3)`.
    var text: String {
        let name =
            switch reason {
            case .unspecified: "unspecified"
            case .mptcpSpecific: "MPTCP-specific error"
            case .lackOfResources: "lack of resources"
            case .administrativelyProhibited: "administratively prohibited"
            case .tooMuchOutstandingData: "too much outstanding data"
            case .unacceptablePerformance: "unacceptable performance"
            case .middleboxInterference: "middlebox interference"
            default: "unknown reason"
            }
        return "\(name) (\(reason.rawValue))" + (isTransient ? ", transient" : "")
    }
}

/// Sixteen hexadecimal digits.
func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

extension SignalTrace.Content {
    /// The option, as RFC 8684 calls it.
    var name: String {
        switch self {
        case .addAddress(let option):
            if case .echo = option.form { "ADD_ADDR echo" } else { "ADD_ADDR" }
        case .removeAddress: "REMOVE_ADDR"
        case .priority: "MP_PRIO"
        case .fail: "MP_FAIL"
        case .fastClose: "MP_FASTCLOSE"
        case .reset: "MP_TCPRST"
        case .dataFIN: "DATA_FIN"
        case .joinCapabilities: "CAPS"
        }
    }

    /// What it says, if it says anything beyond its name.
    var detail: String? {
        switch self {
        case .addAddress(let option):
            let port = option.port.map { " port \($0)" } ?? ""
            return "id \(option.addressID.rawValue): \(option.address)\(port)"
        case .removeAddress(let identifiers):
            return "id " + identifiers.map { String($0.rawValue) }.joined(separator: ", ")
        case .priority(let isBackup, let addressID):
            let address = addressID.map { "id \($0.rawValue): " } ?? ""
            return address + (isBackup ? "backup" : "regular")
        case .fail(let number): return "data sequence number \(number)"
        case .reset(let reset): return reset.text
        case .joinCapabilities(let features, let units):
            return "fast join features \(features.rawValue), SYN payload up to \(Int(units) * 64)"
        case .fastClose, .dataFIN: return nil
        }
    }
}
