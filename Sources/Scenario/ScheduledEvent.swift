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

    /// When `t0` is to be: `breakAt` after the start, moved on to half-way between two records if
    /// the workload has a cadence.
    package func breakTime(start: Instant, phase: RecordPhase?) -> Instant {
        let earliest = start + breakAt
        return phase?.halfWay(notBefore: earliest) ?? earliest
    }

    /// From `ready` until the next record is due: `t0` lies half-way between two. Zero without a
    /// cadence, and where records have fallen due before the new path came up. Interactive bursts have
    /// pauses, and `t0` has no fixed place among them.
    package var nextRecordAfterReady: Duration {
        let workload = workload(seed: seed)
        let ready = mode == .breakBeforeMake ? makeAfter : .zero
        if workload.kind == .interactive, var schedule = RecordSchedule(workload) {
            while true {
                let due = schedule.record().due
                if due >= breakAt + ready { return due - (breakAt + ready) }
            }
        }
        guard workload.isPeriodic else { return .zero }
        return max(workload.interval / 2 - ready, .zero)
    }
}
