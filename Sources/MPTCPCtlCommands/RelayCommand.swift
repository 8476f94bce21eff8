internal import ArgumentParser
internal import Glibc
internal import LinuxSystem
internal import Testbed

/// Carries frames over the links of a testbed. Started by the testbed, not by people.
struct RelayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Carry frames over the links of a testbed (started by it).",
        shouldDisplay: false)

    func run() throws {
        do {
            try RelayProgram.run(
                input: OwnedDescriptor(STDIN_FILENO), output: OwnedDescriptor(STDOUT_FILENO))
        } catch {
            throw CommandFailure.failed("\(error)")
        }
    }
}
