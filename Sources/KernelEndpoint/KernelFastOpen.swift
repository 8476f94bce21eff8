internal import LinuxSystem
package import Scenario

/// `net.ipv4.tcp_fastopen` of the calling thread's namespace (kernel-peer.md, 15).
package enum KernelFastOpen {
    /// The setting's name: bit 0 is for clients, bit 1 for servers.
    package static let settingName = "net.ipv4.tcp_fastopen"

    /// Whether the kernel lets sockets of this role have data in the first SYN.
    package static func isAllowed(_ role: WorkloadEndpoint.Role) -> Bool {
        let bits = (try? SysctlFile(settingName).read()).flatMap { Int($0) } ?? 0
        return bits & (role == .client ? 1 : 2) != 0
    }
}
