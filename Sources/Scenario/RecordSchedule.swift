internal import NetworkPrimitives

/// The records that one end of a workload writes on a cadence: how many octets are due when. Whoever
/// sends them, receives them or looks at captures of them makes the same from the workload.
///
/// - `stream`, `echo`, `voice`: one of `size` every `interval`.
/// - `interactive`: bursts of `size` octets in records of `recordSizes`, drawn from the seed; nine
///   bursts an `interval` apart, then a pause. Beside them a record of `background` every tenth of a
///   second, from the start on.
package struct RecordSchedule: Sendable, IteratorProtocol {
    package struct Record: Hashable, Sendable {
        /// After the first record.
        package var due: Duration
        /// Octets.
        package var size: Int
        /// The number of the burst that is whole with it.
        package var burst: Int?
    }

    /// Octets of a record of a burst.
    package static let recordSizes = 50...500
    /// Bursts from pause to pause.
    package static let burstsInARow = 9
    /// From the last burst before a pause to the next one.
    package static let pause = Duration.seconds(5)
    /// From record to record of the background, whose rate is in whole kilobytes a second.
    package static let backgroundInterval = Duration.milliseconds(100)

    private let workload: Workload
    private let interval: Int64
    /// When the next record (burst, in `interactive`) is due, in nanoseconds. What a peer asks for is
    /// computed with: it wraps.
    private var due: Int64 = 0
    private var burst = 0
    /// Octets of the present burst that are still to be written.
    private var rest: Int
    private var backgroundDue: Int64
    private let backgroundSize: Int
    private var generator: SeededGenerator

    /// `nil` for a workload without cadence.
    package init?(_ workload: Workload) {
        guard workload.isPeriodic || workload.kind == .interactive else { return nil }
        self.workload = workload
        interval = workload.interval.wholeNanoseconds
        rest = workload.size
        backgroundSize = workload.background / 10
        backgroundDue = backgroundSize > 0 ? 0 : .max
        generator = SeededGenerator(seed: workload.seed)
    }

    /// The next record; there is always one.
    package mutating func next() -> Record? { record() }

    /// As `next`.
    package mutating func record() -> Record {
        guard workload.kind == .interactive else {
            defer { due &+= interval }
            return Record(due: .nanoseconds(due), size: workload.size)
        }
        if backgroundDue < due {
            defer { backgroundDue &+= Self.backgroundInterval.wholeNanoseconds }
            return Record(due: .nanoseconds(backgroundDue), size: backgroundSize)
        }
        let size = recordSize()
        var record = Record(due: .nanoseconds(due), size: size)
        rest -= size
        if rest == 0 {
            record.burst = burst
            burst += 1
            due = Self.burstDue(burst, interval)
            rest = workload.size
        }
        return record
    }

    /// So drawn that what is left of the burst makes a record, too.
    private mutating func recordSize() -> Int {
        let (least, most) = (Self.recordSizes.lowerBound, Self.recordSizes.upperBound)
        if rest <= most { return rest }
        let choices = min(most, rest - least) - least + 1
        return least + Int(generator.next() % UInt64(choices))
    }

    /// When a burst of a workload is due, after the first.
    package static func burstDue(_ burst: Int, of workload: Workload) -> Duration {
        .nanoseconds(burstDue(burst, workload.interval.wholeNanoseconds))
    }

    private static func burstDue(_ burst: Int, _ interval: Int64) -> Int64 {
        let row = Int64(burstsInARow)
        let (rows, place) = Int64(burst).quotientAndRemainder(dividingBy: row)
        return rows &* ((row - 1) &* interval &+ pause.wholeNanoseconds) &+ place &* interval
    }
}
