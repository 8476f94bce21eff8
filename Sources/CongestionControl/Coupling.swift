internal import NetworkPrimitives

/// What the coupled algorithms must know of one path of a connection.
public struct PathSample: Sendable {
    /// The congestion window, octets.
    public var window: Int
    /// The smoothed round-trip time, seconds.
    public var roundTrip: Double
    /// Octets acknowledged since the last loss, or between the last two, whichever is more (OLIA).
    public var acknowledgedBetweenLosses: Int

    /// A path of this window and round trip.
    public init(window: Int, roundTrip: Duration, acknowledgedBetweenLosses: Int = 0) {
        self.window = max(window, 1)
        self.roundTrip = max(roundTrip.seconds, 0.000_001)
        self.acknowledgedBetweenLosses = acknowledgedBetweenLosses
    }

    /// w/rtt, octets a second.
    fileprivate var rate: Double { Double(window) / roundTrip }
    /// w/rtt², what LIA calls the best path.
    fileprivate var quality: Double { rate / roundTrip }
    /// l²/rtt² would be the rate after the next loss; l/rtt² orders paths the same way (OLIA).
    fileprivate var prospect: Double {
        Double(acknowledgedBetweenLosses) / (roundTrip * roundTrip)
    }
}

/// How a path of a connection moves its window, given the connection's other paths. Slow start,
/// recovery and timeouts are Reno's; only congestion avoidance is coupled (tcp-base, 19 to 21).
public struct Coupling: Hashable, Sendable {
    /// Octets of growth for each acknowledged octet and each octet of segment size; 1/window is
    /// Reno.
    public var increase: Double
    /// The part of the window that a loss takes.
    public var decrease: Double

    /// What holds on `path`, one of the `paths` that carry the connection's data.
    public init(_ kind: CoupledKind, path: Int, of paths: [PathSample]) {
        decrease = 0.5
        switch kind {
        case .lia: increase = Self.lia(paths[path], paths)
        case .olia: increase = Self.olia(path, paths)
        case .balia:
            let best = paths.reduce(0) { max($0, $1.rate) }
            // alpha of BALIA: how much slower than the fastest path.
            let ratio = best / paths[path].rate
            let share = paths[path].quality / Self.square(Self.totalRate(paths))
            increase = share * (1 + ratio) / 2 * (4 + ratio) / 5
            decrease = min(ratio, 1.5) / 2
        }
    }

    /// RFC 6356, 3: alpha over the total window, and nowhere more than Reno.
    private static func lia(_ path: PathSample, _ paths: [PathSample]) -> Double {
        let best = paths.reduce(0) { max($0, $1.quality) }
        return min(best / square(totalRate(paths)), 1 / Double(path.window))
    }

    /// Khalili et al., "MPTCP is not Pareto-optimal": equation 3, with the transfer from paths of
    /// large window to good paths of small window.
    private static func olia(_ path: Int, _ paths: [PathSample]) -> Double {
        let largest = paths.reduce(0) { max($0, $1.window) }
        let best = paths.reduce(0) { max($0, $1.prospect) }
        let collected = paths.count { $0.prospect == best && $0.window < largest }
        let own = paths[path]
        var shift = 0.0
        if collected > 0 {
            if own.window == largest {
                let count = paths.count { $0.window == largest }
                shift = -1 / Double(paths.count * count)
            } else if own.prospect == best {
                shift = 1 / Double(paths.count * collected)
            }
        }
        return own.quality / square(totalRate(paths)) + shift / Double(own.window)
    }

    private static func totalRate(_ paths: [PathSample]) -> Double {
        paths.reduce(0) { $0 + $1.rate }
    }

    private static func square(_ value: Double) -> Double { value * value }
}

/// The coupled algorithms.
public enum CoupledKind: Sendable {
    /// RFC 6356.
    case lia
    /// Opportunistic LIA (draft-khalili-mptcp-congestion-control).
    case olia
    /// Balanced LIA (draft-walid-mptcp-congestion-control).
    case balia
}

/// Congestion avoidance of one path whose connection couples it with others. Without a coupling it
/// is Reno.
struct CoupledAvoidance: Sendable {
    let kind: CoupledKind
    var coupling: Coupling?
    private var remainder = 0.0
    /// OLIA's l1 and l2.
    private var betweenLosses = 0
    private var sinceLoss = 0

    init(_ kind: CoupledKind) { self.kind = kind }

    var acknowledgedBetweenLosses: Int { max(betweenLosses, sinceLoss) }

    /// Octets were acknowledged outside of fast recovery, in slow start or behind it.
    mutating func note(acknowledged bytes: Int) { sinceLoss += bytes }

    /// A congestion event; returns the window that is left.
    mutating func reduce(_ window: Int) -> Int {
        betweenLosses = sinceLoss
        sinceLoss = 0
        remainder = 0
        return window - Int(Double(window) * (coupling?.decrease ?? 0.5))
    }

    /// The window after `bytes` were acknowledged.
    mutating func grow(_ window: Int, bytes: Int, segment: Int) -> Int {
        let increase = coupling?.increase ?? 1 / Double(max(window, 1))
        // Never faster than slow start; OLIA may shrink a window, but not below one segment.
        let step = min(increase * Double(bytes) * Double(segment), Double(bytes)) + remainder
        let whole = step.rounded(.down)
        remainder = step - whole
        return max(window + Int(whole), segment)
    }
}
