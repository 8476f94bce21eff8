import Scenario

/// As much of JSON Schema as the schema of the results uses.
enum SchemaCheck {
    static func faults(_ value: JSONValue, _ schema: JSONValue, _ path: String = "$") -> [String] {
        var faults: [String] = []
        if let expected = schema["const"], expected != value { faults.append("\(path): not const") }
        if case .array(let words)? = schema["enum"], !words.contains(value) {
            faults.append("\(path): \(value) is not one of the words")
        }
        if let type = schema["type"] {
            var types = [type]
            if case .array(let several) = type { types = several }
            if !types.contains(where: { isOf($0.asString ?? "", value) }) {
                return faults + ["\(path): \(value) is not of type \(type)"]
            }
        }
        switch value {
        case .object(let members): faults += objectFaults(members, schema, path)
        case .array(let elements):
            if let items = schema["items"] {
                for (index, element) in elements.enumerated() {
                    faults += Self.faults(element, items, "\(path)[\(index)]")
                }
            }
            if let least = schema["minItems"]?.asInteger, elements.count < least {
                faults.append("\(path): too few")
            }
            if let most = schema["maxItems"]?.asInteger, elements.count > most {
                faults.append("\(path): too many")
            }
        case .null, .bool, .integer, .number, .string: break
        }
        return faults
    }

    private static func objectFaults(
        _ members: [JSONValue.Member], _ schema: JSONValue, _ path: String
    ) -> [String] {
        var faults: [String] = []
        if case .array(let required)? = schema["required"] {
            for name in required.compactMap(\.asString)
            where !members.contains(where: { $0.name == name }) {
                faults.append("\(path).\(name) is missing")
            }
        }
        for member in members {
            let inner = "\(path).\(member.name)"
            if let known = schema["properties"]?[member.name] {
                faults += Self.faults(member.value, known, inner)
            } else if let more = schema["additionalProperties"] {
                if more == .bool(false) { faults.append("\(inner) is unknown") }
                if case .object = more { faults += Self.faults(member.value, more, inner) }
            }
        }
        return faults
    }

    private static func isOf(_ type: String, _ value: JSONValue) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("integer", .integer), ("number", .integer),
            ("number", .number), ("string", .string), ("array", .array), ("object", .object):
            true
        default: false
        }
    }
}
