package import NetworkPrimitives

/// What the experiment does to the network during a run.
package enum ScheduledAction: String, Hashable, Sendable, CaseIterable {
    /// The new path's interface comes up.
    case newPathUp = "new-path-up"
    /// The new path's interface is down.
    case newPathDown = "new-path-down"
    /// The old path ends, as the scenario's `breakKind` says.
    case breakOldPath = "break"
    /// The sender makes no new data.
    case stopWorkload = "stop"
}

/// When it does it. Planned: `t0` is what was measured, and a break waits for its phase.
package enum ScheduledTime: Hashable, Sendable {
    /// Before the endpoints start.
    case beforeStart
    /// After the workload has started, at the earliest.
    case afterStart(Duration)
    /// After the measured `t0`.
    case afterBreak(Duration)
}

/// One event of a run's time line.
package struct ScheduledEvent: Hashable, Sendable {
    package var time: ScheduledTime
    package var action: ScheduledAction

    package init(_ time: ScheduledTime, _ action: ScheduledAction) {
        self.time = time
        self.action = action
    }
}

extension HandoverScenario {
    /// The events of each run, in order.
    ///
    /// Without break (`isNull`) the new path stays as it was before the start: nothing happens.
    package var events: [ScheduledEvent] {
        var result = [
            ScheduledEvent(.beforeStart, mode == .makeBeforeBreak ? .newPathUp : .newPathDown)
        ]
        if !isNull {
            result.append(ScheduledEvent(.afterStart(breakAt), .breakOldPath))
            if mode == .breakBeforeMake {
                result.append(ScheduledEvent(.afterBreak(makeAfter), .newPathUp))
            }
        }
        result.append(ScheduledEvent(.afterStart(duration), .stopWorkload))
        return result
    }

    /// When `t0` is to be: `breakAt` after the start, moved on to its place between two records if the
    /// workload has a cadence. `delay` is that of the old path, one way in the workload's direction.
    package func breakTime(start: Instant, phase: RecordPhase?, delay: Duration) -> Instant {
        let earliest = start + breakAt
        return phase?.breakTime(notBefore: earliest, delay: delay) ?? earliest
    }

    /// From `ready` until the next record is due, with the same `delay`. Zero without a cadence, and
    /// where records have fallen due before the new path came up. Interactive bursts have pauses, and
    /// `t0` has no fixed place among them.
    package func nextRecordAfterReady(delay: Duration) -> Duration {
        let workload = workload(seed: seed)
        let ready = mode == .breakBeforeMake ? makeAfter : .zero
        if workload.kind == .interactive, var schedule = RecordSchedule(workload) {
            while true {
                let due = schedule.record().due
                if due >= breakAt + ready { return due - (breakAt + ready) }
            }
        }
        guard workload.isPeriodic else { return .zero }
        let offset = RecordPhase.breakOffset(interval: workload.interval, delay: delay)
        return max(workload.interval - offset - ready, .zero)
    }
}
