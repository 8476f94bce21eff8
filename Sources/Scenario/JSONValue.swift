/// A JSON value whose objects keep the order of their members, so that what is written is the same
/// every time and reads in the order of its meaning.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([Member])

    /// One member of an object.
    package struct Member: Hashable, Sendable {
        package var name: String
        package var value: JSONValue

        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// An object with these members in this order.
    package static func members(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(members.map { Member($0.key, $0.value) })
    }

    /// The value of a member of an object.
    package subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The element of an array.
    package subscript(_ index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    package var asString: String? { if case .string(let value) = self { value } else { nil } }

    package var asInteger: Int64? { if case .integer(let value) = self { value } else { nil } }

    package var asBool: Bool? { if case .bool(let value) = self { value } else { nil } }

    package var asDouble: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .null, .bool, .string, .array, .object: nil
        }
    }

    /// A number rounded to six places (a nanosecond, in milliseconds), or null.
    package init(rounding value: Double?) {
        guard let value, value.isFinite, abs(value) < 1e12 else {
            self = .null
            return
        }
        let rounded = (value * 1_000_000).rounded() / 1_000_000
        self = rounded == rounded.rounded() ? .integer(Int64(rounded)) : .number(rounded)
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(nilLiteral: ()) { self = .null }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
}

// MARK: - Writing

extension JSONValue {
    /// The value on one line, without spaces: a line of `events.jsonl`.
    package var compact: String {
        var text = ""
        write(to: &text, separator: ",", colon: ":")
        return text
    }

    /// The value with one member a line; what is short and flat stays on its line.
    package var pretty: String {
        var text = ""
        writePretty(to: &text, indent: 0)
        return text + "\n"
    }

    private func write(to text: inout String, separator: String, colon: String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .number(let value): text += Self.text(of: value)
        case .string(let value): Self.quote(value, to: &text)
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += separator }
                element.write(to: &text, separator: separator, colon: colon)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += separator }
                Self.quote(member.name, to: &text)
                text += colon
                member.value.write(to: &text, separator: separator, colon: colon)
            }
            text += "}"
        }
    }

    private var isScalar: Bool {
        switch self {
        case .null, .bool, .integer, .number, .string: true
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        }
    }

    /// The whole value on one line if it is flat and short.
    private func line(indent: Int) -> String? {
        switch self {
        case .array(let elements) where !elements.allSatisfy(\.isScalar): return nil
        case .object(let members) where !members.allSatisfy(\.value.isScalar): return nil
        case .null, .bool, .integer, .number, .string, .array, .object: break
        }
        var text = ""
        write(to: &text, separator: ", ", colon: ": ")
        return isScalar || text.utf8.count + indent <= 100 ? text : nil
    }

    private func writePretty(to text: inout String, indent: Int) {
        if let line = line(indent: indent) {
            text += line
            return
        }
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch self {
        case .array(let elements):
            text += "[\n"
            for (index, element) in elements.enumerated() {
                text += inner
                element.writePretty(to: &text, indent: indent + 2)
                text += index == elements.count - 1 ? "\n" : ",\n"
            }
            text += outer + "]"
        case .object(let members):
            text += "{\n"
            for (index, member) in members.enumerated() {
                text += inner
                Self.quote(member.name, to: &text)
                text += ": "
                member.value.writePretty(to: &text, indent: indent + 2)
                text += index == members.count - 1 ? "\n" : ",\n"
            }
            text += outer + "}"
        case .null, .bool, .integer, .number, .string:
            write(to: &text, separator: ", ", colon: ": ")
        }
    }

    /// JSON has neither infinities nor NaN: they become null.
    private static func text(of value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return value.description
    }

    private static func quote(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        text += "\""
    }
}
