internal import ArgumentParser
internal import LinuxSystem
internal import Reporting
internal import Scenario

/// Writes the manual pages of section 1.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate-manual", abstract: "Write the manual pages.", shouldDisplay: false)

    @Option(help: "Directory for the pages.")
    var output = "man"

    func run() throws {
        guard let description = try? JSONValue(parsing: MPTCPCtl._dumpHelp()),
            let manual = ManualPages(describing: description, version: CommandLineTool.version)
        else { throw CommandFailure.environment("the description of the commands is unreadable") }
        do throws(SystemError) {
            try Directory.make(output)
            for page in manual.pages {
                try TextFile.replace("\(output)/\(page.file)", with: page.text)
            }
        } catch {
            throw CommandFailure.usage("--output \(output): \(error)")
        }
    }
}
