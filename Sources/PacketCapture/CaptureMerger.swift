internal import WireFormat

/// Several captures of one clock as one file: all packets in the order of time, each with the
/// interface that saw it. Only a few packets of each capture are in memory at a time.
package struct CaptureMerger {
    /// A capture that goes into the file, and the interface that stands for it there.
    package struct Source {
        package var file: String
        package var interface: CaptureInterface

        package init(file: String, interface: CaptureInterface) {
            self.file = file
            self.interface = interface
        }
    }

    /// What can be said of a packet before it is written: the source's number, and whether no packet
    /// follows.
    package typealias Commentator = (CapturedPacket, _ source: Int, _ isLast: Bool) -> [String]

    /// Merges whole captures into a file of one section.
    package static func merge(
        _ sources: [Source], into path: String, section: CaptureSection,
        comments: Commentator
    ) throws(CaptureError) {
        var queues: [SortedCapture] = []
        for source in sources { queues.append(try SortedCapture(source.file)) }
        let interfaces = zip(sources, queues).map { source, queue in
            var interface = source.interface
            interface.linkType = queue.linkType
            interface.snapshotLength = queue.snapshotLength
            return interface
        }
        let writer = try PcapngWriter(path, section: section, interfaces: interfaces)
        var next = try takeEarliest(&queues)
        while let (packet, source) = next {
            next = try takeEarliest(&queues)
            writer.write(
                packet, interface: source, comments: comments(packet, source, next == nil))
        }
        try writer.close()
    }

    /// Of packets of the same time the one of the first source comes first.
    private static func takeEarliest(
        _ queues: inout [SortedCapture]
    ) throws(CaptureError) -> (packet: CapturedPacket, source: Int)? {
        var earliest: (time: Int64, source: Int)?
        for (source, queue) in queues.enumerated() {
            guard let time = queue.firstTime else { continue }
            if let earliest, earliest.time <= time { continue }
            earliest = (time, source)
        }
        guard let earliest else { return nil }
        return try queues[earliest.source].next().map { ($0, earliest.source) }
    }
}

/// The packets of a capture in the order of time. A kernel of several processors writes them a
/// little out of order.
private struct SortedCapture {
    private let reader: CaptureReader
    /// In the order of time; those of the same time as they stand in the file.
    private var window: [CapturedPacket] = []

    /// So many packets at most may stand between a packet and its place.
    private static let windowLength = 64

    init(_ file: String) throws(CaptureError) {
        reader = try CaptureReader(file)
        for _ in 0..<Self.windowLength { try fill() }
    }

    var linkType: LinkType { reader.linkType }
    var snapshotLength: Int { reader.snapshotLength }
    var firstTime: Int64? { window.first?.time }

    mutating func next() throws(CaptureError) -> CapturedPacket? {
        if window.isEmpty { return nil }
        let packet = window.removeFirst()
        try fill()
        return packet
    }

    private mutating func fill() throws(CaptureError) {
        guard let packet = try reader.next() else {
            guard let warning = reader.warning else { return }
            throw CaptureError(.failed, reader.path, warning)
        }
        let place = window.lastIndex { $0.time <= packet.time }.map { $0 + 1 } ?? 0
        window.insert(packet, at: place)
    }
}
