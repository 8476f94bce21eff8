internal import NetworkPrimitives

/// What a phone's radio takes in which state, and how long it stays there after traffic.
///
///            packet              ready               without traffic for `active`
///     idle ---------> promotion -------> active -------------------------------> tail
///      ^                                   ^ packet                               |
///      |                                   +--------------------------------------+
///      +---------------------- without traffic for `tail` -------------------------+
///
/// The numbers are those of Huang et al., "A Close Examination of Performance and Power
/// Characteristics of 4G LTE Networks" (MobiSys 2012), as De Coninck's thesis (UCLouvain 2020,
/// chapter 3) gives them: one US network, and the power of states only, without what each octet takes
/// on top.
package struct RadioModel: Hashable, Sendable {
    /// A state: its power, and how long it lasts.
    package struct State: Hashable, Sendable {
        package var milliwatts: Double
        package var duration: Duration

        package init(milliwatts: Double, duration: Duration) {
            self.milliwatts = milliwatts
            self.duration = duration
        }
    }

    /// From idle, before the first packet passes.
    package var promotion: State
    /// Receiving without pause; the duration counts from the last packet.
    package var active: State
    /// Discontinuous reception; the duration counts from the last packet, too.
    package var tail: State
    /// On average over the paging cycle or the beacons.
    package var idleMilliwatts: Double

    /// A radio of these states.
    package init(promotion: State, active: State, tail: State, idleMilliwatts: Double) {
        self.promotion = promotion
        self.active = active
        self.tail = tail
        self.idleMilliwatts = idleMilliwatts
    }

    /// LTE; idle is awake 43.2 of 1280 ms with 594.3 mW.
    package static let lte = RadioModel(
        promotion: State(milliwatts: 1_210.7, duration: .microseconds(260_100)),
        active: State(milliwatts: 1_680.2, duration: .milliseconds(100)),
        tail: State(milliwatts: 1_060, duration: .milliseconds(11_576)),
        idleMilliwatts: 594.3 * 43.2 / 1_280)

    /// WiFi, which has no state between tail and traffic; a beacon takes 7.6 of 308.2 ms with 77.2 mW.
    package static let wifi = RadioModel(
        promotion: State(milliwatts: 124.4, duration: .microseconds(79_100)),
        active: State(milliwatts: 119.3, duration: .zero),
        tail: State(milliwatts: 119.3, duration: .microseconds(238_100)),
        idleMilliwatts: 77.2 * 7.6 / 308.2)

    /// The radio behind an interface, by its name; `nil` for one that is no phone's.
    package init?(interface: String) {
        if ["wifi", "wlan", "wlp"].contains(where: interface.hasPrefix) {
            self = .wifi
        } else if ["lte", "wwan", "rmnet"].contains(where: interface.hasPrefix) {
            self = .lte
        } else {
            return nil
        }
    }
}

/// What traffic made a radio do.
package struct RadioUse: Hashable, Sendable {
    /// From the first packet to the end of the last tail, idle times between included.
    package var joules: Double
    /// Time in any state but idle.
    package var timeOn: Duration

    package init(joules: Double, timeOn: Duration) {
        self.joules = joules
        self.timeOn = timeOn
    }
}

extension RadioModel {
    /// Differences of times within it do not overflow, whatever stood in a capture.
    private static let timeBound: Int64 = 1 << 61

    /// What packets at these times, in nanoseconds and in any order, make the radio do.
    ///
    /// A packet wakes the radio when it was captured at the client. One that the server sends to an
    /// idle radio arrives there only after the promotion, which is billed from the arrival on all the
    /// same: as long as it is, but late by its own length.
    ///
    /// - Parameter switchedOn: when it was on, disjoint and in the order of time. Switching it off
    ///   ends whatever state it is in, and from then on it takes nothing; packets outside count for
    ///   nothing.
    package func use(
        by packets: some Sequence<Int64>, switchedOn: [Range<Int64>] = [.min..<(.max)]
    ) -> RadioUse {
        let bound = Self.timeBound
        var times = packets.map { min(max($0, -bound), bound) }.sorted()[...]
        var account = Account(model: self)
        for interval in switchedOn {
            let interval = interval.clamped(to: -bound..<bound + 1)
            times = times.drop { $0 < interval.lowerBound }
            let inside = times.prefix { $0 < interval.upperBound }
            account.add(inside, switchedOn: interval)
            times = times.dropFirst(inside.count)
        }
        return RadioUse(
            joules: account.picojoules * 1e-12, timeOn: .nanoseconds(account.nanosecondsOn))
    }

    /// The states so far. A milliwatt for a nanosecond is a picojoule.
    private struct Account {
        let model: RadioModel
        var picojoules = 0.0
        var nanosecondsOn: Int64 = 0
        /// The last packet, or when the radio was ready for it; `nil` while it is idle or off.
        private var last: Int64?
        /// Since when it is idle, where it is.
        private var idleSince: Int64 = 0
        /// What it took while it was idle since it was last awake. That counts once it wakes again.
        private var idlePicojoules = 0.0
        private var wasAwake = false

        init(model: RadioModel) { self.model = model }

        /// The packets, in the order of time, of an interval between being switched on and off.
        mutating func add(_ packets: ArraySlice<Int64>, switchedOn: Range<Int64>) {
            let offTime = switchedOn.upperBound
            idleSince = switchedOn.lowerBound
            for time in packets { take(time, offTime) }
            if let last { sleep(from: last, at: min(tailEnd(last), offTime)) }
            addIdle(until: offTime)
        }

        private mutating func take(_ time: Int64, _ offTime: Int64) {
            if let last, tailEnd(last) <= time { sleep(from: last, at: tailEnd(last)) }
            guard let last else {
                addIdle(until: time)
                return wake(at: time, offTime)
            }
            if time > last {
                stay(from: last, until: time)
                self.last = time
            }
        }

        private func tailEnd(_ last: Int64) -> Int64 {
            last + model.tail.duration.wholeNanoseconds
        }

        /// Ends the tail behind the last packet.
        private mutating func sleep(from last: Int64, at time: Int64) {
            stay(from: last, until: time)
            idleSince = time
            self.last = nil
        }

        private mutating func wake(at time: Int64, _ offTime: Int64) {
            picojoules += idlePicojoules
            idlePicojoules = 0
            wasAwake = true
            let length = min(model.promotion.duration.wholeNanoseconds, offTime - time)
            add(length, model.promotion.milliwatts)
            last = time + length
        }

        private mutating func addIdle(until time: Int64) {
            guard wasAwake else { return }
            idlePicojoules += Double(time - idleSince) * model.idleMilliwatts
        }

        private mutating func stay(from last: Int64, until time: Int64) {
            let length = time - last
            let active = min(length, model.active.duration.wholeNanoseconds)
            add(active, model.active.milliwatts)
            add(length - active, model.tail.milliwatts)
        }

        private mutating func add(_ length: Int64, _ milliwatts: Double) {
            picojoules += Double(length) * milliwatts
            nanosecondsOn += length
        }
    }
}
