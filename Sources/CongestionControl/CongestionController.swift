public import NetworkPrimitives

/// The algorithms.
public enum CongestionControlKind: String, Sendable, CaseIterable {
    /// RFC 9438.
    case cubic
    /// RFC 5681 and 6582.
    case reno
    /// RFC 6356: subflows together take no more than one TCP would on the best path.
    case lia
    /// LIA that moves traffic to the better paths.
    case olia
    /// Between LIA and OLIA: responsive and friendly.
    case balia

    /// The algorithm that couples a connection's subflows, if it is one.
    public var coupled: CoupledKind? {
        switch self {
        case .cubic, .reno: nil
        case .lia: .lia
        case .olia: .olia
        case .balia: .balia
        }
    }
}

/// A congestion window and how it moves. Windows are in octets.
///
/// The caller reports what happened to its data; the controller never sees a segment.
public struct CongestionController: Sendable {
    private enum Algorithm: Sendable {
        case reno(NewReno)
        case cubic(Cubic)
        case coupled(CoupledAvoidance)
    }

    private struct Saved: Sendable {
        var window: Int
        var threshold: Int
        var algorithm: Algorithm
    }

    /// The congestion window (cwnd).
    public private(set) var window: Int
    /// The slow start threshold (ssthresh).
    public private(set) var slowStartThreshold = Int.max
    private var maximumSegmentSize: Int
    private var algorithm: Algorithm
    private var hyStart = HyStart()
    private var saved: Saved?
    /// Whether the window shrinks to the threshold, and is what the path can take just now.
    private var isReducing = false

    /// A controller at the initial window of RFC 6928.
    public init(kind: CongestionControlKind, maximumSegmentSize: Int, now: Instant) {
        let segment = max(maximumSegmentSize, 1)
        self.maximumSegmentSize = segment
        window = Self.initialWindow(segment)
        algorithm =
            switch kind {
            case .reno: .reno(NewReno())
            case .cubic: .cubic(Cubic())
            case .lia: .coupled(CoupledAvoidance(.lia))
            case .olia: .coupled(CoupledAvoidance(.olia))
            case .balia: .coupled(CoupledAvoidance(.balia))
            }
    }

    /// RFC 6928, 2.
    private static func initialWindow(_ segment: Int) -> Int {
        min(10 * segment, max(2 * segment, 14_600))
    }

    /// Whether the window is below the slow start threshold.
    public var isInSlowStart: Bool { window < slowStartThreshold }

    /// Whether this is the first slow start: later ones know the threshold (RFC 9406, 4.3).
    private var isInFirstSlowStart: Bool { slowStartThreshold == .max }

    /// An ACK came outside of fast recovery; before `acknowledged`.
    ///
    /// - Parameters:
    ///   - sample: the round trip that it measured, nanoseconds.
    ///   - startsRound: it acknowledges what was sent next when the last round trip began.
    public mutating func observeRoundTrip(_ sample: Int64?, startsRound: Bool) {
        guard isInFirstSlowStart, hyStart.observe(roundTrip: sample, startsRound: startsRound)
        else { return }
        slowStartThreshold = window
        if case .cubic(var cubic) = algorithm {
            cubic.noteSlowStartEnd(window: window, segment: maximumSegmentSize)
            algorithm = .cubic(cubic)
        }
    }

    /// New data was acknowledged outside of fast recovery.
    ///
    /// `isWindowLimited` says whether the window was what held the sender back; an unused window
    /// does not grow (RFC 7661).
    public mutating func acknowledged(
        bytes: Int, inFlight: Int, isWindowLimited: Bool, roundTrip: Duration?, now: Instant
    ) {
        if case .cubic(var cubic) = algorithm {
            cubic.advance(to: now, isWindowLimited: isWindowLimited)
            algorithm = .cubic(cubic)
        }
        if case .coupled(var coupled) = algorithm {
            coupled.note(acknowledged: bytes)
            algorithm = .coupled(coupled)
        }
        guard bytes > 0, isWindowLimited else { return }
        var bytes = bytes
        if isInSlowStart {
            if isInFirstSlowStart {
                window += hyStart.growth(bytes)
                return
            }
            let step = min(bytes, slowStartThreshold - window)
            window += step
            bytes -= step
            guard bytes > 0 else { return }
        }
        switch algorithm {
        case .reno(var reno):
            window = reno.grow(window, bytes: bytes, segment: maximumSegmentSize)
            algorithm = .reno(reno)
        case .cubic(var cubic):
            window = cubic.grow(
                window, bytes: bytes, segment: maximumSegmentSize,
                roundTrip: roundTrip?.seconds ?? 0, now: now)
            algorithm = .cubic(cubic)
        case .coupled(var coupled):
            window = coupled.grow(window, bytes: bytes, segment: maximumSegmentSize)
            algorithm = .coupled(coupled)
        }
    }

