internal import ArgumentParser
internal import Scenario

/// A duration on the command line: `4s`, `200ms`, `1.5s`, `50us`. A bare number is refused.
struct DurationArgument: ExpressibleByArgument, Hashable {
    var value: Duration

    init(_ value: Duration) { self.value = value }

    init?(argument: String) {
        guard let value = OptionText.duration(argument) else { return nil }
        self.value = value
    }

    var defaultValueDescription: String { OptionText.text(value) }
}

/// Octets on the command line: `20000000`, `200B`, `64kB`, `20MB`, `1GB`; decimal.
struct ByteCountArgument: ExpressibleByArgument, Hashable {
    var value: Int

    init(_ value: Int) { self.value = value }

    init?(argument: String) {
        guard let value = OptionText.octets(argument) else { return nil }
        self.value = value
    }

    var defaultValueDescription: String { "\(value)" }
}

/// A percentage on the command line: `25`, `2.5%`.
struct PercentArgument: ExpressibleByArgument, Hashable {
    var value: Double

    init?(argument: String) {
        guard let value = OptionText.percent(argument) else { return nil }
        self.value = value
    }
}
