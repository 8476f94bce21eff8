/// Finds whole words and calls in code.
enum CodeWords {
    /// Whether `word` stands in `text` as a word of its own.
    static func contains(_ word: String, in text: String) -> Bool {
        !positions(of: word, in: Array(text.utf8)).isEmpty
    }

    /// The arguments of each call `.name(...)` or `name(...)`, parentheses included.
    static func calls(of name: String, in code: String) -> [String] {
        let bytes = Array(code.utf8)
        return positions(of: name, in: bytes).compactMap { position in
            let start = position + name.utf8.count
            guard start < bytes.count, bytes[start] == UInt8(ascii: "(") else { return nil }
            // A declaration is no call.
            if String(decoding: bytes[..<position].suffix(5), as: UTF8.self) == "func " {
                return nil
            }
            var depth = 0
            var end = start
            repeat {
                if bytes[end] == UInt8(ascii: "(") { depth += 1 }
                if bytes[end] == UInt8(ascii: ")") { depth -= 1 }
                end += 1
            } while depth > 0 && end < bytes.count
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }
    }

    private static func positions(of word: String, in bytes: [UInt8]) -> [Int] {
        let word = Array(word.utf8)
        var result: [Int] = []
        bytes.withUnsafeBufferPointer { bytes in
            var position = 0
            while position + word.count <= bytes.count {
                defer { position += 1 }
                guard bytes[position] == word[0],
                    bytes[position..<(position + word.count)].elementsEqual(word),
                    position == 0 || !isWord(bytes[position - 1]),
                    position + word.count == bytes.count || !isWord(bytes[position + word.count])
                else { continue }
                result.append(position)
            }
        }
        return result
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...0xff:
            true
        default: false
        }
    }
}
