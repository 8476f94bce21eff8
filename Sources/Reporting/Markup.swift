/// Text inside XML and HTML.
enum Markup {
    /// The text with everything escaped that means something there, between quotes too.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            // What XML 1.0 does not allow at all.
            case "\0"..."\u{8}", "\u{b}"..."\u{c}", "\u{e}"..."\u{1f}", "\u{fffe}"..."\u{ffff}":
                result += "?"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
