/// Columns of text, the first ones to the left, the others to the right.
struct TextTable {
    private var rows: [[String]] = []
    private let leftColumns: Int

    init(leftColumns: Int = 1) { self.leftColumns = leftColumns }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// The rows with two spaces before each and between the columns.
    var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        var text = ""
        for row in rows {
            var line = " "
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                let text = column < leftColumns ? cell + space : space + cell
                line += column == 0 ? " " + text : "  " + text
            }
            while line.last == " " { line.removeLast() }
            text += line + "\n"
        }
        return text
    }
}

/// Numbers as people read them.
enum Figures {
    /// With so many places after the point, rounded half away from zero.
    static func fixed(_ value: Double, _ places: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "-" }
        let scale = (0..<places).reduce(1.0) { factor, _ in factor * 10 }
        let scaled = Int64((abs(value) * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        let whole = String(scaled / Int64(scale))
        if places == 0 { return sign + whole }
        let part = String(scaled % Int64(scale))
        return sign + whole + "." + String(repeating: "0", count: places - part.count) + part
    }

    /// Without needless places: `20`, `0.5`.
    static func plain(_ value: Double) -> String {
        value == value.rounded() ? fixed(value, 0) : fixed(value, 3)
    }

    static func of(_ count: Int, _ singular: String, _ plural: String) -> String {
        "\(count) \(count == 1 ? singular : plural)"
    }
}
