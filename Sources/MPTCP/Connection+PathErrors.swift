public import NetworkPrimitives
internal import TCP
public import WireFormat

extension Connection {
    /// What became of an ICMP error.
    public enum PathErrorOutcome: Sendable {
        /// It quotes nothing that is on its way: old, or forged.
        case outOfWindow
        /// Noted; nothing follows from it.
        case noted
        /// Smaller segments go out from now on.
        case loweredMTU
    }

    /// Takes an ICMP error about a segment of a subflow. No error ends anything (RFC 5927, 5 and 6;
    /// RFC 1122, 4.2.3.9): whoever is on the path can send one, and a path may recover.
    public mutating func receive(
        _ error: ICMPError, on id: SubflowID, now: Instant
    ) -> PathErrorOutcome {
        guard let index = index(of: id), subflows[index].tcp.isInFlight(error.sequence) else {
            return .outOfWindow
        }
        let number = Int(subflows[index].id.rawValue)
        if case .packetTooBig(let mtu) = error.problem {
            guard subflows[index].tcp.reduceMTU(to: mtu, now: now) else { return .noted }
            log(
                "path_mtu_lowered", now: now, ("subflow", .number(number)),
                ("mtu", .number(subflows[index].tcp.pathMTU)),
                ("reporter", .address(error.reporter)))
            return .loweredMTU
        }
        guard subflows[index].pathProblem != error.problem else { return .noted }
        subflows[index].pathProblem = error.problem
        let (problem, code) = error.problem.words
        log(
            "path_error", now: now, ("subflow", .number(number)), ("problem", .text(problem)),
            ("code", .number(code)), ("reporter", .address(error.reporter)))
        return .noted
    }

    /// The MTU of an interface became smaller while subflows use it.
    mutating func adaptToInterfaces(now: Instant) {
        for index in subflows.indices {
            let address = subflows[index].tcp.tuple.local.address
            guard let interface = interface(owning: address) else { continue }
            subflows[index].tcp.reduceMTU(to: interface.mtu, now: now)
        }
    }
}

extension ICMPError.Problem {
    fileprivate var words: (String, code: Int) {
        switch self {
        case .packetTooBig(let mtu): ("packet-too-big", mtu)
        case .unreachable(let code): ("unreachable", Int(code))
        case .timeExceeded(let code): ("time-exceeded", Int(code))
        case .parameterProblem(let code): ("parameter-problem", Int(code))
        }
    }
}
