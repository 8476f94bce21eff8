internal import ArgumentParser
internal import Glibc
internal import LinuxSystem
internal import PacketCapture
internal import Reporting
internal import Scenario
internal import TraceAnalysis
internal import WireFormat

/// `mptcpctl analyze`: what captures show of MPTCP connections.
struct AnalyzeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "analyze",
        abstract: "Show the MPTCP connections, joins, reinjections and gaps of captures.",
        discussion: """
            Reads pcap and pcapng files, of this program or any other: Ethernet with or without \
            VLAN tags, Linux cooked (tcpdump -i any), raw IP, BSD loopback; MPTCP v0 and v1, IPv4 \
            and IPv6. Several files are several capture points of the same packets, on one clock, \
            and so are the interfaces of a pcapng file. Files and interfaces named client-* and \
            server-* are taken to be captured at that end.

            In JSON a null is not known. Of a direction whose sender was not captured \
            (departure_captured is false) those are the octets by kind of transmission and the \
            reinjections: what was lost before the capture point was never seen. headers_cut counts \
            packets of which the capture kept less than their headers.
            """)

    @Argument(help: "Capture files; - is standard input.", completion: .file())
    var captures: [String]

    @Option(help: "How to print the result.")
    var format: OutputFormat = .text

    @Option(
        help: "Draw data sequence numbers over time into this SVG file.", completion: .file())
    var plot: String?

    @Option(
        parsing: .unconditional,
        help: "The connection to draw (default: the one that carried most).")
    var connection: Int?

    @Option(help: "The direction to draw (default: the one that carried more).")
    var direction: Direction?

    func validate() throws {
        if captures.count(where: { $0 == "-" }) > 1 {
            throw ValidationError("Standard input can be read only once.")
        }
        if plot == nil, connection != nil || direction != nil {
            throw ValidationError("--connection and --direction choose what --plot draws.")
        }
    }

    func run() throws {
        let document = try CaptureAnalysis.document(of: captures)
        for warning in document.captures.compactMap(\.warning) {
            Terminal.error("warning: \(warning)")
        }
        if let plot { try draw(document, into: plot) }
        Terminal.output(
            format == .text
                ? TraceTextRenderer.report(document) : TraceJSONRenderer.text(document))
    }

    private func draw(_ document: TraceDocument, into path: String) throws {
        let connections = document.report.connections
        let chosen: ConnectionTrace?
        if let connection {
            guard connections.indices.contains(connection) else {
                throw CommandFailure.usage(
                    "--connection \(connection): the captures hold "
                        + "\(connections.count), numbered from 0")
            }
            chosen = connections[connection]
        } else {
            chosen = connections.max {
                $0.upload.sentOctets + $0.download.sentOctets
                    < $1.upload.sentOctets + $1.download.sentOctets
            }
        }
        guard let chosen else {
            throw CommandFailure.usage("--plot \(path): there is no TCP connection to draw")
        }
        let wanted = direction.map { $0 == .upload ? TraceDirection.upload : .download }
        let image = SequencePlot(chosen, wanted ?? chosen.mainDirection, in: document)
        do {
            try TextFile.replace(path, with: image.svg)
        } catch {
            throw CommandFailure.usage("\(error)")
        }
    }
}

/// From capture files to an analysis.
enum CaptureAnalysis {
    /// Reads and analyses files.
    static func document(of paths: [String]) throws(CommandFailure) -> TraceDocument {
        var captures: [TraceDocument.Capture] = []
        var packets: [TracePacket] = []
        var points: [TracePoint] = []
        for path in paths {
            let reader: CaptureReader
            let captured: [CapturedPacket]
            do {
                reader = try CaptureReader(path)
                captured = try reader.readAll()
            } catch {
                throw .usage("\(error)")
            }
            captures.append(
                TraceDocument.Capture(
                    file: path, linkType: reader.linkType.description, packets: captured.count,
                    warning: reader.warning))
            add(captured, of: reader, &packets, &points)
            guard points.count <= mostPoints else {
                throw .usage("\(path): with it there are more than \(mostPoints) capture points")
            }
        }
        var analyzer = TraceAnalyzer(points: points)
        for packet in packets { analyzer.add(packet) }
        return TraceDocument(captures: captures, report: analyzer.finish())
    }

