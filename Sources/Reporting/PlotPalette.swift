/// Colours that people with any colour vision can tell apart (Okabe and Ito), and dashes that tell
/// more series apart, also on paper without colour.
enum PlotPalette {
    private static let colors = [
        "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9",
    ]
    private static let dashes: [String?] = [nil, "7 3", "2 3", "9 3 2 3"]

    /// The colour of a series.
    static func color(_ index: Int) -> String { colors[index % colors.count] }

    /// Its dashes: another pattern for each turn through the colours; `nil` is a solid line.
    static func dash(_ index: Int) -> String? { dashes[index / colors.count % dashes.count] }
}
