internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Which side of the rules of iOS a connection is on.
struct InteractiveState: Sendable {
    /// Why the backup has the data; `nil` while the primary has it.
    var reason: InteractiveReason?
    /// When a reason held for the last time.
    var lastHeld = Instant(nanoseconds: .min / 2)
    /// When the primary is measured again.
    var nextMeasurement = Instant(nanoseconds: .min / 2)

    init() {}

    static let longestRoundTrip: Int64 = 600_000_000
    static let longestTimeout: Int64 = 1_500_000_000
    /// No reason may have held for so long before data moves back.
    static let hysteresis = Duration.seconds(1)
    /// A primary that carries nothing would never look better: from one copy on it to the next.
    static let measurementInterval = Duration.milliseconds(250)
}

/// The rules of iOS for interactive traffic (handover-experiments, I.1): when the backup takes over.
///
/// Data moves by MP_PRIO, in both directions: the peer hears that the backup is none any more, and on
/// the primary, as far as that still delivers, that it is one.
extension Connection {
    /// Looks whether one of the rules holds, and moves data if that is new.
    mutating func applyInteractiveRules(now: Instant) {
        guard let (primary, backup) = rivals else { return }
        if let reason = reasonForBackup(primary, backup) {
            interactive.lastHeld = now
            if interactive.reason == nil {
                counters.switching.count(reason)
                move(to: backup, from: primary, reason, now: now)
                guard reason == .timeout else { return }
                suspect(primary, now: now)
                reinjectEverything(of: primary, now: now)
            }
        } else if interactive.reason != nil,
            now - interactive.lastHeld >= InteractiveState.hysteresis
        {
            counters.switching.returns += 1
            move(to: primary, from: backup, nil, now: now)
        }
    }

    /// The subflow from the preferred address, and the oldest other one.
    private var rivals: (primary: Int, backup: Int)? {
        var primary: Int?
        var backup: Int?
        for index in subflows.indices where subflows[index].isUsable {
            if subflows[index].tcp.tuple.local.address == preferredAddress {
                primary = primary ?? index
            } else {
                backup = backup ?? index
            }
        }
        guard let primary, let backup else { return nil }
        return (primary, backup)
    }

    private func reasonForBackup(_ primary: Int, _ backup: Int) -> InteractiveReason? {
        let limit = InteractiveState.longestRoundTrip
        let ours = subflows[primary].tcp.rtt
        let theirs = subflows[backup].tcp.rtt
        if ours.smoothed ?? 0 > limit, theirs.smoothed ?? 0 <= limit { return .roundTrip }
        // Once data has moved, none waits for the primary any more.
        if subflows[primary].tcp.consecutiveTimeouts > 0,
            data.next < data.sent.end || interactive.reason != nil
        {
            return .timeout
        }
        let isLong = ours.timeout > InteractiveState.longestTimeout
        return isLong && theirs.timeout < ours.timeout ? .longTimeout : nil
    }

    private mutating func move(
        to chosen: Int, from other: Int, _ reason: InteractiveReason?, now: Instant
    ) {
        interactive.reason = reason
        log(
            "policy_switch", now: now, ("subflow", .number(Int(subflows[chosen].id.rawValue))),
            ("reason", .text(reason?.rawValue ?? "recovered")))
        for (index, isBackup) in [(chosen, false), (other, true)]
        where subflows[index].isBackupForPeer != isBackup {
            subflows[index].isBackupForPeer = isBackup
            mib.count(.prioritySent)
            subflows[index].signal(.priority(isBackup: isBackup, addressID: nil))
        }
    }

    /// While the backup has the data, a copy of the last segment goes over an idle primary now and
    /// then: its round trips say whether data may move back.
    mutating func measurePrimary(now: Instant) {
        guard now >= interactive.nextMeasurement, let (primary, _) = rivals,
            !subflows[primary].tcp.hasOutstandingData, subflows[primary].tcp.sendAllowance > 0,
            data.acknowledged < data.next
        else { return }
        interactive.nextMeasurement = now + InteractiveState.measurementInterval
        let start = max(data.acknowledged, data.next - subflows[primary].tcp.effectiveMSS)
        map(start..<data.next, on: primary, kind: .reinjection, now: now)
    }
}
