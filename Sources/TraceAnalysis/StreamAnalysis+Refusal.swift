internal import NetworkPrimitives
internal import WireFormat

/// Finds out whether a receiver has stopped to take the data of a subflow. Linux does so once an
/// address is removed: the octets still arrive and are acknowledged on the subflow, but DATA_ACK
/// waits for their copies on another one.
extension StreamAnalysis {
    /// A receiver that is only late answers sooner.
    private static let patience: Int64 = 20_000_000

    /// A stretch of time in which the receiver's DATA_ACK stood still.
    private struct Plateau {
        var offset: Int
        var start: Int64
        var end: Int64
    }

    /// The first octet, of those of a subflow that one side has given up, whose DATA_ACK came only
    /// with its copy on another subflow.
    func refusal(_ arrivals: RangeTable<Arrival>) -> (subflow: Int, time: Int64)? {
        let closings = closingTimes()
        guard closings.contains(where: { $0 != nil }) else { return nil }
        for plateau in plateaus() where plateau.end - plateau.start > Self.patience {
            guard let arrival = arrivals.value(at: plateau.offset),
                let closing = closings[arrival.subflow], refusedFrom[arrival.subflow] == nil,
                arrival.time >= closing, plateau.end - arrival.time > Self.patience,
                hasCopy(of: plateau.offset, beside: arrival, until: plateau.end)
            else { continue }
            return (arrival.subflow, arrival.time)
        }
        return nil
    }

    /// Whether another subflow brought the octet, late, before the DATA_ACK moved on.
    private func hasCopy(of offset: Int, beside arrival: Arrival, until end: Int64) -> Bool {
        trace.transmissions.contains { transmission in
            guard transmission.subflow != arrival.subflow, transmission.range.contains(offset),
                let time = transmission.times.arrived
            else { return false }
            return time <= end && time - arrival.time > Self.patience
        }
    }

    /// For each subflow when one side gave it up, as the receiver knows: its own FIN or reset, or a
    /// REMOVE_ADDR of either side. Which address that was does not matter here.
    private func closingTimes() -> [Int64?] {
        var result = [Int64?](repeating: nil, count: flows.count)
        var removal: Int64?
        for index in packets.indices {
            let packet = packets[index]
            let segment = segment(index)
            let isFromReceiver = packet.isFromClient != isFromClient
            for case .removeAddress in segment.options.mptcp {
                let time = isFromReceiver ? packet.times.sent : packet.times.arrived
                removal = [removal, time].compactMap(\.self).min()
            }
            if isFromReceiver, segment.isReset || segment.flags.contains(.fin),
                let time = packet.times.sent
            {
                result[packet.flow] = min(result[packet.flow] ?? time, time)
            }
        }
        guard let removal else { return result }
        return result.map { min($0 ?? removal, removal) }
    }

    private func plateaus() -> [Plateau] {
        var result: [Plateau] = []
        var current: (offset: Int, start: Int64)?
        for index in packets.indices where packets[index].isFromClient != isFromClient {
            guard let time = packets[index].times.sent,
                let number = segment(index).dataACK,
                let offset = offset(of: number, near: current?.offset ?? 0)
            else { continue }
            if let known = current {
                guard offset > known.offset else { continue }
                result.append(Plateau(offset: known.offset, start: known.start, end: time))
            }
            current = (offset, time)
        }
        return result
    }
}
