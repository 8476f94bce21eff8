internal import NetworkPrimitives
internal import Scenario

/// Prints events as they come.
struct EventPrinter {
    let format: OutputFormat
    private let start: Instant

    init(_ format: OutputFormat, start: Instant) {
        self.format = format
        self.start = start
    }

    func print(_ event: EventRecord) {
        switch format {
        case .json: Terminal.output(event.line)
        case .text: Terminal.output(text(of: event))
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
