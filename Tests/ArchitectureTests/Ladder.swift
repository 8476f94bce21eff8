/// The ladder of the house: who may import whom. The words of each row are those of the design.
enum Ladder {
    /// What a target may use beside the standard library and the targets below it.
    enum Outside: Sendable {
        /// These modules, nothing else.
        case only(Set<String>)
        /// What Package.swift declares, and the system.
        case anything
    }

    struct Row: Sendable {
        let level: Int
        /// No I/O, no clock, no randomness of its own, no logger, no `async`.
        let isPure: Bool
        let outside: Outside
    }

    private static let collections: Set<String> = [
        "BitCollections", "DequeModule", "HeapModule", "OrderedCollections",
    ]

    private static func pure(_ level: Int, _ more: Set<String> = []) -> Row {
        Row(level: level, isPure: true, outside: .only(collections.union(more)))
    }

    private static func linux(_ level: Int) -> Row {
        Row(level: level, isPure: false, outside: .anything)
    }

    static let rows: [String: Row] = [
        "CLinux": linux(0), "CPcap": linux(0), "CNetlinkRoute": linux(0),
        "NetworkPrimitives": Row(level: 1, isPure: true, outside: .only([])),
        "WireFormat": Row(level: 2, isPure: true, outside: .only([])),
        "CongestionControl": Row(level: 2, isPure: true, outside: .only([])),
        "LinkModel": pure(2), "Middlebox": pure(3), "TCP": pure(3),
        "MPTCP": pure(4, ["Crypto"]), "HostStack": pure(5),
        "TraceAnalysis": pure(5, ["Crypto"]), "Topology": pure(5, ["Foundation", "Yams"]),
        "Scenario": pure(6), "NetworkSimulation": pure(6), "FuzzTargets": pure(6),
        "LinuxSystem": linux(6),
        "Netlink": linux(7), "PacketDevice": linux(7), "PacketCapture": linux(7),
        "StackRuntime": linux(8), "KernelEndpoint": linux(8), "Testbed": linux(8),
        "Experiment": linux(9), "Reporting": pure(9, ["Foundation"]),
        "MPTCPCtlCommands": linux(10),
        "mptcpctl-fuzz": linux(11),
        "mptcpctl": Row(level: 11, isPure: false, outside: .only([])),
    ]

    /// Who may import a C module.
    static let doors: [String: Set<String>] = [
        "CPcap": ["PacketCapture"], "CNetlinkRoute": ["Netlink"],
    ]

    /// Names that pure code must not utter, each with what to do instead.
    static let forbiddenNames: [(name: String, instead: String)] = [
        ("ContinuousClock", "now: Instant is passed in"),
        ("SuspendingClock", "now: Instant is passed in"),
        ("Date", "now: Instant is passed in"),
        ("SystemRandomNumberGenerator", "generators are passed in"),
        ("Task", "the core is synchronous"), ("TaskGroup", "the core is synchronous"),
        ("async", "the core is synchronous"), ("await", "the core is synchronous"),
        ("DispatchQueue", "the core is synchronous"), ("Mutex", "the core is on one thread"),
        ("print", "events and results are returned"),
        ("debugPrint", "events and results are returned"),
        ("readLine", "the core has no I/O"), ("FileManager", "the core has no I/O"),
        ("getenv", "settings are passed in"), ("ProcessInfo", "settings are passed in"),
    ]

    /// Calls that draw from the system's generator unless `using:` names one.
    static let randomCalls = ["random", "randomElement", "shuffled", "shuffle"]
}
