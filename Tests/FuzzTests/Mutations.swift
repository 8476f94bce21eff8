import Foundation
import NetworkPrimitives

enum Environment {
    /// A number in an environment variable.
    static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }
}

extension [UInt8] {
    /// A few changes of the kinds that find mistakes: bits, interesting octets, cuts, copies.
    mutating func mutate(_ generator: inout SeededGenerator) {
        for _ in 0...(generator.next() % 6) {
            let draw = generator.next()
            guard !isEmpty else {
                append(UInt8(truncatingIfNeeded: draw))
                continue
            }
            let position = Int((draw >> 8) % UInt64(count))
            switch draw % 8 {
            case 0...2: self[position] ^= 1 << UInt8(draw >> 56 & 7)
            case 3: self[position] = UInt8(truncatingIfNeeded: draw >> 48)
            case 4: self[position] = [0, 1, 2, 3, 30, 40, 0x7f, 0xff][Int(draw >> 40 & 7)]
            case 5: removeLast(Swift.min(count - position, 64))
            case 6: remove(at: position)
            default:
                let end = Swift.min(count, position + Int(draw >> 32 & 31))
                insert(contentsOf: self[position..<end], at: position)
            }
        }
    }
}
