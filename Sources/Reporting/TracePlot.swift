internal import NetworkPrimitives
package import TraceAnalysis
internal import WireFormat

extension SequencePlot {
    /// One direction of a connection. `marks` are moments that the packets do not show, such as the
    /// break, in nanoseconds on the captures' clock; joins and path signals mark themselves.
    package init(
        _ connection: ConnectionTrace, _ direction: TraceDirection, in document: TraceDocument,
        marks: [(time: Int64, label: String)] = []
    ) {
        func seconds(_ time: Int64) -> Double { document.milliseconds(time) / 1000 }
        let trace = connection[direction]
        var series = connection.subflows.map {
            Series(name: "#\($0.index) \($0.tuple.local.address)", pieces: [])
        }
        for transmission in trace.transmissions {
            guard let time = transmission.times.first,
                series.indices.contains(transmission.subflow)
            else { continue }
            let isReinjection =
                transmission.kind == .reinjection || transmission.kind == .lateReinjection
            let range = transmission.range
            series[transmission.subflow].pieces.append(
                Piece(
                    time: seconds(time),
                    range: Int64(range.lowerBound)..<Int64(range.upperBound),
                    isReinjection: isReinjection))
        }
        let acknowledgments = trace.dataACKs.compactMap { step in
            (step.times.arrived ?? step.times.sent).map {
                Acknowledgment(time: seconds($0), octets: Int64(step.offset))
            }
        }
        let arrow = direction == .upload ? "to" : "from"
        self.init(
            title: "\(connection.client) \(arrow) \(connection.server), \(direction.rawValue)",
            series: series, acknowledgments: acknowledgments.sorted { $0.time < $1.time },
            marks: (Self.ownMarks(connection) + marks).map {
                Mark(time: seconds($0.time), label: $0.label)
            })
    }

    /// More of them would cover each other.
    private static let markLimit = 12

    private static func ownMarks(
        _ connection: ConnectionTrace
    ) -> [(time: Int64, label: String)] {
        var marks = connection.joins.compactMap { join in
            join.start.map { (time: $0, label: "join #\(join.subflow)") }
        }
        for signal in connection.signals {
            guard let time = signal.times.first else { continue }
            switch signal.content {
            case .removeAddress, .priority, .fail, .fastClose:
                marks.append((time, signal.content.name))
            case .addAddress, .reset, .dataFIN, .joinCapabilities: break
            }
        }
        return Array(marks.sorted { $0.time < $1.time }.prefix(markLimit))
    }
}
