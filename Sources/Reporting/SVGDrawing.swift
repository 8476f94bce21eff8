/// An SVG image in the making.
struct SVGDrawing {
    private var body = ""
    private let width: Double
    private let height: Double
    private let title: String

    init(width: Double, height: Double, title: String) {
        self.width = width
        self.height = height
        self.title = title
    }

    /// The image as a file of its own.
    var svg: String { image(" xmlns=\"http://www.w3.org/2000/svg\"") }

    /// The image as an element of an HTML document, which knows what SVG is.
    var inline: String { image("") }

    private func image(_ attributes: String) -> String {
        let size = "\(Self.number(width)) \(Self.number(height))"
        return """
            <svg\(attributes) viewBox="0 0 \(size)" role="img" \
            font-family="Helvetica, Arial, sans-serif">
            <title>\(Markup.escaped(title))</title>
            <rect width="100%" height="100%" fill="#ffffff"/>
            \(body)</svg>

            """
    }

    mutating func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, stroke: String, width: Double = 1,
        dashes: String? = nil
    ) {
        path(
            "M\(Self.number(x1)) \(Self.number(y1))L\(Self.number(x2)) \(Self.number(y2))",
            stroke: stroke, width: width, dashes: dashes)
    }

    mutating func path(
        _ commands: String, stroke: String, width: Double, dashes: String? = nil,
        cap: String? = nil
    ) {
        if commands.isEmpty { return }
        let dash = dashes.map { " stroke-dasharray=\"\($0)\"" } ?? ""
        let end = cap.map { " stroke-linecap=\"\($0)\"" } ?? ""
        body += "<path d=\"\(commands)\" fill=\"none\" stroke=\"\(stroke)\""
        body += " stroke-width=\"\(Self.number(width))\"\(dash)\(end)/>\n"
    }

    mutating func circle(
        x: Double, y: Double, radius: Double, stroke: String, fill: String = "#ffffff"
    ) {
        body += "<circle cx=\"\(Self.number(x))\" cy=\"\(Self.number(y))\""
        body += " r=\"\(Self.number(radius))\" fill=\"\(fill)\" stroke=\"\(stroke)\""
        body += " stroke-width=\"1.5\"/>\n"
    }

    mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, fill: String
    ) {
        body += "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\""
        body += " width=\"\(Self.number(max(width, 0)))\" height=\"\(Self.number(height))\""
        body += " fill=\"\(fill)\"/>\n"
    }

    mutating func text(
        _ text: String, x: Double, y: Double, size: Int, anchor: String = "start",
        weight: String? = nil, color: String = "#222222", turned: Bool = false
    ) {
        let place = "x=\"\(Self.number(x))\" y=\"\(Self.number(y))\""
        let turn =
            turned ? " transform=\"rotate(-90 \(Self.number(x)) \(Self.number(y)))\"" : ""
        let bold = weight.map { " font-weight=\"\($0)\"" } ?? ""
        body += "<text \(place)\(turn) font-size=\"\(size)\"\(bold) fill=\"\(color)\""
        body += " text-anchor=\"\(anchor)\">\(Markup.escaped(text))</text>\n"
    }

    /// About how wide a text comes out.
    static func width(of text: String, size: Double) -> Double {
        Double(text.count) * size * 0.56
    }

    static func number(_ value: Double) -> String {
        value == value.rounded() ? Figures.fixed(value, 0) : Figures.fixed(value, 1)
    }
}
