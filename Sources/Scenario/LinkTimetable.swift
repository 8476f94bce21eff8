package import LinkModel
internal import NetworkPrimitives
package import Topology

/// What a world does to a link at one moment of a run.
package struct LinkStep: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        /// The interface comes up or goes down, and the link with it.
        case setInterface(isUp: Bool)
        /// The link carries or drops everything, and nobody is told.
        case setLink(isUp: Bool)
        /// The link is like this from now on.
        case setProfile(up: LinkProfile, down: LinkProfile)
    }

    /// After the start of the workload.
    package var at: Duration
    /// The number of the path in the topology.
    package var path: Int
    package var action: Action
    /// The change that it belongs to, by its place in `HandoverScenario.linkChanges`.
    package var change: Int
    /// Whether the change begins with it, and whether it is done with it: a step of a ramp may be
    /// neither.
    package var isFirst: Bool
    package var isLast: Bool
}

/// The link changes of a scenario as steps, in the order of time.
///
/// A ramp is a step every `granularity`, the first of them one granularity after its start and the
/// last at its end. A change of a value ends a ramp of the same value on the same path. Each
/// direction goes from what it is at the start of the change to the value that both then have; loss
/// becomes independent of the packet before, on a link that lost in bursts too.
package struct LinkTimetable: Hashable, Sendable {
    /// From step to step of a ramp.
    package static let granularity = Duration.milliseconds(20)

    package private(set) var steps: [LinkStep] = []

    /// The steps of a scenario that has no `problem` on this topology.
    package init(_ scenario: HandoverScenario, _ topology: Topology) {
        var moments: [Moment] = []
        for (index, change) in scenario.linkChanges.enumerated() {
            guard let path = topology.path(named: change.path) else { continue }
            moments += Self.moments(of: change, index, path)
        }
        let inOrder = moments.enumerated().sorted {
            ($0.element.at, $0.element.change, $0.offset)
                < ($1.element.at, $1.element.change, $1.offset)
        }
        var links = topology.paths.map { Link(up: $0.up, down: $0.down) }
        for (_, moment) in inOrder {
            let kind = scenario.linkChanges[moment.change].kind
            guard let action = links[moment.path].action(kind, moment) else { continue }
            steps.append(
                LinkStep(
                    at: moment.at, path: moment.path, action: action, change: moment.change,
                    isFirst: moment.isFirst, isLast: moment.share == 1))
        }
    }

    /// A moment of a change: so much of it is done then.
    private struct Moment {
        var at: Duration
        var change: Int
        var path: Int
        var share: Double
        var isFirst: Bool
    }

    private static func moments(of change: LinkChange, _ index: Int, _ path: Int) -> [Moment] {
        let length = change.over.wholeNanoseconds
        let step = granularity.wholeNanoseconds
        guard length > 0 else {
            return [Moment(at: change.at, change: index, path: path, share: 1, isFirst: true)]
        }
        // The start has its moment, too: there the ramp's first values are taken, and an earlier
        // ramp ends.
        return (0...(length + step - 1) / step).map { count in
            let passed = min(count * step, length)
            return Moment(
                at: change.at + .nanoseconds(passed), change: index, path: path,
                share: Double(passed) / Double(length), isFirst: count == 0)
        }
    }

    /// Both directions of a link at some moment of the timetable.
    private struct Link {
        var up: LinkProfile
        var down: LinkProfile
        /// What each value was when its present change began, and which change that is.
        private var origins: [String: (change: Int, up: LinkProfile, down: LinkProfile)] = [:]

        init(up: LinkProfile, down: LinkProfile) {
            self.up = up
            self.down = down
        }

        /// What is to be done; `nil` where a later change has taken over.
        mutating func action(_ kind: LinkChange.Kind, _ moment: Moment) -> LinkStep.Action? {
            switch kind {
            case .up: return .setInterface(isUp: true)
            case .down: return .setInterface(isUp: false)
            case .cut: return .setLink(isUp: false)
            case .mend: return .setLink(isUp: true)
            case .delay, .loss, .rate: break
            }
            if moment.isFirst { origins[kind.name] = (moment.change, up, down) }
            guard let origin = origins[kind.name], origin.change == moment.change else {
                return nil
            }
            up.approach(kind, from: origin.up, moment.share)
            down.approach(kind, from: origin.down, moment.share)
            return .setProfile(up: up, down: down)
        }
    }
}

