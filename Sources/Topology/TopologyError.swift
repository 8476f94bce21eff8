/// What is wrong with a testbed or scenario file, and where.
package struct TopologyError: Error, Hashable, Sendable {
    /// As the reader was given it.
    package var file: String
    /// From 1; `nil` when the fault has no place of its own.
    package var line: Int?
    /// From 1.
    package var column: Int?
    /// `paths[0].rate`; empty for the document as a whole.
    package var field: String
    package var message: String
    /// What could stand there instead.
    package var suggestion: String?

    package init(
        file: String, line: Int? = nil, column: Int? = nil, field: String = "", message: String,
        suggestion: String? = nil
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.field = field
        self.message = message
        self.suggestion = suggestion
    }
}

extension TopologyError: CustomStringConvertible {
    /// `testbeds/a.yaml:7:11: paths[0].rate: unknown unit 'Mbps' (try '50 Mbit/s')`.
    package var description: String {
        var text = file
        if let line { text += ":\(line)" }
        if line != nil, let column { text += ":\(column)" }
        if !field.isEmpty { text += ": \(field)" }
        text += ": \(message)"
        if let suggestion { text += " (try '\(suggestion)')" }
        return text
    }
}
