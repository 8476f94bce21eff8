internal import ArgumentParser
internal import Glibc
internal import LinuxSystem
internal import Scenario
internal import Testbed
internal import Topology

/// Testbeds for work by hand.
struct TestbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "testbed",
        abstract: "Bring a testbed up for work by hand; look at it, work in it, take it down.",
        subcommands: [
            TestbedUp.self, TestbedDown.self, TestbedShow.self, TestbedExec.self,
            TestbedList.self, TestbedKeep.self,
        ])
}

/// `mptcpctl testbed up`
struct TestbedUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Bring a testbed up.",
        discussion: """
            It stands until `mptcpctl testbed down`; a process in the background keeps it. The \
            experiments of `mptcpctl handover` build their own and need none.
            """)

    @Argument(help: "Name of a testbed, or path of a testbed file.")
    var testbed = "wifi-lte"

    @Option(help: "What delays and loses packets; auto takes netem where the kernel has it.")
    var linkEmulation = LinkEmulation.auto

    @Option(
        parsing: .unconditional,
        help: "Seed of random loss and jitter of the relay; random if not given.")
    var seed: UInt64?

    @Flag(help: "Print the equivalent ip and tc commands; touch nothing.")
    var dryRun = false

    func validate() throws {
        if linkEmulation == .model {
            throw ValidationError("--link-emulation is auto, netem or relay")
        }
    }

    func run() throws {
        let topology = try TestbedFile.load(testbed)
        if dryRun {
            let kind: EmulationKind = linkEmulation == .netem ? .netem : .relay
            let plan = TestbedPlan(topology, emulation: kind)
            Terminal.output(
                plan.commands { "\(TestbedName.prefix)\(topology.name)-\($0.rawValue)" }
                    .joined(separator: "\n"))
            return
        }
        if let keeper = TestbedKeeper.all().first(where: { $0.label == topology.name }) {
            throw CommandFailure.usage(
                "testbed '\(topology.name)' is up already (process \(keeper.process.processID))")
        }
        do {
            let keeper = try TestbedKeeper.start(
                try file(), emulation: try emulation(topology), label: topology.name,
                seed: seed ?? RandomBytes.next())
            Terminal.output(
                "testbed '\(keeper.label)' is up (\(keeper.emulation.rawValue), kept by process "
                    + "\(keeper.process.processID))\n"
                    + "try: mptcpctl testbed exec client ping -c 3 "
                    + "\(topology.serverAddress(path: 0))")
        } catch let error as TestbedError {
            throw CommandFailure.environment("\(error)")
        }
    }

    /// The keeper may live in another directory.
    private func file() throws(CommandFailure) -> String {
        guard testbed.contains("/") || testbed.hasSuffix("l") && access(testbed, F_OK) == 0,
            let path = realpath(testbed, nil)
        else { return testbed }
        defer { free(path) }
        return String(cString: path)
    }

    private func emulation(_ topology: Topology) throws -> EmulationKind {
        switch linkEmulation {
        case .relay, .model: return .relay
        case .netem: return .netem
        case .auto:
            // Asked of a kernel that lets this user; a user without privileges gets the relay.
            return !topology.needsRelay && NetemLinkEmulator.isAvailable() ? .netem : .relay
        }
    }
}

/// `mptcpctl testbed down`
struct TestbedDown: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Take a testbed down.")

    @Argument(help: "Which one; may be left out when there is only one.")
    var testbed: String?

    @Flag(help: "All that are up.")
    var all = false

    func run() throws {
        let keepers = all ? TestbedKeeper.all() : [try TestbedKeeper.choose(testbed)]
        if keepers.isEmpty { Terminal.output("no testbed is up") }
        for keeper in keepers {
            do {
                try keeper.stop()
            } catch {
                throw CommandFailure.environment("\(error)")
            }
            Terminal.output("testbed '\(keeper.label)' is down")
        }
    }
}

