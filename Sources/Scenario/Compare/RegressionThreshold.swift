/// How much worse a median may be than that of the baseline: it is a regression when it exceeds the
/// share and, where the number is a time, the amount, too.
package struct RegressionThreshold: Hashable, Sendable {
    /// 0.1 is ten percent.
    package var share = 0.1
    /// Milliseconds.
    package var amount = 2.0

    /// Ten percent and 2 ms.
    package init() {}

    /// Reads `10%`, `2ms` or both with a comma; what is not named is 0.
    package init(parsing text: String) throws(ComparisonProblem) {
        share = 0
        amount = 0
        var named: Set<String> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let unit = ["%", "ms"].first { part.hasSuffix($0) }
            guard let unit, named.insert(unit).inserted,
                let number = Double(part.dropLast(unit.count)), (0...1e9).contains(number)
            else {
                throw ComparisonProblem(
                    "'\(text)' is no threshold: write a share, an amount or both, as in 10%,2ms")
            }
            if unit == "%" { share = number / 100 } else { amount = number }
        }
    }

    /// `more than 10 % and, where it is a time, more than 2 ms`
    package var text: String {
        "more than \(Self.plain(share * 100)) % and, where it is a time, more than "
            + "\(Self.plain(amount)) ms"
    }

    private static func plain(_ value: Double) -> String { JSONValue(rounding: value).compact }

    /// Whether `now` is greater than `before` by more than it allows.
    package func isExceeded(_ metric: Metric, from before: Double, to now: Double) -> Bool {
        now - before > max(abs(before) * share, metric.isTime ? amount : 0)
    }
}
