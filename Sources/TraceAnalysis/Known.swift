/// A value, or why the packets at hand do not tell it. Never a zero that means "unknown".
package enum Known<Value: Hashable & Sendable>: Hashable, Sendable {
    case value(Value)
    case unknown(String)

    package init(_ value: Value?, orUnknown reason: @autoclosure () -> String) {
        if let value { self = .value(value) } else { self = .unknown(reason()) }
    }

    package var value: Value? {
        if case .value(let value) = self { value } else { nil }
    }

    package var reason: String? {
        if case .unknown(let reason) = self { reason } else { nil }
    }

    package func map<Other: Hashable & Sendable>(
        _ transform: (Value) -> Other
    ) -> Known<Other> {
        switch self {
        case .value(let value): .value(transform(value))
        case .unknown(let reason): .unknown(reason)
        }
    }
}
