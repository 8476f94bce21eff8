package import LinkModel
package import NetworkPrimitives

/// Delays and loses packets on all links of a testbed. Links are numbered as the paths are.
package protocol LinkEmulator: AnyObject {
    /// From the returned instant on nothing gets through in either direction; what is inside is lost.
    func cut(_ link: Int) throws(TestbedError) -> Instant
    /// The link works again, and is empty.
    func mend(_ link: Int) throws(TestbedError)
    /// The link is like this from the returned instant on, for frames that come in then; those inside
    /// travel on as they would have, and later ones do not overtake them unless the profile reorders.
    /// Jitter, duplication and corruption stay what they were. A link that is cut is like this when
    /// it is mended.
    @discardableResult
    func change(
        _ link: Int, up: LinkProfile, down: LinkProfile
    ) throws(TestbedError) -> Instant
    /// A run begins, on links that are cut: from here on its chances follow from the seed, and the
    /// maximum lateness counts. netem draws by itself, whatever the seed.
    func begin(seed: UInt64) throws(TestbedError)
    /// Whether frames are sent on by a process with real-time priority; `nil` where the kernel does it.
    var hasRealTimePriority: Bool? { get }
    /// What went through so far.
    func statistics() throws(TestbedError) -> [LinkStatistics]
    /// Ends it. May be called again.
    func stop()
}

/// Counters of one link.
package struct LinkStatistics: Hashable, Sendable {
    package var up: Direction
    package var down: Direction

    /// Counters of one direction. `nil` where the emulation does not count.
    package struct Direction: Hashable, Sendable {
        package var delivered = 0
        package var queueDrops = 0
        package var losses: Int?
        package var downDrops: Int?
        /// Frames that were refused because they stand for several packets, or that found no room.
        package var refused: Int?
        /// How much later than due frames were sent on, on the average and, since a run began, at
        /// worst.
        package var meanLateness: Duration?
        package var maximumLateness: Duration?

        package init() {}
    }

    package init(up: Direction, down: Direction) {
        self.up = up
        self.down = down
    }
}
