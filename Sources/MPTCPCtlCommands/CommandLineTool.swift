internal import ArgumentParser
internal import Experiment
internal import Glibc
internal import Scenario

/// The root command.
struct MPTCPCtl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mptcpctl",
        abstract: "A WiFi/LTE handover testbed with its own Multipath TCP.",
        version: CommandLineTool.version,
        subcommands: [
            HandoverCommand.self, CompareCommand.self, AnalyzeCommand.self, TestbedCommand.self,
            ServeCommand.self, ConnectCommand.self, BenchCommand.self, InteropCommand.self,
            SoakCommand.self, DoctorCommand.self, GCCommand.self, WiresharkPluginCommand.self,
            RelayCommand.self,
            BenchEndpointCommand.self, ManualCommand.self,
        ])
}

/// Runs the command of the command line and ends the process with a documented exit code.
package enum CommandLineTool {
    /// The version of the program.
    package static let version = "0.1.0"

    /// Parses, runs, and exits: 0 done, 1 a run or an assertion failed, 2 usage or configuration,
    /// 3 the environment cannot do it, 130 interrupted.
    package static func run() -> Never {
        // A reader that goes away is no reason to die before cleaning up.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try MPTCPCtl.parseAsRoot()
            try command.run()
            end(0)
        } catch let failure as CommandFailure {
            if let message = failure.message { Terminal.error(message) }
            end(failure.exitCode)
        } catch {
            let code = MPTCPCtl.exitCode(for: error)
            let text = MPTCPCtl.fullMessage(for: error)
            if code == .success {
                if !text.isEmpty { Terminal.output(text) }
                end(0)
            }
            if !text.isEmpty { Terminal.rawError(text) }
            end(code == .validationFailure ? 2 : code.rawValue)
        }
    }

    /// Nothing is done whose result nobody could read.
    private static func end(_ code: Int32) -> Never {
        guard let reason = Terminal.outputFailure else { exit(code) }
        Terminal.error("standard output: \(reason)")
        exit(code == 0 ? CommandFailure.environment(reason).exitCode : code)
    }
}

/// Why a command ends without having done its work.
enum CommandFailure: Error {
    /// Usage or configuration: exit code 2.
    case usage(String)
    /// This machine, or this user, cannot do it: exit code 3.
    case environment(String)
    /// It ran, and a run or an assertion failed: exit code 1. The report has said why.
    case failed(String? = nil)
    /// Interrupted and cleaned up: exit code 130.
    case interrupted

    init(_ error: ExperimentError) {
        self =
            switch error {
            case .usage(let text): .usage(text)
            case .environment(let text): .environment(text)
            case .interrupted: .interrupted
            }
    }

    /// Why a handover has fewer runs than it was asked for.
    init(_ end: ExperimentResult.EarlyEnd, runs: Int) {
        self =
            switch end {
            case .interrupted: .interrupted
            case .environment(let text): .environment("\(text) (ended after run \(runs))")
            }
    }

    var exitCode: Int32 {
        switch self {
        case .failed: 1
        case .usage: 2
        case .environment: 3
        case .interrupted: 130
        }
    }

    var message: String? {
        switch self {
        case .usage(let text), .environment(let text): text
        case .failed(let text): text
        case .interrupted: "interrupted; everything was cleaned up"
        }
    }
}