    /// A loss was found by fast retransmit (or announced by ECN): one reduction per window.
    public mutating func enterRecovery(inFlight: Int, now: Instant) {
        save()
        reduce(inFlight: inFlight)
        window = slowStartThreshold
        isReducing = true
    }

    /// While the window shrinks the caller says how far the path may be filled (RFC 9937).
    public mutating func limitDuringReduction(to window: Int) {
        self.window = max(window, maximumSegmentSize)
    }

    /// The window has shrunk to the threshold.
    public mutating func exitRecovery(now: Instant) {
        isReducing = false
        guard slowStartThreshold != .max else { return }
        window = max(slowStartThreshold, maximumSegmentSize)
    }

    /// The retransmission timer expired (RFC 5681, 3.1).
    ///
    /// - Parameter remaining: octets that were sent too recently to be taken for lost.
    public mutating func retransmissionTimeout(
        inFlight: Int, remaining: Int = 0, isFirstForThisLoss: Bool, now: Instant
    ) {
        if isFirstForThisLoss {
            save()
            reduce(inFlight: inFlight)
        }
        if case .cubic(var cubic) = algorithm {
            cubic.noteTimeout()
            algorithm = .cubic(cubic)
        }
        window = remaining + maximumSegmentSize
        isReducing = false
    }

    /// The last reduction was spurious: back to what was.
    public mutating func undo() {
        isReducing = false
        guard let saved else { return }
        window = max(window, saved.window)
        slowStartThreshold = saved.threshold
        algorithm = saved.algorithm
        self.saved = nil
    }

    /// Nothing was sent for longer than a timeout (RFC 5681, 4.1).
    public mutating func restartAfterIdle(now: Instant) {
        window = min(window, Self.initialWindow(maximumSegmentSize))
        if case .cubic(var cubic) = algorithm {
            cubic.startNewEpoch()
            algorithm = .cubic(cubic)
        }
    }

    /// The SYN, or its answer, was sent more than twice (RFC 6928, 2). Before the first data.
    public mutating func startWithOneSegment() { window = maximumSegmentSize }

    /// The path carries segments of another size; the initial window follows.
    public mutating func maximumSegmentSizeChanged(to size: Int) {
        let size = max(size, 1)
        if window == Self.initialWindow(maximumSegmentSize), slowStartThreshold == .max {
            window = Self.initialWindow(size)
        }
        if case .cubic(var cubic) = algorithm {
            cubic.rescale(by: Double(maximumSegmentSize) / Double(size))
            algorithm = .cubic(cubic)
        }
        maximumSegmentSize = size
        window = max(window, size)
    }

    // MARK: Coupling

    /// What a connection's other paths must know of this one, `nil` when the algorithm couples
    /// nothing.
    public func sample(roundTrip: Duration) -> PathSample? {
        guard case .coupled(let coupled) = algorithm else { return nil }
        // RFC 6356, 3: in fast recovery the window is the threshold's.
        return PathSample(
            window: isReducing ? slowStartThreshold : window, roundTrip: roundTrip,
            acknowledgedBetweenLosses: coupled.acknowledgedBetweenLosses)
    }

    /// Says how the connection's other paths bear on this one, from now on.
    public mutating func couple(_ coupling: Coupling?) {
        guard case .coupled(var coupled) = algorithm else { return }
        coupled.coupling = coupling
        algorithm = .coupled(coupled)
    }

    /// Halves the window because the path holds up the others of its connection: what it sent is
    /// what the connection's window waits for (Raiciu et al., NSDI 2012, 4.2).
    public mutating func penalise() {
        if !isInSlowStart {
            slowStartThreshold = max(min(slowStartThreshold, window) / 2, 2 * maximumSegmentSize)
        }
        window = max(window / 2, maximumSegmentSize)
    }

    private mutating func save() {
        saved = Saved(window: window, threshold: slowStartThreshold, algorithm: algorithm)
    }

    private mutating func reduce(inFlight: Int) {
        let floor = 2 * maximumSegmentSize
        switch algorithm {
        case .reno(var reno):
            reno.noteReduction()
            slowStartThreshold = max(min(inFlight, window) / 2, floor)
            algorithm = .reno(reno)
        case .cubic(var cubic):
            cubic.noteReduction(window: window, segment: maximumSegmentSize)
            // RFC 9438, 4.6 allows the window itself: unused, it does not grow.
            slowStartThreshold = max(Int(Double(window) * Cubic.beta), floor)
            algorithm = .cubic(cubic)
        case .coupled(var coupled):
            slowStartThreshold = max(coupled.reduce(min(inFlight, window)), floor)
            algorithm = .coupled(coupled)
        }
    }
}
