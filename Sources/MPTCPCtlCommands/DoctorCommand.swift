internal import ArgumentParser
internal import Scenario

/// `mptcpctl doctor`
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this machine can do, and what that means.",
        discussion: """
            Tries everything for real: namespaces, packet sockets, nft, netem, a kernel MPTCP socket. \
            Whatever it makes it removes. Ends with 0 if handovers in network namespaces are possible, \
            with 3 if only the simulation is.
            """)

    @Option(help: "How the findings are printed.")
    var format = OutputFormat.text

    func run() throws {
        let diagnosis = Diagnosis.make()
        switch format {
        case .text: Terminal.output(diagnosis.text)
        case .json: Terminal.output(diagnosis.json.pretty)
        }
        guard diagnosis.canRunInNamespaces else {
            throw CommandFailure.environment(
                "only --backend simulation is possible here; see above for what is missing")
        }
    }
}
