package import LinuxSystem
package import NetworkPrimitives

/// `net.mptcp.*` of the calling thread's namespace (kernel-peer.md, 16).
package enum KernelSetting: String, Hashable, Sendable, CaseIterable {
    case isEnabled = "enabled"
    case addressTimeout = "add_addr_timeout"
    case allowsJoinToInitialAddress = "allow_join_initial_addr_port"
    case blackholeTimeout = "blackhole_timeout"
    case usesChecksum = "checksum_enabled"
    case closeTimeout = "close_timeout"
    case pathManager = "path_manager"
    case scheduler
    case staleLossCount = "stale_loss_cnt"
    case synRetransmissionsBeforeFallback = "syn_retrans_before_tcp_fallback"

    /// `net.mptcp.enabled`
    package var name: String { "net.mptcp.\(rawValue)" }

    /// `sysctl -n NAME`
    package func value() throws(SystemError) -> String { try SysctlFile(name).read() }

    /// `sysctl -w NAME=VALUE`
    package func set(_ value: String) throws(SystemError) { try SysctlFile(name).write(value) }

    /// Whether this kernel has MPTCP and allows it here.
    package static var isMPTCPAvailable: Bool { (try? isEnabled.value()) == "1" }

    /// Where a server listens that is to be reached at every address of the namespace.
    package static var anyAddress: IPAddress {
        let isV6Off = (try? SysctlFile("net.ipv6.conf.all.disable_ipv6").read()) != "0"
        return isV6Off ? .v4(0) : .v6(0, 0)
    }
}
