/// At which points the packets of one direction of a flow are seen leaving and arriving.
struct DirectionPlace: Hashable {
    /// The point nearest to the sender.
    var sendPoint: Int
    /// The point nearest to the receiver; the same one where there is only one.
    var receivePoint: Int

    var reversed: DirectionPlace {
        DirectionPlace(sendPoint: receivePoint, receivePoint: sendPoint)
    }
}

/// Finds the points of a flow's directions.
struct FlowGeometry {
    let points: [TracePoint]

    /// The places of the direction from (`fromFirst`) or to the flow's first end. `isFromClient`
    /// says who the sender is where the points know their own place.
    func place(
        of flow: Int, fromFirst: Bool, isFromClient: Bool, in table: FlowTable
    ) -> DirectionPlace? {
        let sightings = sightings(of: flow, fromFirst: fromFirst, in: table)
        if let place = declaredPlace(of: flow, isFromClient: isFromClient, in: table) {
            return place
        }
        if let place = orderedPlace(sightings) { return place }
        // What the other direction tells, turned round.
        let reverse = self.sightings(of: flow, fromFirst: !fromFirst, in: table)
        if let place = orderedPlace(reverse) {
            return place.reversed
        }
        let only = points.indices.filter { sightings.counts[$0] > 0 }
            .max { sightings.counts[$0] < sightings.counts[$1] }
        return only.map { DirectionPlace(sendPoint: $0, receivePoint: $0) }
    }

    private struct Sightings {
        /// Packets seen at each point.
        var counts: [Int]
        /// Packets seen at this and another point, and how long after their first sighting.
        var shared: [Int]
        var delays: [Int64]
    }

    private func sightings(of flow: Int, fromFirst: Bool, in table: FlowTable) -> Sightings {
        let none = [Int](repeating: 0, count: points.count)
        var result = Sightings(
            counts: none, shared: none, delays: [Int64](repeating: 0, count: points.count))
        for packet in table.flows[flow].packets
        where table.packets[packet].isFromFirst == fromFirst {
            let first = table.firstTime(of: packet)
            let seen = table.points(of: packet)
            for point in seen {
                result.counts[point] += 1
                guard seen.count > 1, let time = table.time(of: packet, at: point) else { continue }
                result.shared[point] += 1
                result.delays[point] &+= time &- first
            }
        }
        return result
    }

    /// From where the points say they are. A flow that never reached the server's point still has it
    /// as its receiving point: then nothing arrived.
    private func declaredPlace(
        of flow: Int, isFromClient: Bool, in table: FlowTable
    ) -> DirectionPlace? {
        guard points.contains(where: { $0.place != .unknown }) else { return nil }
        var counts = [Int](repeating: 0, count: points.count)
        for packet in table.flows[flow].packets {
            for point in table.points(of: packet) { counts[point] += 1 }
        }
        func best(_ place: TracePoint.Place) -> Int? {
            let candidates = points.indices.filter { points[$0].place == place }
            let most = candidates.max { counts[$0] < counts[$1] }
            guard let most else { return nil }
            return counts[most] > 0 || candidates.count == 1 ? most : nil
        }
        let client = best(.atClient)
        let server = best(.atServer)
        guard let clientPoint = client ?? server, let serverPoint = server ?? client else {
            return nil
        }
        let upload = DirectionPlace(sendPoint: clientPoint, receivePoint: serverPoint)
        return isFromClient ? upload : upload.reversed
    }

    private func orderedPlace(_ sightings: Sightings) -> DirectionPlace? {
        let candidates = points.indices.filter { sightings.shared[$0] > 0 }
        func mean(_ point: Int) -> Double {
            Double(sightings.delays[point]) / Double(sightings.shared[point])
        }
        guard candidates.count > 1,
            let first = candidates.min(by: { (mean($0), $0) < (mean($1), $1) }),
            let last = candidates.max(by: { (mean($0), $0) < (mean($1), $1) })
        else { return nil }
        return DirectionPlace(sendPoint: first, receivePoint: last)
    }
}
