internal import ArgumentParser
internal import CongestionControl
internal import HostStack
internal import LinuxSystem
internal import MPTCP
internal import NetworkPrimitives
internal import Scenario
internal import StackRuntime
internal import TCP

/// What `serve` and `connect` have in common.
struct EndpointOptions: ParsableArguments {
    @Option(help: "Whose MPTCP to use: our own, or the Linux kernel's.")
    var stack = EndpointKind.swift

    @Option(name: .shortAndLong, parsing: .unconditional, help: "TCP port of the server.")
    var port: UInt16 = 5001

    @Option(
        name: .customLong("interface"),
        help: ArgumentHelp(
            "Use only this interface (may repeat).",
            discussion: "Without it every Ethernet interface of the namespace. Swift stack only."))
    var interfaces: [String] = []

    @Option(help: "Which subflow takes the next bytes. Swift stack only.")
    var scheduler: SchedulerKind?

    @OptionGroup(title: "When to switch (Swift stack only)")
    var switching: SwitchArguments

    @Option(
        help: ArgumentHelp(
            "How subflows join, and which joins are taken (default: standard). Swift stack only.",
            discussion: """
                early-data: data right behind the third ACK; syn-data: data in the SYN. Both ends \
                have to have it, and say so in an experimental MPTCP option; otherwise the join is \
                the standard one.
                """))
    var join: Scenario.JoinVariant?

    @Option(
        help: ArgumentHelp(
            "How the SYN of a join carries data (default: compat).",
            discussion: """
                With --join syn-data. compat: in an experimental option beside MP_JOIN, once both \
                ends have said that they can; multimob: the published Fast Join, in MP_JOIN's \
                place, with option subtypes that IANA has not assigned. Both ends have to be told, \
                and its HMAC does not cover the data. Swift stack only.
                """))
    var fastJoinProfile: FastJoinProfile?

    @Option(
        help: ArgumentHelp(
            "What is sent on a subflow whose join is not proved yet (default: limited).",
            discussion: """
                With --join syn-data, profile compat. strict: nothing; limited: three times what was received, and \
                one segment at least; multimob: an initial window, as published, which lets a \
                replayed SYN amplify. Swift stack only.
                """))
    var provisional: ProvisionalPolicy?

    @Flag(
        help: ArgumentHelp(
            "Let a fast subflow send again what a slow one holds up while the window is full.",
            discussion: "The slow one's congestion window is halved. Swift stack only."))
    var opportunisticRetransmission = false

    @Option(
        help: "Congestion control; bbr with the kernel's stack only, lia, olia, balia with ours.")
    var congestionControl: CongestionControlName?

    @Option(help: "Explicit congestion notification (default: accept). Swift stack only.")
    var ecn: ECNPolicy?

    @Flag(help: "Spread data over the round trip. Swift stack only.")
    var pacing = false

    @Flag(
        help: ArgumentHelp(
            "Let the first SYN carry data (TCP Fast Open).",
            discussion: """
                The first connection to a server brings a cookie for the later ones of the same \
                process: see --in-turn of connect. Not with MPTCP version 0. --stack kernel needs \
                net.ipv4.tcp_fastopen.
                """))
    var fastOpen = false

    @Flag(help: "Ask for DSS checksums. Swift stack only.")
    var checksum = false

    @Option(
        help: ArgumentHelp(
            "MPTCP version to offer and to answer. Swift stack only.",
            discussion: "any: version 0 for peers that answered version 1 with plain TCP."))
    var mptcpVersion = VersionPolicy.v1

    @Flag(name: .customLong("plain-tcp"), help: "Speak plain TCP: the control of an experiment.")
    var plainTCP = false

    @Option(
        help: ArgumentHelp(
            "Write every event in detail to this file, - for standard output.",
            discussion: """
                JSON lines as described in mptcpctl-events(5): states, mappings, reinjections, \
                windows, recoveries. On standard output they are printed as all other events are: \
                as JSON lines with --format json only. Swift stack only; the kernel does not tell.
                """, valueName: "file"))
    var events: String?

    @Flag(help: "Print a table of each connection and its subflows at its end.")
    var stats = false

    @Option(
        parsing: .unconditional, help: "With --stats: print it every so often, too.",
        transform: DurationArgument.read)
    var statsInterval: DurationArgument?