    /// Of one analysis; a packet is looked for at each.
    private static let mostPoints = 1_000

    /// A file is a capture point; one that holds several interfaces, as pcapng files and those of
    /// `-i any` may, is one for each: the same packet passes several of them.
    private static func add(
        _ captured: [CapturedPacket], of reader: CaptureReader, _ packets: inout [TracePacket],
        _ points: inout [TracePoint]
    ) {
        let same = firstOfTheSame(reader.interfaces)
        let labels = labels(of: Set(same), reader.interfaces)
        let keys = captured.map { packet in
            InterfaceKey(
                inFile: packet.interface.map { same[$0] }, inSystem: packet.interfaceIndex)
        }
        // In the file's order of interfaces, whichever of them saw a packet first.
        var indices: [InterfaceKey: Int] = [:]
        for key in Set(keys).sorted() {
            indices[key] = points.count
            points.append(point(key, of: reader, labels))
        }
        for (packet, key) in zip(captured, keys) {
            guard let point = indices[key] else { continue }
            let bytes = packet.ipPacket ?? []
            packets.append(
                TracePacket(
                    time: packet.time, point: point, bytes: bytes,
                    wireLength: bytes.count + max(packet.wireLength - packet.bytes.count, 0)))
        }
    }

    /// For each interface of a file the first one that it is again: each section of a pcapng file
    /// describes its interfaces anew. Those of one section are different ones, whatever their names.
    private static func firstOfTheSame(_ interfaces: [CaptureInterface]) -> [Int] {
        struct Name: Hashable {
            var text: String
            var linkType: LinkType
        }
        var known: [Name: [Int]] = [:]
        var counts: [Name: Int] = [:]
        var section = 0
        return interfaces.enumerated().map { index, interface in
            guard let text = interface.name else { return index }
            if interface.section != section {
                section = interface.section
                counts = [:]
            }
            let name = Name(text: text, linkType: interface.linkType)
            let position = counts[name, default: 0]
            counts[name] = position + 1
            if known[name, default: []].count <= position { known[name, default: []].append(index) }
            return known[name, default: []][position]
        }
    }

    /// What the points of interfaces are called besides their file: nothing where there is but one, or
    /// by name, and those that share one by number, too.
    private static func labels(
        of indices: Set<Int>, _ interfaces: [CaptureInterface]
    ) -> [Int: String] {
        guard indices.count > 1 else { return [:] }
        let named = Dictionary(grouping: indices) { interfaces[$0].name }
        return Dictionary(
            uniqueKeysWithValues: indices.map { index in
                guard let name = interfaces[index].name else { return (index, String(index)) }
                return (index, named[name]?.count == 1 ? name : "\(name):\(index)")
            })
    }

    /// What tells the interfaces of a file apart.
    private struct InterfaceKey: Hashable, Comparable {
        var inFile: Int?
        var inSystem: Int?

        static func < (first: Self, second: Self) -> Bool {
            (first.inFile ?? -1, first.inSystem ?? -1)
                < (second.inFile ?? -1, second.inSystem ?? -1)
        }
    }

    /// An interface that is named after its end, as in a merged capture, is a point of that name;
    /// any other one is part of its file.
    private static func point(
        _ key: InterfaceKey, of reader: CaptureReader, _ labels: [Int: String]
    ) -> TracePoint {
        let name = key.inFile.flatMap { reader.interfaces[$0].name }
        if let name, let place = place(of: name) { return TracePoint(name, place: place) }
        let file = pointName(reader.path)
        var parts = [file]
        if let index = key.inFile, let label = labels[index] { parts.append(label) }
        if let index = key.inSystem { parts.append(String(index)) }
        return TracePoint(parts.joined(separator: ":"), place: place(of: file) ?? .unknown)
    }

    private static func place(of name: String) -> TracePoint.Place? {
        name.hasPrefix("client-") ? .atClient : name.hasPrefix("server-") ? .atServer : nil
    }

    /// `client-wifi0` of `runs/001/client-wifi0.pcap`.
    private static func pointName(_ path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        let name = file.split(separator: ".").first.map(String.init) ?? file
        return name.isEmpty ? file : name
    }
}
