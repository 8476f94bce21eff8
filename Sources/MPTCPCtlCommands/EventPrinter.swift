internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
internal import Reporting
internal import Scenario

/// Prints what an endpoint reports: milestones on standard output, for people or one JSON object a
/// line; every event in detail into a file, if one is named.
final class EventPrinter {
    private let format: OutputFormat
    private let showsDetails: Bool
    private let showsStatistics: Bool
    private let start: Instant
    private let file: EventFile?

    /// - Parameters:
    ///   - details: The file for every event; `-` is standard output.
    ///   - showsStatistics: Whether what is known of a connection is printed as a table.
    init(
        _ format: OutputFormat, start: Instant, details: String? = nil,
        showsStatistics: Bool = false
    ) throws(SystemError) {
        self.format = format
        self.start = start
        self.showsStatistics = showsStatistics
        showsDetails = details == "-"
        if let details, details != "-" { file = try EventFile(details) } else { file = nil }
    }

    /// Writes what is left; the error is the first that there was.
    func finish() throws(SystemError) {
        file?.flush()
        if let error = file?.error { throw error }
    }

    func print(_ event: EventRecord) {
        file?.append(event.line)
        if !showsDetails, LogEvent.detailNames.contains(event.name) { return }
        switch format {
        case .json: Terminal.output(event.line)
        case .text:
            if showsStatistics, let table = StatisticsRenderer.text(event, since: start) {
                Terminal.output(table)
            } else {
                Terminal.output(text(of: event))
            }
        }
    }

    /// `   12.345 ms  client  connected  local 10.0.1.2:40001, remote 10.0.9.1:5000`
    private func text(of event: EventRecord) -> String {
        let microseconds = (event.time - start).wholeNanoseconds / 1_000
        let fraction = String(microseconds % 1_000)
        let padded = String(repeating: "0", count: max(3 - fraction.count, 0)) + fraction
        let time = "\(microseconds / 1_000).\(padded) ms"
        let indent = String(repeating: " ", count: max(14 - time.count, 0))
        let fields = event.fields.compactMap { member -> String? in
            if case .null = member.value { return nil }
            let value = member.value.asString ?? member.value.compact
            return "\(member.name) \(value)"
        }
        return "\(indent)\(time)  \(event.source)  \(event.name)"
            + (fields.isEmpty ? "" : "  " + fields.joined(separator: ", "))
    }
}

/// A file of lines, written in large pieces: details come several for each packet.
private final class EventFile {
    private let descriptor: OwnedDescriptor
    private var pending: [UInt8] = []
    /// A full disk is no reason to end a connection: it is told at the end.
    private(set) var error: SystemError?

    private static let pieceSize = 65_536

    init(_ path: String) throws(SystemError) {
        descriptor = try TextFile.create(path)
    }

    deinit { flush() }

    func append(_ line: String) {
        pending += line.utf8
        pending.append(UInt8(ascii: "\n"))
        if pending.count >= Self.pieceSize { flush() }
    }

    func flush() {
        do {
            if error == nil { try descriptor.write(pending) }
        } catch {
            self.error = error
        }
        pending.removeAll(keepingCapacity: true)
    }
}