    @Option(
        parsing: .unconditional,
        help: "Seed of keys, sequence numbers and ports; random if not given.")
    var seed: UInt64?

    @Option(
        parsing: .unconditional, help: "Abort what has not ended by then.",
        transform: DurationArgument.read)
    var timeout: DurationArgument?

    @Option(help: "How events are printed: for people, or one JSON object a line.")
    var format = OutputFormat.text

    @Flag(
        help: ArgumentHelp(
            "Take commands from standard input, one JSON object a line; its end is a stop.",
            discussion: """
                {"command":"stop"}, {"command":"abort"}, {"command":"give-up-address","address":"10.0.1.2"}, \
                {"command":"set-backup","address":"10.0.1.2","backup":true}
                """))
    var control = false

    mutating func validate() throws {
        if let statsInterval, statsInterval.value <= .zero {
            throw ValidationError("--stats-interval is longer than nothing")
        }
        if port == 0 { throw ValidationError("a port lies between 1 and 65535") }
        switch stack {
        case .swift:
            if congestionControl == .bbr {
                throw ValidationError("bbr is the kernel's")
            }
            if fastOpen, mptcpVersion == .v0, !plainTCP {
                throw ValidationError("--fast-open needs version 1, or --plain-tcp")
            }
        case .kernel:
            if congestionControl?.isCoupled == true {
                throw ValidationError("the kernel couples no subflows; lia, olia, balia are ours")
            }
            if mptcpVersion != .v1 {
                throw ValidationError("--mptcp-version is for --stack swift")
            }
            if scheduler != nil {
                throw ValidationError(
                    "--scheduler is for --stack swift; the kernel has sysctl net.mptcp.scheduler")
            }
            if opportunisticRetransmission {
                throw ValidationError("--opportunistic-retransmission is for --stack swift")
            }
            if events != nil {
                throw ValidationError("--events is for --stack swift; the kernel does not tell")
            }
            if let option = switching.firstGiven {
                throw ValidationError("\(option) is for --stack swift")
            }
            if !interfaces.isEmpty { throw ValidationError("--interface is for --stack swift") }
            if join != nil || provisional != nil || fastJoinProfile != nil {
                throw ValidationError(
                    "--join, --fast-join-profile and --provisional are for --stack swift")
            }
            if ecn != nil {
                throw ValidationError(
                    "--ecn is for --stack swift; the kernel has sysctl net.ipv4.tcp_ecn")
            }
            if pacing {
                throw ValidationError(
                    "--pacing is for --stack swift; the kernel has the fq queueing discipline")
            }
            if checksum {
                throw ValidationError(
                    "--checksum is for --stack swift; the kernel has sysctl "
                        + "net.mptcp.checksum_enabled")
            }
        }
    }

    /// The driver's configuration as far as it is common: a policy, and the options on top.
    func driver(_ policy: SwitchPolicy) -> StackDriver.Configuration {
        var configuration = StackDriver.Configuration(seed: seed ?? RandomBytes.next())
        configuration.stack.connection.use(policy)
        switching.apply(to: &configuration.stack.connection)
        if !interfaces.isEmpty { configuration.interfaces = interfaces }
        if let scheduler { configuration.stack.connection.scheduler = scheduler }
        configuration.stack.connection.opportunisticRetransmission = opportunisticRetransmission
        if let name = congestionControl,
            let kind = CongestionControlKind(rawValue: name.rawValue)
        {
            configuration.stack.connection.tcp.congestionControl = kind
        }
        if let variant = join.flatMap({ MPTCP.JoinVariant(rawValue: $0.rawValue) }) {
            configuration.stack.connection.fastJoin.variant = variant
        }
        if let fastJoinProfile {
            configuration.stack.connection.fastJoin.profile = fastJoinProfile
        }
        if let provisional {
            configuration.stack.connection.fastJoin.provisional = provisional
        }
        if let ecn { configuration.stack.connection.tcp.ecn = ecn }
        configuration.stack.connection.tcp.isPaced = pacing
        configuration.stack.fastOpen = fastOpen
        configuration.stack.connection.usesChecksum = checksum
        configuration.stack.connection.versions = mptcpVersion
        configuration.stack.connection.isMultipath = !plainTCP
        configuration.stack.connection.logsDetails = events != nil
        return configuration
    }
}
