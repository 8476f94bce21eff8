import Reporting
import Testing

@Suite("Sequence plots")
struct SequencePlotTests {
    private static func piece(
        _ number: Int, at time: Double, isReinjection: Bool = false
    ) -> SequencePlot.Piece {
        let first = Int64(number) * 1000
        return SequencePlot.Piece(
            time: time, range: first..<(first + 1000), isReinjection: isReinjection)
    }

    private static let plot: SequencePlot = {
        let wifi = (0..<50).map { piece($0, at: Double($0) * 0.02) }
        let lte = (40..<100).map {
            piece($0, at: 1 + Double($0) * 0.02, isReinjection: $0 < 50)
        }
        let acknowledgments = (0..<100).map {
            SequencePlot.Acknowledgment(time: Double($0) * 0.03, octets: Int64($0) * 1000)
        }
        return SequencePlot(
            title: "client <-> server & back",
            series: [
                SequencePlot.Series(name: "wifi0", pieces: wifi),
                SequencePlot.Series(name: "lte0", pieces: lte),
            ],
            acknowledgments: acknowledgments,
            marks: [
                SequencePlot.Mark(time: 1, label: "break"),
                SequencePlot.Mark(time: 1.2, label: "make"),
            ])
    }()

    @Test("an image shows every subflow, reinjections, acknowledgments and marks")
    func content() {
        let svg = Self.plot.svg
        #expect(svg.hasPrefix("<svg xmlns=\"http://www.w3.org/2000/svg\""))
        #expect(svg.hasSuffix("</svg>\n"))
        #expect(svg.contains("<title>client &lt;-&gt; server &amp; back</title>"))
        for label in ["wifi0", "lte0", "reinjection", "DATA_ACK", "break", "make", "time (s)"] {
            #expect(svg.contains(">\(label)</text>"))
        }
        // Ten of them, and the sample of the legend.
        #expect(svg.split(separator: "<circle").count - 1 == 11)
        for tick in ["0", "20 k", "80 k", "0.2", "2.8"] {
            #expect(svg.contains(">\(tick)</text>"), "\(tick)")
        }
        #expect(!svg.contains("script"))
        #expect(svg == Self.plot.svg)
    }

    @Test("short traces are in milliseconds; empty and single-point plots are images too")
    func extremes() {
        let empty = SequencePlot(title: "empty", series: [])
        #expect(empty.svg.contains("no data in this direction"))
        var short = SequencePlot(
            title: "short",
            series: [
                SequencePlot.Series(
                    name: "a", pieces: [SequencePlot.Piece(time: 0.25, range: 0..<1)])
            ])
        #expect(short.svg.contains("time (ms)"))
        #expect(!short.svg.contains("nan"))
        short.series[0].pieces.append(
            SequencePlot.Piece(time: 1e9, range: Int64.min / 2..<Int64.max / 2))
        #expect(!short.svg.contains("nan"))
    }

    @Test("pieces that touch in the picture are drawn as one")
    func merged() {
        let pieces = (0..<10_000).map {
            SequencePlot.Piece(time: 1, range: Int64($0)..<Int64($0 + 1))
        }
        let plot = SequencePlot(
            title: "many", series: [SequencePlot.Series(name: "a", pieces: pieces)])
        #expect(plot.svg.utf8.count < 8000)
    }
}