extension LinkProfile {
    /// Goes so much of the way from what it was to what is wanted.
    fileprivate mutating func approach(
        _ kind: LinkChange.Kind, from origin: LinkProfile, _ share: Double
    ) {
        func between(_ first: Double, _ last: Double) -> Double {
            share == 1 ? last : first + (last - first) * share
        }
        switch kind {
        case .up, .down, .cut, .mend: break
        case .delay(let delay):
            let nanoseconds = between(
                Double(origin.oneWayDelay.wholeNanoseconds), Double(delay.wholeNanoseconds))
            oneWayDelay = .nanoseconds(Int64(nanoseconds.rounded()))
        case .loss(let wanted):
            if share == 0 { return }
            let now = between(origin.loss.meanShare, wanted)
            loss = now > 0 ? .bernoulli(now) : .none
        case .rate(let wanted):
            let first = origin.rate.map { Double($0.bitsPerSecond) } ?? Double(wanted)
            let now = between(first, Double(wanted)).rounded()
            rate = BitRate(bitsPerSecond: share == 1 ? Int64(wanted) : Int64(now))
        }
    }
}

extension HandoverScenario {
    /// What is wrong with a link change, whatever the topology.
    var linkChangeProblems: [ScenarioProblem] {
        var result: [ScenarioProblem] = []
        for (index, change) in linkChanges.enumerated() {
            if let problem = change.problem(in: duration) {
                result.append(Self.problem(index, change, problem))
            } else if index > 0, change.at < linkChanges[index - 1].at {
                result.append(Self.problem(index, change, "it comes before the one before it"))
            }
        }
        return result
    }

    /// What is wrong with a link change on a topology.
    func linkChangeProblem(on topology: Topology) -> ScenarioProblem? {
        for (index, change) in linkChanges.enumerated() {
            guard let path = topology.path(named: change.path) else {
                let names = topology.paths.map { "'\($0.name)'" }.joined(separator: ", ")
                return Self.problem(
                    index, change,
                    "testbed '\(topology.name)' has no path '\(change.path)'; it has \(names)")
            }
            let link = topology.paths[path]
            if case .rate = change.kind, link.up.rate == nil || link.down.rate == nil {
                return Self.problem(
                    index, change,
                    "path '\(change.path)' is infinitely fast; a rate changes only on a link that "
                        + "has one both ways")
            }
        }
        return spoiltBreak(on: topology)
    }

    /// A link change that leaves nothing to break, or that makes the new path before its time: what
    /// would be measured is no handover. Without break there is nothing to spoil.
    private func spoiltBreak(on topology: Topology) -> ScenarioProblem? {
        guard !isNull, topology.paths.count >= 2 else { return nil }
        let names = topology.paths.map(\.name)
        let makeAt = breakAt + makeAfter
        var isUp = true
        /// The change that stopped the old path, and has not been undone.
        var stop: (index: Int, change: LinkChange)?
        for (index, change) in linkChanges.enumerated() {
            if change.path == names[0], change.at < breakAt {
                switch change.kind {
                case .up:
                    isUp = true
                    stop = nil
                case .down:
                    isUp = false
                    stop = stop ?? (index, change)
                case .cut: stop = stop ?? (index, change)
                // It does not bring an interface up.
                case .mend: if isUp { stop = nil }
                case .delay, .loss, .rate: break
                }
            } else if change.path == names[0], change.at == breakAt, change.kind.isSwitch {
                return Self.problem(
                    index, change,
                    "the break comes at the same moment, \(OptionText.text(breakAt)) (break-at); "
                        + "let one of them come later")
            } else if change.path == names[1], change.kind == .up, mode == .breakBeforeMake,
                change.at < makeAt
            {
                return Self.problem(
                    index, change,
                    "at \(OptionText.text(change.at)) it comes before the make, at "
                        + "\(OptionText.text(makeAt)) (break-at and make-after); take "
                        + "'mode: make-before-break', or 'null: true' if there is no handover")
            }
        }
        return stop.map { stop in
            Self.problem(
                stop.index, stop.change,
                "nothing is left to break at \(OptionText.text(breakAt)) (break-at); let '\(names[0])' "
                    + "come back before, or say 'null: true' if there is no other break")
        }
    }

    private static func problem(
        _ index: Int, _ change: LinkChange, _ reason: String
    ) -> ScenarioProblem {
        ScenarioProblem("link change \(index + 1) (\(change.text))", reason)
    }
}
