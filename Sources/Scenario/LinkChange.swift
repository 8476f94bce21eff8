/// A change of a path's link while a run is under way.
package struct LinkChange: Hashable, Sendable {
    /// What changes.
    package enum Kind: Hashable, Sendable {
        /// The interface comes up.
        case up
        /// The interface goes down; the endpoint is told.
        case down
        /// Everything is dropped in silence.
        case cut
        /// ... and delivered again.
        case mend
        /// One way, both directions.
        case delay(Duration)
        /// Share 0...1, both directions.
        case loss(Double)
        /// Both directions.
        case rate(bitsPerSecond: Int)
    }

    /// After the start of the workload.
    package var at: Duration
    /// Length of a linear ramp from the present value; zero is a step (delay, loss, rate only).
    package var over: Duration
    /// Name of the path in the topology.
    package var path: String
    package var kind: Kind

    package init(at: Duration, over: Duration = .zero, path: String, _ kind: Kind) {
        self.at = at
        self.over = over
        self.path = path
        self.kind = kind
    }
}
