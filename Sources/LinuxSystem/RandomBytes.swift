internal import CLinux

/// Random octets from the kernel's generator.
package enum RandomBytes {
    /// So many octets.
    package static func make(count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let result = bytes.withUnsafeMutableBytes {
                // The kernel gives at most 256 octets in one piece.
                clinux_random($0.baseAddress?.advanced(by: filled), min(count - filled, 256))
            }
            filled += Int(max(result, 0))
        }
        return bytes
    }

    /// 64 random bits.
    package static func next() -> UInt64 {
        var value: UInt64 = 0
        while clinux_random(&value, 8) != 8 {}
        return value
    }

    /// Six lower-case letters and digits, for names that must not meet others.
    package static func suffix() -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        var value = next()
        return String(
            (0..<6).map { _ in
                defer { value /= 36 }
                return alphabet[Int(value % 36)]
            })
    }
}
