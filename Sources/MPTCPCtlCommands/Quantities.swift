internal import ArgumentParser
internal import NetworkPrimitives

/// A duration on the command line: `4s`, `200ms`, `1.5s`, `50us`. A bare number is refused.
struct DurationArgument: ExpressibleByArgument, Hashable {
    var value: Duration

    init(_ value: Duration) { self.value = value }

    init?(argument: String) {
        let units: [(String, Double)] = [
            ("ms", 1e6), ("us", 1e3), ("ns", 1), ("min", 60e9), ("m", 60e9), ("s", 1e9),
        ]
        for (unit, nanoseconds) in units where argument.hasSuffix(unit) {
            guard let number = Double(argument.dropLast(unit.count)), number >= 0,
                number.isFinite, number * nanoseconds < 9e18
            else { return nil }
            value = .nanoseconds(Int64((number * nanoseconds).rounded()))
            return
        }
        return nil
    }

    var defaultValueDescription: String {
        let nanoseconds = value.wholeNanoseconds
        if nanoseconds % 1_000_000_000 == 0 { return "\(nanoseconds / 1_000_000_000)s" }
        if nanoseconds % 1_000_000 == 0 { return "\(nanoseconds / 1_000_000)ms" }
        return "\(nanoseconds / 1_000)us"
    }
}

/// Octets on the command line: `20000000`, `200B`, `64kB`, `20MB`, `1GB`; decimal.
struct ByteCountArgument: ExpressibleByArgument, Hashable {
    var value: Int

    init(_ value: Int) { self.value = value }

    init?(argument: String) {
        let units: [(String, Int)] = [
            ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1), ("", 1),
        ]
        for (unit, factor) in units where argument.hasSuffix(unit) {
            guard let number = Int(argument.dropLast(unit.count)), number >= 0 else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: factor)
            guard !overflow else { return nil }
            value = product
            return
        }
        return nil
    }

    var defaultValueDescription: String { "\(value)" }
}
