package import Scenario

/// The manual pages of section 1, made from the description of the commands that the program gives
/// of itself (`mptcpctl --experimental-dump-help`), so that they cannot say anything else.
package struct ManualPages {
    /// File name and text of each page, in the order of the commands.
    package let pages: [(file: String, text: String)]

    private let version: String

    /// Pages for a root command as described; `nil` if the description is no such thing.
    package init?(describing description: JSONValue, version: String) {
        guard let root = description["command"], root["commandName"]?.asString != nil else {
            return nil
        }
        self.version = version
        var pages: [(file: String, text: String)] = []
        Self.collect(root, path: [], version: version, into: &pages)
        self.pages = pages
    }

    private static func collect(
        _ command: JSONValue, path: [String], version: String,
        into pages: inout [(file: String, text: String)]
    ) {
        guard let name = command["commandName"]?.asString, isDisplayed(command) else { return }
        if name == "help" { return }
        let path = path + [name]
        pages.append(
            (path.joined(separator: "-") + ".1", page(command, path: path, version: version)))
        for subcommand in command["subcommands"]?.elements ?? [] {
            collect(subcommand, path: path, version: version, into: &pages)
        }
    }

    private static func isDisplayed(_ value: JSONValue) -> Bool {
        value["shouldDisplay"]?.asBool ?? true
    }

    // MARK: One page

    private static func page(_ command: JSONValue, path: [String], version: String) -> String {
        let title = path.joined(separator: "-")
        let arguments = (command["arguments"]?.elements ?? []).filter(isDisplayed)
        var text = ".TH \(title.uppercased()) 1 \"\" \"mptcpctl \(version)\" \"mptcpctl manual\"\n"
        text += ".SH NAME\n\(title) \\- \(sentence(command["abstract"]?.asString ?? ""))\n"
        text += ".SH SYNOPSIS\n" + synopsis(arguments, path: path, command)
        if let discussion = command["discussion"]?.asString, !discussion.isEmpty {
            text += ".SH DESCRIPTION\n\(escaped(discussion))\n"
        }
        text += sections(of: arguments)
        text += commands(of: command, path: path)
        if path.count > 1, measures.contains(path[1]) { text += metrics }
        text += exitStatus
        text += ".SH SEE ALSO\n"
        var others = path.count > 1 ? ["mptcpctl(1)"] : []
        if path.count == 1 || logsEvents.contains(path[1]) { others.append("mptcpctl-events(5)") }
        text += (others + ["mptcpctl-scenario(5)", "mptcpctl-testbed(5)"]).map { reference($0) }
            .joined(separator: ",\n")
        return text + "\n"
    }

    /// Commands that write event logs.
    private static let logsEvents: Set<String> = ["handover", "serve", "connect"]

    /// Commands whose results have metrics.
    private static let measures: Set<String> = ["handover"]

    private static let metrics =
        ".SH METRICS\nThe numbers of results.json, by name: of each run, and as statistics of all.\n"
        + "t0 is the break; ready is the later one of t0 and the new path's coming up.\n"
        + "What is not known is null, with the reason under null_reasons.\n"
        + Metric.allCases.map { metric in
            ".TP\n.B \(escaped(metric.rawValue))\n\(escaped(metric.meaning)) (\(metric.unit))\n"
        }.joined()
        + "Of each run, besides:\n" + described(ResultsSchema.run, "")

    /// The members of a schema that say what they are, metrics apart, by their paths.
    private static func described(_ schema: JSONValue, _ path: String) -> String {
        guard case .object(let members)? = schema["properties"] else { return "" }
        return members.map { member in
            let name = path + member.name
            if Metric(rawValue: name) != nil { return "" }
            guard let meaning = member.value["description"]?.asString else {
                return described(member.value, name + ".")
            }
            return ".TP\n.B \(escaped(name))\n\(escaped(meaning))\n"
        }.joined()
    }

    private static func reference(_ page: String) -> String {
        let parts = page.split(separator: "(", maxSplits: 1)
        return ".BR \(escaped(String(parts[0]))) (\(parts[1])"
    }

    /// `NAME` sections hold a phrase, not a sentence.
    private static func sentence(_ text: String) -> String {
        escaped(text.hasSuffix(".") ? String(text.dropLast()) : text)
    }

    private static func synopsis(
        _ arguments: [JSONValue], path: [String], _ command: JSONValue
    ) -> String {
        var text = ".B \(escaped(path.joined(separator: " ")))\n"
        let hasOptions = arguments.contains { $0["kind"]?.asString != "positional" }
        if hasOptions { text += "[\\fIoption\\fR ...]\n" }
        for argument in arguments where argument["kind"]?.asString == "positional" {
            let name = "\\fI\(escaped(argument["valueName"]?.asString ?? "argument"))\\fR"
            let repeated = argument["isRepeating"]?.asBool == true ? name + " ..." : name
            text += argument["isOptional"]?.asBool == true ? "[\(repeated)]\n" : "\(repeated)\n"
        }
        if command["subcommands"]?.elements.isEmpty == false { text += "\\fIcommand\\fR ...\n" }
        return text
    }

    /// The arguments under the titles of their groups, in their order.
    private static func sections(of arguments: [JSONValue]) -> String {
        var titles: [String] = []
        var groups: [String: String] = [:]
        for argument in arguments {
            let isPositional = argument["kind"]?.asString == "positional"
            let title =
                argument["sectionTitle"]?.asString ?? (isPositional ? "Arguments" : "Options")
            if groups[title] == nil { titles.append(title) }
            groups[title, default: ""] += entry(argument)
        }
        return titles.map { ".SH \(escaped($0.uppercased()))\n" + (groups[$0] ?? "") }.joined()
    }

    private static func entry(_ argument: JSONValue) -> String {
        let value = argument["valueName"]?.asString ?? "value"
        var text = ".TP\n"
        if argument["kind"]?.asString == "positional" {
            text += ".I \(escaped(value))\n"
        } else {
            let names = (argument["names"]?.elements ?? []).map { name -> String in
                let word = name["name"]?.asString ?? ""
                let isLong = name["kind"]?.asString == "long"
                return "\\fB" + escaped((isLong ? "--" : "-") + word) + "\\fR"
            }
            let isOption = argument["kind"]?.asString == "option"
            text +=
                names.joined(separator: ", ") + (isOption ? " \\fI\(escaped(value))\\fR" : "")
                + "\n"
        }
        var about = [argument["abstract"]?.asString ?? ""]
        let values = (argument["allValues"]?.elements ?? []).compactMap(\.asString)
        if !values.isEmpty { about.append("Values: \(values.joined(separator: ", ")).") }
        if let initial = argument["defaultValue"]?.asString { about.append("Default: \(initial).") }
        text += escaped(about.filter { !$0.isEmpty }.joined(separator: " ")) + "\n"
        if let discussion = argument["discussion"]?.asString, !discussion.isEmpty {
            text += escaped(discussion) + "\n"
        }
        return text
    }

    private static func commands(of command: JSONValue, path: [String]) -> String {
        let subcommands = (command["subcommands"]?.elements ?? []).filter {
            isDisplayed($0) && $0["commandName"]?.asString != "help"
        }
        if subcommands.isEmpty { return "" }
        return ".SH COMMANDS\n"
            + subcommands.map { subcommand in
                let name = subcommand["commandName"]?.asString ?? ""
                let page = (path + [name]).joined(separator: "-")
                return ".TP\n\(reference("\(page)(1)"))\n"
                    + escaped(subcommand["abstract"]?.asString ?? "") + "\n"
            }.joined()
    }

    private static let exitStatus = """
        .SH EXIT STATUS
        .TP
        .B 0
        Done.
        .TP
        .B 1
        It ran, and a run or an assertion failed.
        .TP
        .B 2
        Usage or configuration error; the message names file, line and field.
        .TP
        .B 3
        This machine, or this user, cannot do it; the message says what to do.
        .TP
        .B 130
        Interrupted, and cleaned up.

        """

    /// roff: a hyphen that is to be typed, backslashes, and lines that must not begin a request.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if !result.isEmpty { result += "\n" }
            if line.hasPrefix(".") || line.hasPrefix("'") { result += "\\&" }
            for character in line {
                switch character {
                case "\\": result += "\\e"
                case "-": result += "\\-"
                default: result.append(character)
                }
            }
        }
        return result
    }
}

extension JSONValue {
    /// The elements of an array; empty for anything else.
    fileprivate var elements: [JSONValue] {
        if case .array(let values) = self { values } else { [] }
    }
}
