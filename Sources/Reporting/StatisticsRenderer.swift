package import NetworkPrimitives
package import Scenario

/// What an endpoint knows of a connection as a table, as `ss` and `nstat` would show it.
package enum StatisticsRenderer {
    /// The table of an event `connection-information` or `connection-statistics`, `nil` for any
    /// other.
    package static func text(_ event: EventRecord, since start: Instant) -> String? {
        guard
            event.name == "connection-information" || event.name == "connection-statistics"
        else { return nil }
        let seconds = Figures.fixed((event.time - start).milliseconds / 1_000, 3)
        let number = event["connection"]?.asInteger ?? 0
        var text = "\(seconds) s  \(event.source) connection \(number)"
        let words = event.fields.compactMap { member -> String? in
            guard member.name != "connection", member.name != "subflows" else { return nil }
            if case .bool(let value) = member.value { return value ? member.name : nil }
            if member.value.asInteger == 0 { return nil }
            return "\(member.name) \(member.value.asString ?? member.value.compact)"
        }
        if !words.isEmpty { text += ": " + words.joined(separator: ", ") }
        guard case .array(let subflows)? = event["subflows"], !subflows.isEmpty else {
            return text + "\n"
        }
        return text + "\n" + table(subflows)
    }

    private static func table(_ subflows: [JSONValue]) -> String {
        // Whatever the subflows tell, in their order.
        guard case .object(let members)? = subflows.first else { return "" }
        let names = members.map(\.name).filter { $0 != "tuple" && $0 != "subflow" }
        var table = TextTable()
        table.add(["tuple"] + names)
        for subflow in subflows {
            let cells = names.map { name -> String in
                switch subflow[name] {
                case .bool(let value): value ? "yes" : "no"
                case .number(let value): Figures.fixed(value, 3)
                case let value?: value.asString ?? value.compact
                case nil: "-"
                }
            }
            table.add([subflow["tuple"]?.asString ?? ""] + cells)
        }
        return table.text
    }
}
