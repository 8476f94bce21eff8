internal import LinkModel
internal import NetworkPrimitives

/// A number with its unit, as people write it: `50 Mbit/s`, `0.5 %`, `1.5ms`.
struct Quantity {
    var number: Double
    var unit: String

    /// What is wrong with a quantity.
    struct Fault: Error {
        var message: String
        var suggestion: String?
    }

    /// Reads digits, at most one point, and a unit behind optional spaces; `nil` for anything else.
    init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard digits.first?.isNumber == true, digits.last?.isNumber == true, digits.count <= 18,
            let number = Double(digits)
        else { return nil }
        self.number = number
        unit = String(text[digits.endIndex...].drop { $0 == " " })
    }

    /// A kind of quantity with the units it may be written in; the first is the example's.
    struct Kind {
        var article: String
        var units: [(name: String, factor: Double)]
        /// Spellings that people bring from elsewhere, in small letters.
        var strays: [String: String] = [:]
        /// Units of eight times what one of `units` is, in small letters; they are written with a large
        /// B for the octet.
        var octets: [String: String] = [:]

        static let rate = Kind(
            article: "a rate",
            units: [("Mbit/s", 1e6), ("kbit/s", 1e3), ("bit/s", 1), ("Gbit/s", 1e9)],
            strays: [
                "mbit": "Mbit/s", "mbps": "Mbit/s", "mb/s": "Mbit/s", "kbit": "kbit/s",
                "kbps": "kbit/s", "gbit": "Gbit/s", "gbps": "Gbit/s", "bps": "bit/s",
                "mbit/s": "Mbit/s", "kbit/s": "kbit/s", "gbit/s": "Gbit/s", "bit": "bit/s",
            ],
            octets: [
                "b/s": "bit/s", "kb/s": "kbit/s", "mb/s": "Mbit/s", "gb/s": "Gbit/s",
                "bps": "bit/s", "kbps": "kbit/s", "mbps": "Mbit/s", "gbps": "Gbit/s",
            ])
        static let time = Kind(
            article: "a time",
            units: [
                ("ms", 1e6), ("us", 1e3), ("s", 1e9), ("ns", 1), ("min", 60e9), ("m", 60e9),
            ],
            strays: ["msec": "ms", "sec": "s", "usec": "us", "µs": "us", "μs": "us"])
        static let share = Kind(article: "a share", units: [("%", 0.01)])
        static let queue = Kind(
            article: "a queue",
            units: [
                ("ms", 1e6), ("us", 1e3), ("s", 1e9), ("packets", 1), ("packet", 1), ("B", 1),
                ("kB", 1e3), ("MB", 1e6), ("KiB", 1024), ("MiB", 1_048_576), ("BDP", 1),
            ],
            strays: [
                "pkts": "packets", "pkt": "packets", "p": "packets", "bdp": "BDP",
                "bytes": "B", "kb": "kB", "mb": "MB", "msec": "ms",
            ])

        /// Reads a text as this kind; the number comes in the unit whose factor is 1.
        func read(_ text: String) throws(Fault) -> Quantity {
            let names = units.map(\.name).filter { $0 != "packet" && $0 != "m" }
            let list = names.dropLast().joined(separator: ", ")
            let choice = names.count > 1 ? "\(list) or \(names.last ?? "")" : names.first ?? ""
            guard let quantity = Quantity(text) else {
                throw Fault(
                    message: "'\(text)' is not \(article): write a number and \(choice)")
            }
            if let unit = units.first(where: { $0.name == quantity.unit }) {
                var result = quantity
                result.number *= unit.factor
                return result
            }
            let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard !quantity.unit.isEmpty else {
                throw Fault(
                    message: "\(article) needs a unit: \(choice)",
                    suggestion: units.first.map { "\(number) \($0.name)" })
            }
            let message =
                "unknown unit '\(quantity.unit)': \(article) is written in \(choice)"
            if quantity.unit.contains("B"), let unit = octets[quantity.unit.lowercased()] {
                let bits = quantity.number * 8
                let text = bits.rounded() == bits ? "\(Int(bits))" : "\(bits)"
                throw Fault(message: message, suggestion: "\(text) \(unit)")
            }
            let better =
                strays[quantity.unit.lowercased()]
                ?? Spelling.closest(to: quantity.unit, among: names)
            throw Fault(message: message, suggestion: better.map { "\(number) \($0)" })
        }
    }
}
