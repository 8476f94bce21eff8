internal import Glibc
internal import KernelEndpoint
internal import LinuxSystem
internal import Netlink
internal import NetworkPrimitives
internal import PacketCapture
internal import PacketDevice
internal import Scenario
internal import Testbed

/// What a machine can do, found out by trying.
struct Diagnosis {
    /// One thing that was looked at.
    struct Finding {
        var name: String
        var isGood: Bool
        /// What was found.
        var detail: String
        /// What follows from it.
        var meaning: String
    }

    var kernel: String
    var findings: [Finding]

    /// Whether `--backend netns` works.
    var canRunInNamespaces: Bool {
        let needed = ["network namespaces", "packet sockets", "nft"]
        return needed.allSatisfy { name in findings.contains { $0.name == name && $0.isGood } }
    }

    /// Looks at everything.
    static func make() -> Diagnosis {
        var findings = [privileges()]
        findings += namespaceFindings()
        findings += [
            kernelMPTCP(), capture(), tool("tshark", "an independent look at captures"), qemu(),
        ]
        return Diagnosis(kernel: kernelRelease(), findings: findings)
    }

    private static func kernelRelease() -> String {
        (try? SysctlFile("kernel.osrelease").read()) ?? "unknown"
    }
}

// MARK: - Privileges and namespaces

extension Diagnosis {
    /// Without privileges everything else is tried in a user namespace, as the experiment does.
    private static func privileges() -> Finding {
        if Capabilities.effective().canBuildNetworks {
            return Finding(
                name: "privileges", isGood: true,
                detail: UserNamespace.isInside ? "root of a user namespace" : "root",
                meaning: "testbeds are built directly, in named namespaces")
        }
        do {
            try UserNamespace.enter()
        } catch {
            return Finding(
                name: "privileges", isGood: false,
                detail: "ordinary user, and no user namespaces (\(error))",
                meaning: "run as root, or set sysctl kernel.unprivileged_userns_clone=1 and "
                    + "user.max_user_namespaces above 0")
        }
        return Finding(
            name: "privileges", isGood: true, detail: "ordinary user; user namespaces are allowed",
            meaning: "testbeds are built in a user namespace of their own; serve and connect by "
                + "hand need root")
    }

    /// Everything that is tried in a namespace, which is gone afterwards.
    private static func namespaceFindings() -> [Finding] {
        let name = ProcessIdentity.ownedName("\(RandomBytes.suffix())-doctor")
        let namespace: NetworkNamespace
        do {
            namespace = try NetworkNamespace.create(named: name)
        } catch {
            return [
                Finding(
                    name: "network namespaces", isGood: false, detail: error.description,
                    meaning: "no testbeds: only --backend simulation")
            ]
        }
        defer { try? NetworkNamespace.delete(named: name) }
        return [
            Finding(
                name: "network namespaces", isGood: true, detail: "can be made",
                meaning: "--backend netns"),
            packetSockets(namespace), nft(namespace), netem(),
        ]
    }

    private static func packetSockets(_ namespace: NetworkNamespace) -> Finding {
        let meaning = "our stack sends and receives on real interfaces"
        do {
            try RouteController(in: namespace).setUp("lo")
            _ = try PacketSocketDevice("lo", in: namespace, .init(filter: .all))
            return Finding(
                name: "packet sockets", isGood: true, detail: "can be opened", meaning: meaning)
        } catch {
            return Finding(
                name: "packet sockets", isGood: false, detail: "\(error)",
                meaning: "no swift endpoints outside the simulation")
        }
    }

    private static func nft(_ namespace: NetworkNamespace) -> Finding {
        do {
            let silencer = try KernelSilencer(
                interfaces: ["lo"], ports: 40_000...40_001, in: namespace)
            try silencer.remove()
            return Finding(
                name: "nft", isGood: true, detail: "netdev ingress tables work",
                meaning: "the kernel keeps quiet on the ports of our stack")
        } catch {
            return Finding(
                name: "nft", isGood: false, detail: "\(error)",
                meaning: "the kernel would reset our connections: install nftables, and a kernel "
                    + "with nf_tables_netdev")
        }
    }

    private static func netem() -> Finding {
        let isThere = NetemLinkEmulator.isAvailable()
        return Finding(
            name: "netem", isGood: isThere,
            detail: isThere ? "available" : "this kernel has no sch_netem",
            meaning: isThere
                ? "links are emulated by the kernel; --link-emulation relay is the alternative"
                : "links are emulated by our relay process; nothing is lost but CPU time")
    }
}

// MARK: - Kernel MPTCP and tools

extension Diagnosis {
    private static func kernelMPTCP() -> Finding {
        let failure: String
        if KernelSetting.isMPTCPAvailable {
            do {
                _ = try KernelMPTCPSocket.listening(
                    on: Endpoint(.v4(0x7f00_0001), 0), options: KernelSocketOptions())
                return Finding(
                    name: "kernel MPTCP", isGood: true, detail: "sockets can be opened",
                    meaning: "--client kernel, --server kernel, --stack kernel")
            } catch {
                failure = error.description
            }
        } else if let value = try? KernelSetting.isEnabled.value() {
            failure = "net.mptcp.enabled is \(value)"
        } else {
            failure = "not in this kernel"
        }
        return Finding(
            name: "kernel MPTCP", isGood: false, detail: failure,
            meaning: "no kernel endpoints: swift on both sides only")
    }

    private static func capture() -> Finding {
        Finding(
            name: "capture", isGood: true, detail: CaptureLibrary.version,
            meaning: "every run is captured and measured from its captures")
    }

    private static func tool(_ name: String, _ use: String) -> Finding {
        let path = try? Executable.find(name)
        return Finding(
            name: name, isGood: path != nil, detail: path ?? "not installed",
            meaning: path == nil ? "optional: \(use)" : use)
    }

    private static func qemu() -> Finding {
        #if arch(arm64)
            let name = "qemu-system-aarch64"
        #else
            let name = "qemu-system-x86_64"
        #endif
        return tool(name, "tests of netem in a virtual machine")
    }
}

// MARK: - Output

extension Diagnosis {
    private var conclusion: String {
        canRunInNamespaces
            ? "handover experiments run in network namespaces (--backend netns) and in simulation"
            : "handover experiments run in simulation only (--backend simulation)"
    }

    var text: String {
        let width = findings.map(\.name.count).max() ?? 0
        var lines = ["kernel \(kernel)", ""]
        for finding in findings {
            let padding = String(repeating: " ", count: width - finding.name.count)
            let mark = finding.isGood ? "yes" : "no "
            lines.append("  \(mark)  \(finding.name)\(padding)  \(finding.detail)")
            lines.append("       \(String(repeating: " ", count: width))  -> \(finding.meaning)")
        }
        return (lines + ["", conclusion]).joined(separator: "\n")
    }

    var json: JSONValue {
        .object([
            .init("schema", "mptcpctl.doctor/1"),
            .init("kernel", .string(kernel)),
            .init(
                "backends",
                .object([
                    .init("netns", .bool(canRunInNamespaces)), .init("simulation", true),
                ])),
            .init(
                "findings",
                .array(
                    findings.map { finding in
                        .object([
                            .init("name", .string(finding.name)),
                            .init("good", .bool(finding.isGood)),
                            .init("detail", .string(finding.detail)),
                            .init("meaning", .string(finding.meaning)),
                        ])
                    })),
            .init("conclusion", .string(conclusion)),
        ])
    }
}
