internal import NetworkPrimitives

/// Quantities as options write them.
package enum OptionText {
    /// A duration with its unit: `4s`, `200ms`, `1.5s`, `50us`; `nil` for anything else, a bare
    /// number included.
    package static func duration(_ text: String) -> Duration? {
        let units: [(String, Double)] = [
            ("ms", 1e6), ("us", 1e3), ("ns", 1), ("min", 60e9), ("m", 60e9), ("s", 1e9),
        ]
        for (unit, nanoseconds) in units where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number >= 0,
                number.isFinite, number * nanoseconds < 9e18
            else { return nil }
            return .nanoseconds(Int64((number * nanoseconds).rounded()))
        }
        return nil
    }

    /// The same the other way round.
    package static func text(_ duration: Duration) -> String {
        let nanoseconds = duration.wholeNanoseconds
        if nanoseconds % 1_000_000_000 == 0 { return "\(nanoseconds / 1_000_000_000)s" }
        if nanoseconds % 1_000_000 == 0 { return "\(nanoseconds / 1_000_000)ms" }
        if nanoseconds % 1_000 == 0 { return "\(nanoseconds / 1_000)us" }
        return "\(nanoseconds)ns"
    }

    /// A percentage, with its sign or without: `25`, `2.5%`; `nil` for anything else.
    package static func percent(_ text: String) -> Double? {
        guard let number = Double(text.hasSuffix("%") ? text.dropLast() : Substring(text)),
            number.isFinite
        else { return nil }
        return number
    }

    /// Octets, with a decimal unit or without: `20000000`, `200B`, `64kB`, `20MB`, `1GB`; `nil` for
    /// anything else.
    package static func octets(_ text: String) -> Int? {
        let units: [(String, Int)] = [
            ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1), ("", 1),
        ]
        for (unit, factor) in units where text.hasSuffix(unit) {
            guard let number = Int(text.dropLast(unit.count)), number >= 0 else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: factor)
            return overflow ? nil : product
        }
        return nil
    }

    /// Without white space around it.
    package static func trimmed(_ text: Substring) -> String {
        let rest = text.drop(while: \.isWhitespace)
        return String(rest.prefix(rest.count - rest.reversed().prefix(while: \.isWhitespace).count))
    }
}
