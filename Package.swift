// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

func target(
    _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let argumentParser: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

// The floors of the house, lowest first: imports go down only.
let package = Package(
    name: "mptcpctl",
    products: [.executable(name: "mptcpctl", targets: ["mptcpctl"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.4.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        // Linux C: shims and system libraries
        .target(name: "CLinux"),
        .systemLibrary(
            name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
        .systemLibrary(
            name: "CNetlinkRoute", pkgConfig: "libnl-route-3.0",
            providers: [.apt(["libnl-route-3-dev"])]),

        // The pure world
        target("NetworkPrimitives"),
        target("WireFormat", ["NetworkPrimitives"]),
        target("CongestionControl", ["NetworkPrimitives"]),
        target("LinkModel", ["NetworkPrimitives", collections]),
        target("Middlebox", ["NetworkPrimitives", "WireFormat"]),
        target("TCP", ["NetworkPrimitives", "WireFormat", "CongestionControl", collections]),
        target(
            "MPTCP",
            ["NetworkPrimitives", "WireFormat", "CongestionControl", "TCP", crypto, collections]),
        target(
            "HostStack",
            [
                "NetworkPrimitives", "WireFormat", "CongestionControl", "TCP", "MPTCP", collections,
                heap,
            ]),
        target("TraceAnalysis", ["NetworkPrimitives", "WireFormat", crypto]),
        target("Topology", ["NetworkPrimitives", "LinkModel", "Middlebox", yams]),
        target(
            "Scenario",
            ["NetworkPrimitives", "WireFormat", "LinkModel", "Topology", "TraceAnalysis"],
            // In the program itself, which may be moved anywhere.
            resources: [.embedInCode("Resources")]),
        target(
            "NetworkSimulation",
            [
                "NetworkPrimitives", "WireFormat", "LinkModel", "Middlebox", "MPTCP", "HostStack",
                heap,
            ]),

        target(
            "FuzzTargets",
            [
                "NetworkPrimitives", "WireFormat", "TraceAnalysis", "Topology", "TCP", "MPTCP",
                "HostStack",
            ]),

        // The Linux world
        target("LinuxSystem", ["NetworkPrimitives", "CLinux"]),
        target("Netlink", ["NetworkPrimitives", "LinuxSystem", "CLinux", "CNetlinkRoute"]),
        target("PacketDevice", ["NetworkPrimitives", "WireFormat", "LinuxSystem", "CLinux"]),
        target("PacketCapture", ["NetworkPrimitives", "WireFormat", "LinuxSystem", "CPcap"]),
        target(
            "StackRuntime",
            [
                "NetworkPrimitives", "WireFormat", "CongestionControl", "TCP", "MPTCP", "HostStack",
                "Scenario", "LinuxSystem", "Netlink", "PacketDevice", heap,
            ]),
        target(
            "KernelEndpoint",
            ["NetworkPrimitives", "Scenario", "LinuxSystem", "Netlink", "CLinux", heap]),
        target(
            "Testbed",
            [
                "NetworkPrimitives", "WireFormat", "LinkModel", "Middlebox", "Topology", "Scenario",
                "LinuxSystem", "Netlink", "PacketDevice", "CLinux", heap,
            ]),

        // Experiments and commands
        target(
            "Experiment",
            [
                "NetworkPrimitives", "WireFormat", "LinkModel", "Middlebox", "Topology", "Scenario",
                "TraceAnalysis", "HostStack", "NetworkSimulation", "LinuxSystem", "Netlink",
                "PacketCapture", "StackRuntime", "KernelEndpoint", "Testbed", "MPTCP",
                "CongestionControl", "TCP", systemPackage,
            ]),
        target(
            "Reporting",
            ["NetworkPrimitives", "WireFormat", "TraceAnalysis", "Topology", "Scenario"]),
        target(
            "MPTCPCtlCommands",
            [
                "NetworkPrimitives", "WireFormat", "LinkModel", "Topology", "Scenario",
                "TraceAnalysis", "HostStack", "NetworkSimulation", "LinuxSystem", "Netlink",
                "PacketCapture", "PacketDevice", "StackRuntime", "KernelEndpoint", "Testbed",
                "Experiment",
                "Reporting", "MPTCP", "TCP", "CongestionControl", argumentParser, logging,
            ],
            // In the program itself, which may be moved anywhere.
            resources: [.embedInCode("Resources/mptcpctl.lua")]),
        .executableTarget(
            name: "mptcpctl", dependencies: ["MPTCPCtlCommands"], swiftSettings: settings),

        .executableTarget(
            name: "mptcpctl-fuzz", dependencies: ["FuzzTargets", "LinuxSystem"],
            swiftSettings: settings),

        tests("FuzzTests", ["NetworkPrimitives", "LinuxSystem", "FuzzTargets"]),
        tests("NetworkPrimitivesTests", ["NetworkPrimitives"]),
        tests("WireFormatTests", ["NetworkPrimitives", "WireFormat", "LinuxSystem"]),
        tests("CongestionControlTests", ["NetworkPrimitives", "CongestionControl"]),
        tests("LinkModelTests", ["NetworkPrimitives", "LinkModel"]),
        tests("MiddleboxTests", ["NetworkPrimitives", "WireFormat", "Middlebox"]),
        tests(
            "TCPTests", ["NetworkPrimitives", "WireFormat", "CongestionControl", "TCP"]),
        tests(
            "MPTCPTests",
            ["NetworkPrimitives", "WireFormat", "CongestionControl", "TCP", "MPTCP"]),
        tests(
            "TraceAnalysisTests",
            ["NetworkPrimitives", "WireFormat", "LinkModel", "TraceAnalysis", "Scenario"],
            exclude: ["Captures"]),
        tests(
            "PacketCaptureTests",
            ["NetworkPrimitives", "WireFormat", "LinuxSystem", "Netlink", "PacketCapture"]),
        tests(
            "TopologyTests", ["NetworkPrimitives", "LinkModel", "Middlebox", "Topology"],
            exclude: ["Snapshots"]),
        tests(
            "TestbedTests",
            [
                "NetworkPrimitives", "LinkModel", "Topology", "Scenario", "LinuxSystem", "Netlink",
                "PacketDevice", "Testbed",
            ]),
        tests(
            "NetemTests",
            [
                "NetworkPrimitives", "LinkModel", "Topology", "LinuxSystem", "Netlink", "Testbed",
                "Scenario",
            ]),
        tests(
            "StackRuntimeTests",
            [
                "NetworkPrimitives", "WireFormat", "TCP", "MPTCP", "HostStack", "Scenario",
                "LinuxSystem", "Netlink", "PacketDevice", "KernelEndpoint", "StackRuntime",
            ]),
        tests(
            "ExperimentTests",
            [
                "NetworkPrimitives", "WireFormat", "Topology", "Scenario", "TraceAnalysis",
                "LinuxSystem", "PacketCapture", "Testbed", "Experiment", "Reporting",
            ]),
        tests(
            "CommandTests",
            ["NetworkPrimitives", "WireFormat", "LinuxSystem", "Scenario", "PacketCapture"]),
        tests("ArchitectureTests", ["LinuxSystem"]),
        tests(
            "StackScenarioTests",
            [
                "NetworkPrimitives", "WireFormat", "CongestionControl", "LinkModel", "Middlebox",
                "TCP",
                "MPTCP", "HostStack", "NetworkSimulation",
            ]),
        tests(
            "ScenarioTests",
            [
                "NetworkPrimitives", "WireFormat", "LinkModel", "Topology", "TraceAnalysis",
                "Scenario",
            ]),
        tests(
            "ReportingTests",
            [
                "NetworkPrimitives", "WireFormat", "Topology", "Scenario", "TraceAnalysis",
                "LinuxSystem", "PacketCapture", "Reporting",
            ]),
        tests(
            "KernelEndpointTests",
            ["NetworkPrimitives", "LinuxSystem", "Netlink", "Scenario", "KernelEndpoint"]),
        tests("LinuxSystemTests", ["NetworkPrimitives", "LinuxSystem"]),
        tests("NetlinkTests", ["NetworkPrimitives", "LinuxSystem", "Netlink"]),
        tests(
            "PacketDeviceTests",
            ["NetworkPrimitives", "WireFormat", "LinuxSystem", "Netlink", "PacketDevice"]),
    ]
)
