/// What the captures show.
package struct TraceReport: Hashable, Sendable {
    package var points: [TracePoint]
    package var counts: PacketCounts
    /// In the order of their first packets.
    package var connections: [ConnectionTrace]

    package init(points: [TracePoint], counts: PacketCounts, connections: [ConnectionTrace]) {
        self.points = points
        self.counts = counts
        self.connections = connections
    }
}
