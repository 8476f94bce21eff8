internal import ArgumentParser
internal import NetworkPrimitives
internal import Scenario

/// A duration on the command line: `4s`, `200ms`, `1.5s`, `50us`. A bare number is refused.
struct DurationArgument: Hashable, CustomStringConvertible {
    var value: Duration

    init(_ value: Duration) { self.value = value }

    /// What `@Option` calls.
    static func read(_ text: String) throws -> DurationArgument {
        guard let value = OptionText.duration(text) else {
            throw ValidationError("write a number and its unit, as in 1500ms, 4s, 50us or 10min")
        }
        return DurationArgument(value)
    }

    var description: String { OptionText.text(value) }
}

/// Octets on the command line: `20000000`, `200B`, `64kB`, `20MB`, `1GB`; decimal.
struct ByteCountArgument: Hashable, CustomStringConvertible {
    var value: Int

    init(_ value: Int) { self.value = value }

    /// What `@Option` calls.
    static func read(_ text: String) throws -> ByteCountArgument {
        guard let value = OptionText.octets(text) else {
            throw ValidationError(
                "write a whole number of octets, alone or with B, kB, MB or GB (of 1000), as in 64kB"
            )
        }
        return ByteCountArgument(value)
    }

    var description: String { "\(value)" }
}

/// A percentage on the command line: `25`, `2.5%`.
struct PercentArgument: Hashable, CustomStringConvertible {
    var value: Double

    /// What `@Option` calls.
    static func read(_ text: String) throws -> PercentArgument {
        guard let value = OptionText.percent(text) else {
            throw ValidationError("write a percentage, as in 2.5%")
        }
        return PercentArgument(value: value)
    }

    var description: String { "\(value)%" }
}

extension IPAddress {
    /// What `@Option` calls.
    static func read(_ text: String) throws -> IPAddress {
        guard let address = IPAddress(text) else {
            throw ValidationError("write an IPv4 or IPv6 address; names are not looked up")
        }
        return address
    }
}