/// `mptcpctl testbed exec`
struct TestbedExec: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a command in a host of a testbed.",
        discussion: """
            The command takes this process's place: terminal, directory, environment and exit code \
            are its own.
            """)

    @Option(help: "Which testbed; may be left out when only one is up.")
    var testbed: String?

    @Argument(help: "client, links, router or server.")
    var host: TestbedHost

    @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.")
    var command: [String] = []

    func run() throws {
        var words = command[...]
        if words.first == "--" { words.removeFirst() }
        guard let program = words.first else {
            throw CommandFailure.usage("testbed exec needs a command")
        }
        let keeper = try TestbedKeeper.choose(testbed)
        do {
            try ThisProcess.become(
                program, Array(words.dropFirst()), in: try keeper.namespace(host))
        } catch let error as SystemError where error.isMissing {
            throw CommandFailure.usage("\(error)")
        } catch {
            throw CommandFailure.environment("\(error)")
        }
    }
}

/// `mptcpctl testbed list`
struct TestbedList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the testbeds that there are, and those that are up.")

    @Option(help: "Format of the output.")
    var format = OutputFormat.text

    func run() throws {
        let keepers = TestbedKeeper.all()
        let names = TestbedLibrary.names()
        let descriptions = names.map { name in
            (try? TestbedLibrary.load(name))?.description ?? "(not readable)"
        }
        switch format {
        case .text:
            let width = names.map(\.count).max() ?? 0
            var lines = zip(names, descriptions).map { name, description in
                name + String(repeating: " ", count: width - name.count) + "  " + description
            }
            lines += keepers.map {
                "up: \($0.label) (\($0.emulation.rawValue), process \($0.process.processID))"
            }
            Terminal.output(lines.joined(separator: "\n"))
        case .json:
            let json = JSONValue.members([
                "testbeds": .array(
                    zip(names, descriptions).map {
                        .members(["name": .string($0), "description": .string($1)])
                    }),
                "up": .array(keepers.map(\.json)),
            ])
            Terminal.output(json.pretty)
        }
    }
}

/// `mptcpctl testbed keep`: the process behind `up`.
struct TestbedKeep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keep", abstract: "Keep a testbed (started by `up`).", shouldDisplay: false)

    @Argument var testbed: String
    @Argument var emulation: EmulationKind
    /// For whoever looks at the command line.
    @Argument var label: String
    @Argument var seed: UInt64

    func run() throws {
        do {
            let topology = try TestbedFile.load(testbed)
            try Privileges.acquire()
            try TestbedKeeper.keep(topology, emulation: emulation, seed: seed) {
                // Who asked for it may have been interrupted: then nobody wants it any more.
                guard Terminal.tell("ready") else {
                    throw CommandFailure.failed("nobody waits for the testbed any more")
                }
                try ThisProcess.detach()
            }
        } catch let error as CommandFailure {
            throw error
        } catch {
            throw CommandFailure.environment("\(error)")
        }
    }
}

extension TestbedHost: ExpressibleByArgument {}
extension EmulationKind: ExpressibleByArgument {}

extension TestbedKeeper {
    /// The testbed of this name, or the only one.
    static func choose(_ wanted: String?) throws(CommandFailure) -> TestbedKeeper {
        let keepers = all()
        let labels = keepers.map(\.label).joined(separator: ", ")
        if let wanted {
            guard let keeper = keepers.first(where: { $0.isMeant(by: wanted) }) else {
                throw .usage(
                    "testbed '\(wanted)' is not up"
                        + (keepers.isEmpty ? "" : "; these are: \(labels)"))
            }
            return keeper
        }
        guard let only = keepers.first else {
            throw .usage("no testbed is up; see mptcpctl testbed up")
        }
        guard keepers.count == 1 else {
            throw .usage("several testbeds are up: say which of \(labels)")
        }
        return only
    }

    var json: JSONValue {
        .members([
            "name": .string(label), "link_emulation": .string(emulation.rawValue),
            "process": .integer(Int64(process.processID)),
            "namespaces": .object(
                TestbedHost.allCases.map {
                    .init($0.rawValue, .string(name.namespace($0)))
                }),
        ])
    }
}
