internal import ArgumentParser
internal import Glibc
internal import LinuxSystem

/// `mptcpctl wireshark-plugin`: the dissector for the experimental options.
struct WiresharkPluginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wireshark-plugin",
        abstract: "Print or install a Wireshark dissector for the experimental options.",
        discussion: """
            A Lua plugin for Wireshark and tshark. It adds what Wireshark does not know of TCP option \
            30: CAPS, FJ-DATA, FJ-RESUME, RTO-REQUEST and RTO (subtype 0xF, experiment FJ) and the \
            idle bit of the DSS, with fields to filter by (mptcpctl.fj.op, mptcpctl.fj.dsn, \
            mptcpctl.fj.data_ack, mptcpctl.fj.mac, mptcpctl.caps.features, \
            mptcpctl.caps.max_payload, mptcpctl.rto, mptcpctl.idle), words in the info column, \
            mptcpctl.malformed where a length is wrong, and mptcpctl.ignored where the receiver will \
            take no notice of an option. The preference mptcpctl.multimob adds \
            MultiMob's Fast Join (subtypes 0x9 and 0xA), which is off by default.

            Without options the plugin goes to standard output. Wireshark loads an installed one when \
            it starts, or at Analyze, Reload Lua Plugins.
            """)

    @Flag(help: "Install it into the personal plugin directory of Wireshark.")
    var install = false

    @Option(
        help: "Install it into this directory (default: ~/.local/lib/wireshark/plugins).",
        completion: .directory)
    var directory: String?

    @Flag(help: "Replace a file of that name even if it is not this plugin.")
    var force = false

    func validate() throws {
        if !install, directory != nil || force {
            throw ValidationError("--directory and --force go with --install.")
        }
        if directory?.isEmpty == true {
            throw ValidationError("--directory must name a directory.")
        }
    }

    func run() throws {
        guard install else {
            Terminal.output(WiresharkPlugin.text)
            return
        }
        let place = try directory ?? WiresharkPlugin.personalDirectory()
        do {
            Terminal.output(try WiresharkPlugin.install(into: place, replacesOthers: force))
        } catch let error as SystemError {
            // A directory of the user's choice may be a wrong choice; the default one is not.
            throw directory == nil
                ? CommandFailure.environment("\(error); choose a place with --directory")
                : CommandFailure.usage("--directory \(place): \(error)")
        }
    }
}

/// The Lua file and its place.
enum WiresharkPlugin {
    static let fileName = "mptcpctl.lua"

    /// What the file begins with; no other one does.
    private static let mark = "-- mptcpctl:"

    static var text: String { String(decoding: PackageResources.mptcpctl_lua, as: UTF8.self) }

    /// Where Wireshark looks for the Lua plugins of its user.
    static func personalDirectory() throws(CommandFailure) -> String {
        guard let home = getenv("HOME").map({ String(cString: $0) }), !home.isEmpty else {
            throw .environment("HOME is not set; choose a place with --directory")
        }
        return home + "/.local/lib/wireshark/plugins"
    }

    /// Writes the file, in one step, and returns its path. A file of the same name that is something
    /// else stays unless `replacesOthers`.
    static func install(into directory: String, replacesOthers: Bool) throws -> String {
        let path = directory.hasSuffix("/") ? directory + fileName : "\(directory)/\(fileName)"
        if !replacesOthers, Directory.exists(path) {
            guard try TextFile.read(path).hasPrefix(mark) else {
                throw CommandFailure.usage(
                    "\(path) is not this plugin; --force replaces it, --directory goes elsewhere")
            }
        }
        try Directory.make(directory)
        try TextFile.replace(path, with: text)
        return path
    }
}
